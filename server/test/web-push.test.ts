/** Waking devices: who is woken when, what an address may be, and what goes to a push service. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createPublicKey } from "node:crypto";
import { jwtVerify } from "jose";
import { afterEach, describe, expect, it, vi } from "vitest";
import { bytesToBase64url, bytesToId, parseBase64url } from "../../src/std/index.ts";
import { encodeFrames, parseCapabilities } from "../../src/sync/index.ts";
import { silentLogger } from "../src/logger.ts";
import { createPushService } from "../src/push-service.ts";
import { maxDevices } from "../src/subscription-storage.ts";
import type { PushOutcome, PushService } from "../src/waker.ts";
import {
  createDevice,
  createTestEnv,
  createTestRelay,
  createUser,
  crypto,
  failureOf,
  joinTenant,
  origin,
  TestClient,
  TestTenant,
  type TestRelay,
  type TestUser,
} from "./fixtures.ts";

const phone = "https://push.example/phone";
const laptop = "https://push.example/laptop";

/** A push service that takes down what it is asked. */
class TestService implements PushService {
  readonly publicKey = Uint8Array.of(4, ...new Uint8Array(64));
  readonly sent: string[] = [];
  outcome: PushOutcome = { kind: "taken" };
  allows(endpoint: string): boolean {
    return endpoint.startsWith("https://push.example/");
  }
  async send(endpoint: string): Promise<PushOutcome> {
    this.sent.push(endpoint);
    return this.outcome;
  }
}

interface Place {
  readonly service: TestService;
  readonly test: TestRelay;
  readonly tenant: TestTenant;
  readonly ann: TestUser;
  readonly annClient: TestClient;
  readonly bobClient: TestClient;
}

async function createPlace(): Promise<Place> {
  const service = new TestService();
  const test = await createTestRelay({ push: service });
  const [ann, bob] = [await createUser(), await createUser()];
  const tenant = await TestTenant.withUsers(ann, bob);
  const annClient = await joinTenant(test, tenant, ann);
  const bobClient = await memberOf(test, tenant, bob);
  return { service, test, tenant, ann, annClient, bobClient };
}

async function memberOf(
  test: TestRelay,
  tenant: TestTenant,
  user: TestUser & { delegation?: Uint8Array },
): Promise<TestClient> {
  const options = user.delegation === undefined ? {} : { delegation: user.delegation };
  const client = new TestClient((request) => test.relay.fetch(request), tenant.tenantId, user, options);
  await client.signIn(test.serverKey);
  return client;
}

function ask(client: TestClient, body: unknown, tenantId = client.tenantId): Promise<Response> {
  const headers: Record<string, string> = { "Content-Type": "application/json" };
  if (client.token !== undefined) headers["Authorization"] = `Bearer ${bytesToBase64url(client.token)}`;
  return client.fetch(
    new Request(`${client.url}/v1/t/${tenantId}/wake`, {
      method: "POST",
      headers,
      body: typeof body === "string" ? body : JSON.stringify(body),
    }),
  );
}

const codeOf = async (asked: Promise<Response>): Promise<string> => (await failureOf(await asked)).code;
/** What has been set going comes to its end: storage in memory takes turns of the loop, not time. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

/** News by Ann, and the second after it. */
async function write({ annClient, ann, tenant, test }: Place): Promise<void> {
  const [result] = await annClient.push(tenant.dbId, await tenant.write(ann));
  expect(result?.status).toBe("accepted");
  await settle();
  test.env.advance(1001);
  await settle();
}

describe("a device that asked to be woken", () => {
  it("is told of by one message when another device has written, and not of what it wrote itself", async () => {
    const place = await createPlace();
    const { annClient, bobClient, service } = place;
    expect((await ask(annClient, { endpoint: laptop })).status).toBe(200);
    expect((await ask(bobClient, { endpoint: phone })).status).toBe(200);
    await write(place);
    expect(service.sent).toEqual([phone]);
  });

  it("is woken by another device of its own user", async () => {
    const place = await createPlace();
    const { ann, service, tenant, test } = place;
    const device = await createDevice(ann, tenant.tenantId, Date.now() + 1e8);
    expect((await ask(await memberOf(test, tenant, device), { endpoint: phone })).status).toBe(200);
    await write(place);
    expect(service.sent).toEqual([phone]);
  });

  it("is woken once for a burst, then left in peace for a minute, and not forgotten", async () => {
    const place = await createPlace();
    const { bobClient, service, test } = place;
    await ask(bobClient, { endpoint: phone });
    for (let commit = 0; commit < 5; commit++)
      await place.annClient.push(place.tenant.dbId, await place.tenant.write(place.ann));
    await write(place);
    await write(place);
    await write(place);
    expect(service.sent).toEqual([phone]);
    test.env.advance(60_001);
    await settle();
    expect(service.sent).toEqual([phone, phone]);
    test.env.advance(300_000);
    await settle();
    expect(service.sent).toHaveLength(2);
  });

  it("is not woken while it has a live session, and is again afterwards", async () => {
    const place = await createPlace();
    const { bobClient, service, tenant, test } = place;
    await ask(bobClient, { endpoint: phone });
    const live = test.relay.openLive(tenant.tenantId, {
      send: () => undefined,
      close: () => undefined,
      bufferedBytes: () => 0,
    });
    await live.onMessage(
      encodeFrames([
        { type: "hello", version: 1, replicaId: bobClient.replicaId },
        { type: "auth", token: bobClient.token ?? new Uint8Array(0) },
      ]),
    );
    await write(place);
    expect(service.sent).toEqual([]);
    live.onClose();
    await write(place);
    expect(service.sent).toEqual([phone]);
  });

  it("is woken no more once it takes that back, or once its user is revoked, whose address is forgotten", async () => {
    const place = await createPlace();
    const { bobClient, service, tenant, test } = place;
    await ask(bobClient, { endpoint: phone });
    expect((await ask(bobClient, { endpoint: null })).status).toBe(200);
    await write(place);
    expect(service.sent).toEqual([]);

    await ask(bobClient, { endpoint: phone });
    const bob = { key: bobClient.signer.key } as TestUser;
    const admin = await memberOf(test, tenant, place.ann);
    const revocation = await tenant.revoke(bob);
    await admin.push(tenant.directoryDbId, revocation);
    await write(place);
    expect(service.sent).toEqual([]);
    expect(await test.storage.listSubscriptions(tenant.tenantId, undefined, 10)).toEqual([]);
    expect(await codeOf(ask(bobClient, { endpoint: phone }))).toBe("access/revoked");
  });

  it("is forgotten when its push service says that it is gone", async () => {
    const place = await createPlace();
    place.service.outcome = { kind: "gone" };
    await ask(place.bobClient, { endpoint: phone });
    await write(place);
    await write(place);
    expect(place.service.sent).toEqual([phone]);
    expect(await place.test.storage.listSubscriptions(place.tenant.tenantId, undefined, 10)).toEqual([]);
  });

  it("is tried again later when its push service is busy, five times, no sooner than it says", async () => {
    const place = await createPlace();
    const { bobClient, service, test } = place;
    service.outcome = { kind: "again", afterMs: 90_000 };
    await ask(bobClient, { endpoint: phone });
    await write(place);
    expect(service.sent).toHaveLength(1);
    test.env.advance(89_000);
    await settle();
    expect(service.sent).toHaveLength(1);
    for (let time = 0; time < 8; time++) {
      test.env.advance(60 * 60_000);
      await settle();
    }
    expect(service.sent).toHaveLength(5);
    // Its address stays: the next news wakes.
    expect(await test.storage.listSubscriptions(place.tenant.tenantId, undefined, 10)).toHaveLength(1);
  });

  it("goes on being woken after others whose tenant's storage failed", async () => {
    const place = await createPlace();
    const { bobClient, service, test } = place;
    await ask(bobClient, { endpoint: phone });
    const failing = vi.spyOn(test.storage, "listSubscriptions").mockRejectedValueOnce(new Error("disk"));
    await write(place);
    expect(failing).toHaveBeenCalled();
    expect(service.sent).toEqual([]);
    await write(place);
    expect(service.sent).toEqual([phone]);
  });
});

describe("what is asked of a server that wakes devices", () => {
  it("is refused from elsewhere, without a session, in another tenant, and where it is no address of a push service", async () => {
    const { annClient, bobClient, tenant, test } = await createPlace();
    const stranger = new TestClient(
      (request) => test.relay.fetch(request),
      tenant.tenantId,
      await createUser(),
    );
    expect(await codeOf(ask(stranger, { endpoint: phone }))).toBe("access/unauthenticated");
    const other = await TestTenant.withUsers(await createUser());
    expect(await codeOf(ask(annClient, { endpoint: phone }, other.tenantId))).toBe("access/denied");
    const bad = [
      {},
      { endpoint: "https://elsewhere.example/a" },
      { endpoint: 7 },
      { endpoint: [phone] },
      [],
      "{",
      "7",
    ];
    for (const body of bad)
      expect(await codeOf(ask(bobClient, body)), JSON.stringify(body)).toBe("input/invalid");
    expect(await codeOf(ask(bobClient, { endpoint: phone + "a".repeat(20_000) }))).toBe("input/too-large");
    expect(await test.storage.listSubscriptions(tenant.tenantId, undefined, 10)).toEqual([]);
  });

  it("has room for so many devices of a user", async () => {
    const { ann, annClient, bobClient, tenant, test } = await createPlace();
    for (let index = 0; index < maxDevices; index++) {
      const device = bytesToId("AuthorKey", crypto.randomBytes(32));
      await test.storage.putSubscription(tenant.tenantId, { device, user: ann.key, endpoint: phone });
    }
    expect(await codeOf(ask(annClient, { endpoint: laptop }))).toBe("store/quota");
    expect((await ask(bobClient, { endpoint: phone })).status).toBe(200);
  });

  it("is said by its capabilities; another server wakes nobody, and says so", async () => {
    const { service, test } = await createPlace();
    const capabilitiesOf = async ({ relay }: TestRelay) =>
      parseCapabilities(await (await relay.fetch(new Request(`${origin}/sync/capabilities`))).json());
    expect((await capabilitiesOf(test)).pushKey).toBe(bytesToBase64url(service.publicKey));
    const plain = await createTestRelay();
    const user = await createUser();
    const client = await joinTenant(plain, await TestTenant.withUsers(user), user);
    expect(await capabilitiesOf(plain)).not.toHaveProperty("pushKey");
    expect(await codeOf(ask(client, { endpoint: phone }))).toBe("input/unknown-id");
  });
});

interface Heard {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly bodyBytes: number;
}

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A push service on a port of this machine. */
async function startPushService(
  answer: (response: ServerResponse) => void,
): Promise<{ readonly at: string; readonly heard: Heard[] }> {
  const heard: Heard[] = [];
  const server = createServer((request, response) => {
    let bodyBytes = 0;
    request.on("data", (chunk: Buffer) => (bodyBytes += chunk.length));
    request.on("end", () => {
      heard.push({ method: request.method, url: request.url, headers: request.headers, bodyBytes });
      answer(response);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a server has a port");
  return { at: `http://127.0.0.1:${address.port}`, heard };
}

const secret = new Uint8Array(32).fill(7);
const serviceFor = (
  hosts: readonly string[],
  env = createTestEnv(),
  from: Uint8Array<ArrayBuffer> = secret,
): PushService =>
  createPushService({
    env,
    crypto,
    logger: silentLogger,
    secret: from,
    subject: "mailto:admin@example.org",
    hosts,
  });

describe("a message to a push service", () => {
  it("is empty, and signed with the key that browsers were told, for that service alone", async () => {
    const { at, heard } = await startPushService((response) => response.writeHead(201).end());
    const service = serviceFor([at]);
    expect(await service.send(`${at}/send/abc?d=1`)).toEqual({ kind: "taken" });
    const [message = expect.fail()] = heard;
    expect(message).toMatchObject({ method: "POST", url: "/send/abc?d=1", bodyBytes: 0 });
    expect(message.headers).toMatchObject({ ttl: "86400", urgency: "normal", topic: "coffer-sync" });
    const [, token = "", key = ""] =
      /^vapid t=([\w.-]+), k=([\w-]+)$/.exec(message.headers.authorization ?? "") ?? [];
    expect(key).toBe(bytesToBase64url(service.publicKey));
    const point = parseBase64url(key) ?? new Uint8Array(0);
    const jwk = {
      kty: "EC",
      crv: "P-256",
      x: bytesToBase64url(point.slice(1, 33)),
      y: bytesToBase64url(point.slice(33)),
    };
    const { payload, protectedHeader } = await jwtVerify(
      token,
      createPublicKey({ key: jwk, format: "jwk" }),
      {
        audience: at,
        subject: "mailto:admin@example.org",
      },
    );
    expect(protectedHeader.alg).toBe("ES256");
    const leftSeconds = (payload.exp ?? 0) - Date.now() / 1000;
    expect(leftSeconds).toBeGreaterThan(60 * 60);
    expect(leftSeconds).toBeLessThan(24 * 60 * 60);
  });

  it("has the same key after a restart and at every node, and another at another server", () => {
    const text = (from: Uint8Array<ArrayBuffer>) =>
      bytesToBase64url(serviceFor([], createTestEnv(), from).publicKey);
    expect(text(secret)).toBe(text(secret.slice()));
    expect(text(secret)).not.toBe(text(new Uint8Array(32).fill(8)));
    expect(text(secret)).toMatch(/^B[\w-]{86}$/);
  });

  it("tells what became of it: gone, later, and when", async () => {
    const outcomes: [number, Record<string, string>, PushOutcome][] = [
      [404, {}, { kind: "gone" }],
      [410, {}, { kind: "gone" }],
      [400, {}, { kind: "gone" }],
      // A redirect is not followed: it could lead anywhere.
      [307, { location: "http://127.0.0.1:9/inside" }, { kind: "gone" }],
      [401, {}, { kind: "again", afterMs: 0 }],
      [403, {}, { kind: "again", afterMs: 0 }],
      [429, { "retry-after": "120" }, { kind: "again", afterMs: 120_000 }],
      [503, { "retry-after": "999999" }, { kind: "again", afterMs: 3_600_000 }],
      [500, { "retry-after": "soon" }, { kind: "again", afterMs: 0 }],
    ];
    for (const [status, headers, outcome] of outcomes) {
      const { at } = await startPushService((response) =>
        response.writeHead(status, headers).end("x".repeat(1e5)),
      );
      expect(await serviceFor([at]).send(`${at}/a`), String(status)).toEqual(outcome);
    }
  });

  it("gives up on a service that is silent or away", async () => {
    const { at, heard } = await startPushService(() => undefined);
    const env = createTestEnv();
    const sending = serviceFor([at], env).send(`${at}/a`);
    await expect.poll(() => heard).toHaveLength(1);
    env.advance(10_001);
    expect(await sending).toEqual({ kind: "again", afterMs: 0 });
    expect(await serviceFor(["http://127.0.0.1:9"]).send("http://127.0.0.1:9/a")).toEqual({
      kind: "again",
      afterMs: 0,
    });
  });

  it("goes to push services alone, whatever a member calls one", async () => {
    const service = serviceFor(["push.example.org", "http://127.0.0.1:9000"]);
    const good = [
      "https://fcm.googleapis.com/fcm/send/abc:def",
      "https://updates.push.services.mozilla.com/wpush/v2/abc",
      "https://web.push.apple.com/abc",
      "https://wns2-par02p.notify.windows.com/w/?token=abc",
      "https://push.example.org/abc",
      "http://127.0.0.1:9000/abc",
    ];
    for (const endpoint of good) expect(service.allows(endpoint), endpoint).toBe(true);
    const bad = [
      "",
      "abc",
      "http://fcm.googleapis.com/fcm/send/abc",
      "https://fcm.googleapis.com:8443/abc",
      "https://user@fcm.googleapis.com/abc",
      "https://fcm.googleapis.com@127.0.0.1/abc",
      "https://fcm.googleapis.com.evil.example/abc",
      "https://evilpush.apple.com/abc",
      "https://push.apple.com.evil.example/",
      "https://evil.example/?a=.push.apple.com",
      "https://evil.example/#.push.apple.com",
      "https://push.example.org.evil.example/",
      "https://a.push.example.org/",
      "https://127.0.0.1/abc",
      "http://127.0.0.1:9001/abc",
      "http://127.0.0.1:9000@evil.example/",
      "http://169.254.169.254/latest/meta-data",
      "http://[::1]:9000/abc",
      "file:///etc/passwd",
      "javascript:alert(1)",
      "ftp://fcm.googleapis.com/abc",
      `https://fcm.googleapis.com/${"a".repeat(2100)}`,
    ];
    for (const endpoint of bad) {
      expect(service.allows(endpoint), endpoint).toBe(false);
      // What was stored by a server that allowed more is not called either.
      expect(await service.send(endpoint), endpoint).toEqual({ kind: "gone" });
    }
  });
});
