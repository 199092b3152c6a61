import { describe, expect, it } from "vitest";
import { bytesToBase64url, bytesToId, concatBytes, type CommitHash } from "../../src/std/index.ts";
import {
  appendLeaves,
  decodeFrames,
  digestHeads,
  emptyFrontier,
  encodeFrames,
  rootOf,
  verifyHead,
  verifyTenantHead,
  type Frame,
} from "../../src/sync/index.ts";
import { encodeCommit, parseCommit, type Commit } from "../../src/entry/index.ts";
import { createGenesis } from "../../src/keys/index.ts";
import { readTenantRoot } from "../src/tenant-record.ts";
import { verifyStore } from "../src/verify-store.ts";
import {
  createDbId,
  createDevice,
  createTestRelay,
  createUser,
  crypto,
  failureOf,
  itemsOf,
  joinTenant,
  origin,
  publish,
  TestClient,
  TestTenant,
  withoutCiphertexts,
  type TestRelay,
  type TestUser,
} from "./fixtures.ts";

async function createPlace(options: Parameters<typeof createTestRelay>[0] = {}) {
  const test = await createTestRelay(options);
  const user = await createUser();
  const tenant = await TestTenant.withUsers(user);
  const client = await joinTenant(test, tenant, user);
  return { test, user, tenant, client };
}

function clientOf(test: TestRelay, tenant: TestTenant, user: TestUser, delegation?: Uint8Array): TestClient {
  return new TestClient(
    (request) => test.relay.fetch(request),
    tenant.tenantId,
    user,
    delegation === undefined ? {} : { delegation },
  );
}

const code = (expected: string) => expect.objectContaining({ code: expected });

describe("publishing a tenant", () => {
  it("takes it once, answers 200 to the same again, and follows its directory", async () => {
    const test = await createTestRelay();
    const tenant = await TestTenant.withUsers(await createUser());
    expect((await publish(test.relay, tenant)).status).toBe(201);
    expect((await publish(test.relay, tenant)).status).toBe(200);
    await tenant.grant(await createUser());
    expect((await publish(test.relay, tenant)).status).toBe(200);
    expect(await test.storage.readLog(tenant.tenantId, tenant.directoryDbId)).toMatchObject({ size: 2 });
  });

  it("refuses other content under the same id", async () => {
    const test = await createTestRelay();
    const tenant = await TestTenant.withUsers(await createUser());
    await publish(test.relay, tenant);
    const answer = await publish(
      test.relay,
      tenant,
      await tenant.publication({ secret: crypto.randomBytes(32) }),
    );
    expect([answer.status, (await failureOf(answer)).code]).toEqual([409, "input/used"]);
    tenant.directory.length = 0;
    await tenant.grant(await createUser());
    expect((await publish(test.relay, tenant)).status).toBe(409);
  });

  it("refuses what is forged, stale, meant for another server, or does not fold", async () => {
    const test = await createTestRelay();
    const tenant = await TestTenant.withUsers(await createUser(), await createUser());
    const attempt = async (options: Parameters<TestTenant["publication"]>[0]) =>
      (await publish(test.relay, tenant, await tenant.publication(options))).status;
    expect(await attempt({ signer: await createUser() })).toBe(422);
    expect(await attempt({ origin: "https://other.example" })).toBe(403);
    expect(await attempt({ createdAtMs: Date.now() - 2 * 3_600_000 })).toBe(400);
    const whole = [...tenant.directory];
    tenant.directory.splice(0, 1);
    expect(await attempt({})).toBe(422);
    tenant.directory.splice(0, 1, ...whole);
    const bytes = await tenant.publication();
    for (const at of [0, 5, 60, bytes.length - 70, bytes.length - 1]) {
      const changed = bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
      expect((await publish(test.relay, tenant, changed)).status).toBeGreaterThanOrEqual(400);
    }
    expect(await test.storage.tenantCount()).toBe(0);
  });

  it("takes no more tenants than it may: 507", async () => {
    const test = await createTestRelay({ limits: { maxTenants: 1 } });
    expect((await publish(test.relay, await TestTenant.withUsers(await createUser()))).status).toBe(201);
    expect((await publish(test.relay, await TestTenant.withUsers(await createUser()))).status).toBe(507);
  });

  it("reads the same root from a genesis record as the room that makes it", async () => {
    const admin = await createUser();
    const namesKey = crypto.randomBytes(32);
    const identity = { userName: "a", signingKey: admin.key, encryptionKey: crypto.randomBytes(32) };
    const genesis = createGenesis(crypto, { admin: identity, namesKey, tenantName: "t" });
    expect(readTenantRoot(crypto, genesis.bytes)).toEqual({
      tenantId: genesis.tenantId,
      adminKey: admin.key,
    });
    expect(readTenantRoot(crypto, genesis.bytes.subarray(1))).toBeUndefined();
  });
});

describe("a commit of which documents were erased before it was sent", () => {
  const accepted = { status: "accepted", seq: 0 } as const;
  const refused = { status: "refused", code: "entry/corrupt" } as const;

  async function bytesAt(client: TestClient, tenant: TestTenant): Promise<readonly Uint8Array[]> {
    const items = itemsOf(await client.pull([], { full: true }), tenant.dbId);
    return items.flatMap((item) => ("commit" in item ? [item.commit] : []));
  }

  it("is taken from its author, by the user's key and by a device's, and by nobody else", async () => {
    const { test, tenant, user, client } = await createPlace();
    const member = await createUser();
    await client.push(tenant.directoryDbId, await tenant.grant(member));
    const other = clientOf(test, tenant, member);
    const admin = clientOf(test, tenant, tenant.admin);
    const device = await createDevice(user, tenant.tenantId, test.env.nowMs() + 3_600_000);
    const byDevice = clientOf(test, tenant, device, device.delegation);
    for (const one of [other, admin, byDevice]) await one.signIn(test.serverKey);
    const commits = [await tenant.write(user, { texts: ["a", "b"] }), await tenant.write(user)] as const;
    const parts = [
      withoutCiphertexts(commits[0], (index) => index === 0),
      withoutCiphertexts(commits[1]),
    ] as const;
    expect(await other.push(tenant.dbId, ...parts)).toMatchObject([refused, refused]);
    expect(await admin.push(tenant.dbId, ...parts)).toMatchObject([refused, refused]);
    expect(await client.push(tenant.dbId, parts[0])).toMatchObject([accepted]);
    expect(await byDevice.push(tenant.dbId, ...parts)).toMatchObject([accepted, { ...accepted, seq: 1 }]);
    // Also once it is here: who is not the author brings all or nothing.
    expect(await other.push(tenant.dbId, ...parts)).toMatchObject([refused, refused]);
    expect(await bytesAt(other, tenant)).toEqual(parts.map(({ bytes }) => bytes));
  });

  it("is filled in at its place by whoever brings the whole, and loses nothing again", async () => {
    const { test, tenant, user, client } = await createPlace();
    const member = await createUser();
    await client.push(tenant.directoryDbId, await tenant.grant(member));
    const other = clientOf(test, tenant, member);
    await other.signIn(test.serverKey);
    const whole = await tenant.write(user, { texts: ["a", "b", "c"] });
    const one = withoutCiphertexts(whole, (index) => index !== 0);
    const two = withoutCiphertexts(whole, (index) => index !== 2);
    await client.push(tenant.dbId, one, await tenant.write(user));
    const before = await client.pull([], { full: true });
    expect(await client.push(tenant.dbId, two)).toMatchObject([accepted]);
    expect((await bytesAt(client, tenant))[0]).toEqual(
      withoutCiphertexts(whole, (index) => index === 1).bytes,
    );
    expect(await other.push(tenant.dbId, whole)).toMatchObject([accepted]);
    expect((await bytesAt(client, tenant))[0]).toEqual(whole.bytes);
    expect(await client.push(tenant.dbId, one)).toMatchObject([accepted]);
    expect((await bytesAt(client, tenant))[0]).toEqual(whole.bytes);
    // Neither the log's size nor its root has moved.
    const rootsOf = (frames: readonly Frame[]) =>
      frames.flatMap((frame) => (frame.type === "head" ? [[frame.size, bytesToBase64url(frame.root)]] : []));
    expect(rootsOf(await client.pull([], { full: true }))).toEqual(rootsOf(before));
  });

  it("counts what fills it in against the tenant's room", async () => {
    const { tenant, user, client } = await createPlace({ limits: { tenantBytes: 3000 } });
    const whole = await tenant.write(user, { text: "x".repeat(4000) });
    const part = withoutCiphertexts(whole);
    expect(await client.push(tenant.dbId, part)).toMatchObject([accepted]);
    expect(await client.push(tenant.dbId, whole)).toMatchObject([{ status: "retry", code: "store/quota" }]);
    expect(await bytesAt(client, tenant)).toEqual([part.bytes]);
  });

  it("keeps all of its headers, and is none of the directory's", async () => {
    const { test, tenant, user, client } = await createPlace();
    const whole = await tenant.write(user, { texts: ["a", "b"] });
    const entries = whole.entries.map((entry, index) =>
      index === 0 ? { entryHash: entry.entryHash } : entry,
    );
    expect(await client.push(tenant.dbId, { bytes: encodeCommit({ ...whole, entries }) })).toMatchObject([
      refused,
    ]);
    const admin = clientOf(test, tenant, tenant.admin);
    await admin.signIn(test.serverKey);
    const grant = await tenant.grant(await createUser());
    expect(await admin.push(tenant.directoryDbId, withoutCiphertexts(grant))).toMatchObject([refused]);
    expect(await admin.push(tenant.directoryDbId, grant)).toMatchObject([{ status: "accepted", seq: 1 }]);
    expect(await admin.push(tenant.directoryDbId, withoutCiphertexts(grant))).toMatchObject([refused]);
  });

  it("is told on the live connection like any other", async () => {
    const { test, tenant, user, client } = await createPlace();
    const part = withoutCiphertexts(await tenant.write(user));
    const sent: Uint8Array[] = [];
    const session = test.relay.openLive(tenant.tenantId, {
      send: (message) => void sent.push(message),
      close: () => undefined,
      bufferedBytes: () => 0,
    });
    const hello = { type: "hello", version: 1, replicaId: new Uint8Array(16).fill(8) } as const;
    const auth = { type: "auth", token: client.token ?? new Uint8Array(32) } as const;
    const push = { type: "push", dbId: tenant.dbId, commits: [part.bytes] } as const;
    await session.onMessage(encodeFrames([hello, auth, push]));
    expect(sent.flatMap((message) => decodeFrames(message) ?? [])).toMatchObject([
      { type: "ack", results: [accepted] },
    ]);
    session.onClose();
  });
});

describe("signing in", () => {
  it("works for members, for the admin and for a device with a delegation", async () => {
    const { test, user, tenant, client } = await createPlace();
    expect(client.token).toHaveLength(137);
    await clientOf(test, tenant, tenant.admin).signIn(test.serverKey);
    const device = await createDevice(user, tenant.tenantId, test.env.nowMs() + 3_600_000);
    const deviceClient = clientOf(test, tenant, device, device.delegation);
    await deviceClient.signIn(test.serverKey);
    expect((await deviceClient.pull()).at(-1)).toEqual({ type: "end", more: false });
  });

  it("gives a challenge to anybody, in one shape", async () => {
    const { test, tenant, client } = await createPlace();
    const stranger = clientOf(test, await TestTenant.create(), await createUser());
    const ask = async (by: TestClient) =>
      (await by.postJson("/v1/auth/challenge", { tenant: by.tenantId, key: by.signer.key })) as {
        challenge: string;
      };
    const known = await ask(client);
    expect(Object.keys(await ask(stranger))).toEqual(Object.keys(known));
    expect((await ask(stranger)).challenge).toHaveLength(known.challenge.length);
    await expect(stranger.signIn(test.serverKey)).rejects.toThrow(code("access/unauthenticated"));
    await expect(clientOf(test, tenant, await createUser()).signIn(test.serverKey)).rejects.toThrow(
      code("access/unauthenticated"),
    );
  });

  it("refuses an answer for another origin or another server", async () => {
    const { test, client } = await createPlace();
    await expect(client.signIn(test.serverKey, "https://evil.example")).rejects.toThrow(
      code("access/unauthenticated"),
    );
    await expect(client.signIn(crypto.randomBytes(32))).rejects.toThrow(code("access/unauthenticated"));
  });

  it("takes an answer once (replay), in time, and only for its tenant and key", async () => {
    const { test, tenant, user } = await createPlace();
    const bodies: unknown[] = [];
    const recorded = new TestClient(
      async (request) => {
        if (request.url.endsWith("/token")) bodies.push(await request.clone().json());
        return test.relay.fetch(request);
      },
      tenant.tenantId,
      user,
    );
    await recorded.signIn(test.serverKey);
    await expect(recorded.postJson("/v1/auth/token", bodies[0])).rejects.toThrow(
      code("access/unauthenticated"),
    );
    const late = new TestClient(
      async (request) => {
        if (request.url.endsWith("/token")) test.env.advance(61_000);
        return test.relay.fetch(request);
      },
      tenant.tenantId,
      user,
    );
    await expect(late.signIn(test.serverKey)).rejects.toThrow(code("access/unauthenticated"));
    const other = await createUser();
    const { challenge } = (await recorded.postJson("/v1/auth/challenge", {
      tenant: tenant.tenantId,
      key: other.key,
    })) as { challenge: string };
    await expect(
      recorded.postJson("/v1/auth/token", { ...(bodies[0] as object), challenge }),
    ).rejects.toThrow(code("access/unauthenticated"));
  });

  it("refuses delegations that are expired, of another tenant, device or signer", async () => {
    const { test, user, tenant } = await createPlace();
    const nowMs = test.env.nowMs();
    const attempt = async (device: TestUser, delegation: Uint8Array) =>
      clientOf(test, tenant, device, delegation)
        .signIn(test.serverKey)
        .then(
          () => "in",
          (error: { code: string }) => error.code,
        );
    const good = await createDevice(user, tenant.tenantId, nowMs + 60_000);
    const expired = await createDevice(user, tenant.tenantId, nowMs - 1);
    const foreign = await createDevice(user, bytesToId("TenantId", crypto.randomBytes(32)), nowMs + 60_000);
    const unknown = await createDevice(await createUser(), tenant.tenantId, nowMs + 60_000);
    expect(await attempt(good, good.delegation)).toBe("in");
    for (const device of [expired, foreign, unknown])
      expect(await attempt(device, device.delegation)).toBe("access/unauthenticated");
    expect(await attempt(expired, good.delegation)).toBe("access/unauthenticated");
    expect(
      await attempt(
        good,
        good.delegation.map((byte, index) => (index === 105 ? byte ^ 1 : byte)),
      ),
    ).toBe("access/unauthenticated");
  });

  it("ends tokens after ten minutes, and a device's with its delegation", async () => {
    const { test, user, tenant, client } = await createPlace();
    const device = await createDevice(user, tenant.tenantId, test.env.nowMs() + 60_000);
    const deviceClient = clientOf(test, tenant, device, device.delegation);
    await deviceClient.signIn(test.serverKey);
    test.env.advance(61_000);
    await expect(deviceClient.pull()).rejects.toThrow(code("access/unauthenticated"));
    await client.pull();
    test.env.advance(10 * 60_000);
    await expect(client.pull()).rejects.toThrow(code("access/unauthenticated"));
  });

  it("scopes a token to its tenant: 403 elsewhere, 401 without one", async () => {
    const { test, client } = await createPlace();
    const other = await createPlace();
    await publish(test.relay, other.tenant);
    expect((await client.exchangeRaw(new Uint8Array(), other.tenant.tenantId)).status).toBe(403);
    client.token = undefined;
    expect((await client.exchangeRaw(new Uint8Array())).status).toBe(401);
    client.token = crypto.randomBytes(32);
    expect((await client.exchangeRaw(new Uint8Array())).status).toBe(401);
  });

  it("cuts a revoked user off at the next request, and lets nobody sign in with the key", async () => {
    const { test, user, tenant, client } = await createPlace();
    const admin = clientOf(test, tenant, tenant.admin);
    await admin.signIn(test.serverKey);
    await client.pull();
    const [result] = await admin.push(tenant.directoryDbId, await tenant.revoke(user));
    expect(result).toMatchObject({ status: "accepted", seq: 1 });
    await expect(client.pull()).rejects.toThrow(code("access/revoked"));
    await expect(clientOf(test, tenant, user).signIn(test.serverKey)).rejects.toThrow(code("access/revoked"));
  });
});

describe("pushing", () => {
  it("acknowledges each commit with its place, again and again the same one", async () => {
    const { tenant, user, client } = await createPlace();
    const commits = [await tenant.write(user), await tenant.write(user), await tenant.write(user)];
    const first = await client.push(tenant.dbId, ...commits.slice(0, 2));
    expect(first.map(({ status, seq, commitHash }) => [status, seq, commitHash])).toEqual([
      ["accepted", 0, commits[0]?.commitHash],
      ["accepted", 1, commits[1]?.commitHash],
    ]);
    const again = await client.push(tenant.dbId, ...commits);
    expect(again.map(({ status, seq }) => [status, seq])).toEqual([
      ["accepted", 0],
      ["accepted", 1],
      ["accepted", 2],
    ]);
  });

  it("compares a stored hash byte for byte and never acknowledges other bytes", async () => {
    const { test, tenant, user, client } = await createPlace();
    const commit = await tenant.write(user);
    const { commitHash, header, bytes } = commit;
    const kept = bytes.map((byte, index) => (index === bytes.length - 1 ? byte ^ 1 : byte));
    const place = {
      tenantId: tenant.tenantId,
      dbId: tenant.dbId,
      replicaId: new Uint8Array(16),
      directorySize: 1,
    };
    await test.storage.append({
      ...place,
      commits: [{ commitHash, author: header.author, createdAtMs: header.createdAtMs, bytes: kept }],
    });
    expect(await client.push(tenant.dbId, commit)).toMatchObject([
      { status: "refused", code: "entry/corrupt" },
    ]);
  });

  it("refuses what is forged, foreign, incomplete or by nobody it knows, and keeps its neighbours", async () => {
    const { tenant, user, client } = await createPlace();
    const good = await tenant.write(user);
    const forged = await tenant.write(user);
    const last = forged.bytes.length - 1;
    const flipped = { bytes: forged.bytes.map((byte, index) => (index === last ? byte ^ 1 : byte)) };
    const cut = { bytes: forged.bytes.subarray(0, 100) };
    const elsewhere = await tenant.write(user, { dbId: createDbId() });
    const stranger = await tenant.write(await createUser());
    const byAdmin = await tenant.write(tenant.admin);
    const whole = await tenant.write(user);
    const empty = {
      bytes: encodeCommit({ ...whole, entries: whole.entries.map(({ entryHash }) => ({ entryHash })) }),
    };
    const results = await client.push(tenant.dbId, flipped, good, cut, elsewhere, stranger, byAdmin, empty);
    expect(results.map(({ status, code: reason }) => [status, reason])).toEqual([
      ["refused", "entry/forged"],
      ["accepted", undefined],
      ["refused", "protocol/malformed"],
      ["refused", "access/denied"],
      ["refused", "access/denied"],
      ["refused", "access/denied"],
      ["refused", "entry/corrupt"],
    ]);
    expect(itemsOf(await client.pull([], { full: true }), tenant.dbId)).toHaveLength(1);
  });

  it("asks to try again while it does not know the directory head", async () => {
    const { test, tenant, user, client } = await createPlace();
    const granted = await createUser();
    await tenant.grant(granted);
    const commit = await tenant.write(user);
    const byNew = await tenant.write(granted);
    expect(await client.push(tenant.dbId, commit, byNew)).toMatchObject([
      { status: "retry", code: "directory/behind" },
      { status: "retry", code: "directory/behind" },
    ]);
    await publish(test.relay, tenant);
    expect(await client.push(tenant.dbId, commit, byNew)).toMatchObject([
      { status: "accepted" },
      { status: "accepted" },
    ]);
  });

  it("takes a directory commit and what stands on it in one request, whatever their order", async () => {
    const { test, tenant } = await createPlace();
    const admin = clientOf(test, tenant, tenant.admin);
    await admin.signIn(test.serverKey);
    const granted = await createUser();
    const grant = await tenant.grant(granted);
    const commit = await tenant.write(granted);
    const frames = await admin.exchange(
      { type: "push", dbId: tenant.dbId, commits: [commit.bytes] },
      { type: "push", dbId: tenant.directoryDbId, commits: [grant.bytes] },
    );
    expect(frames).toMatchObject([
      { type: "ack", dbId: tenant.dbId, results: [{ status: "accepted" }] },
      { type: "ack", dbId: tenant.directoryDbId, results: [{ status: "accepted", seq: 1 }] },
      { type: "end", more: false },
    ]);
  });

  it("keeps the directory linear and the admin's", async () => {
    const { tenant, user, client } = await createPlace();
    const record = {
      kind: "grantaccess",
      userKey: (await createUser()).key,
      encryptionKey: new Uint8Array(32),
      nameHash: new Uint8Array(32),
    } as const;
    const byMember = await tenant.sealDirectory([record], { author: user });
    const right = await tenant.sealDirectory([record]);
    const fork = await tenant.sealDirectory([{ ...record, userKey: user.key }]);
    const ahead = await tenant.sealDirectory([record], { head: right.commitHash, writerSeq: 3 });
    expect(await client.push(tenant.directoryDbId, ahead, byMember)).toMatchObject([
      { status: "retry", code: "directory/behind" },
      { status: "refused", code: "access/not-admin" },
    ]);
    expect(await client.push(tenant.directoryDbId, right, fork, ahead, right)).toMatchObject([
      { status: "accepted", seq: 1 },
      { status: "refused", code: "access/denied" },
      { status: "accepted", seq: 2 },
      { status: "accepted", seq: 1 },
    ]);
  });

  it("takes a second line of the directory with the merge that brings it in, in any order, and not without it", async () => {
    const { test, tenant, user } = await createPlace();
    const client = clientOf(test, tenant, tenant.admin);
    await client.signIn(test.serverKey);
    const first = tenant.head;
    if (first === undefined) throw new Error("a tenant has a directory");
    const [one, two] = [await createUser(), await createUser()];
    const access = ({ key }: typeof user) =>
      ({
        kind: "grantaccess",
        userKey: key,
        encryptionKey: new Uint8Array(32),
        nameHash: new Uint8Array(32),
      }) as const;
    const ours = await tenant.sealDirectory([access(one)], { head: first });
    const theirs = await tenant.sealDirectory([{ kind: "revokeaccess", userKey: user.key, cuts: [] }], {
      head: first,
    });
    const further = await tenant.sealDirectory([access(two)], { head: theirs.commitHash });
    expect(await client.push(tenant.directoryDbId, ours)).toMatchObject([{ status: "accepted", seq: 1 }]);
    expect(await client.push(tenant.directoryDbId, theirs)).toMatchObject([
      { status: "refused", code: "access/denied" },
    ]);
    const merge = await tenant.sealDirectory([access(two)], {
      head: ours.commitHash,
      alsoBehind: [further.commitHash],
    });
    const alone = await client.push(tenant.directoryDbId, merge);
    expect(alone).toMatchObject([{ status: "retry", code: "directory/behind" }]);
    const results = await client.push(tenant.directoryDbId, merge, further, theirs);
    expect(results.map(({ status }) => status)).toEqual(["accepted", "accepted", "accepted"]);
    // The revocation of the other line is in force at once, also after a start from what is stored.
    const commit = await tenant.write(user);
    expect(await client.push(tenant.dbId, commit)).toMatchObject([
      { status: "refused", code: "access/revoked" },
    ]);
    expect((await verifyStore(crypto, test.storage)).damages).toEqual([]);
  });

  it("takes what a first piece of a merge brings in, however much of that line comes beside it, and the rest with the next", async () => {
    const { test, tenant } = await createPlace();
    const client = clientOf(test, tenant, tenant.admin);
    await client.signIn(test.serverKey);
    const first = tenant.head;
    if (first === undefined) throw new Error("a tenant has a directory");
    const record = async () =>
      ({
        kind: "grantaccess",
        userKey: (await createUser()).key,
        encryptionKey: new Uint8Array(32),
        nameHash: new Uint8Array(32),
      }) as const;
    const ours = await tenant.sealDirectory([await record()], { head: first });
    const line = [await tenant.sealDirectory([await record()], { head: first })];
    for (let index = 0; index < 3; index++)
      line.push(await tenant.sealDirectory([await record()], { head: line.at(-1)?.commitHash ?? first }));
    const steps = [ours];
    for (const brought of line)
      steps.push(
        await tenant.sealDirectory([{ kind: "adopt", commitHashes: [brought.commitHash] }], {
          head: steps.at(-1)?.commitHash ?? first,
          alsoBehind: [brought.commitHash],
        }),
      );
    const [, one, two, three, four] = steps;
    if (!one || !two || !three || !four) throw new Error("a step for each");
    expect(await client.push(tenant.directoryDbId, ours)).toMatchObject([{ status: "accepted", seq: 1 }]);
    const statuses = async (...commits: readonly (typeof ours)[]) =>
      (await client.push(tenant.directoryDbId, ...commits)).map(({ status, code }) => code ?? status);
    const pieces = await statuses(...line, one, two);
    expect(pieces.slice(0, 2)).toEqual(["accepted", "accepted"]);
    expect(pieces.slice(2, 4)).toEqual(["directory/behind", "directory/behind"]);
    expect(pieces.slice(4)).toEqual(["accepted", "accepted"]);
    // A piece whose past is not whole brings in nothing.
    expect(await statuses(four, ...line)).toEqual([
      "directory/behind",
      "accepted",
      "accepted",
      "access/denied",
      "directory/behind",
    ]);
    expect(await statuses(...line, four, three)).toEqual(Array.from({ length: 6 }, () => "accepted"));
    expect((await verifyStore(crypto, test.storage)).damages).toEqual([]);
  });

  it("lets only one of two directory commits follow a head, however they race", async () => {
    const { test, tenant } = await createPlace();
    const admin = clientOf(test, tenant, tenant.admin);
    await admin.signIn(test.serverKey);
    const seal = async () => {
      const userKey = (await createUser()).key;
      return tenant.sealDirectory([
        { kind: "grantaccess", userKey, encryptionKey: new Uint8Array(32), nameHash: new Uint8Array(32) },
      ]);
    };
    const commits = await Promise.all([seal(), seal(), seal(), seal()]);
    const results = await Promise.all(commits.map((commit) => admin.push(tenant.directoryDbId, commit)));
    expect(
      results
        .flat()
        .map(({ status }) => status)
        .sort(),
    ).toEqual(["accepted", "refused", "refused", "refused"]);
    expect(await test.storage.readLog(tenant.tenantId, tenant.directoryDbId)).toMatchObject({ size: 2 });
  });

  it("applies a causal cut: what it covers may still come, by whom ever, and nothing else", async () => {
    const { test, tenant, user } = await createPlace();
    const peer = await createUser();
    await tenant.grant(peer);
    const first = await tenant.write(user);
    const second = await tenant.write(user, { predecessors: [first.commitHash] });
    const beyond = await tenant.write(user, { predecessors: [second.commitHash] });
    const aside = await tenant.write(user);
    await tenant.revoke(user, [second.commitHash]);
    await publish(test.relay, tenant);
    const client = clientOf(test, tenant, peer);
    await client.signIn(test.serverKey);
    expect(await client.push(tenant.dbId, beyond)).toMatchObject([
      { status: "retry", code: "directory/behind" },
    ]);
    const push = (...commits: readonly Commit[]): Frame => ({
      type: "push",
      dbId: tenant.dbId,
      commits: commits.map(({ bytes }) => bytes),
    });
    // It says what is missing before it can tell, once for each request and author.
    const wanted = { type: "need", dbId: tenant.dbId, commits: [second.commitHash] };
    const behind = expect.objectContaining({ code: "directory/behind" }) as unknown;
    expect(await client.exchange(push(beyond, aside), push(beyond))).toMatchObject([
      wanted,
      { type: "ack", results: [behind, behind] },
      wanted,
      { type: "ack", results: [behind] },
      { type: "end" },
    ]);
    expect(await client.push(tenant.dbId, beyond, first, second, aside)).toMatchObject([
      { status: "refused", code: "access/revoked" },
      { status: "accepted", seq: 0 },
      { status: "accepted", seq: 1 },
      { status: "refused", code: "access/revoked" },
    ]);
    expect(await client.push(tenant.dbId, beyond)).toMatchObject([
      { status: "refused", code: "access/revoked" },
    ]);
  });

  it("takes nothing that its author's role allows in no document, but what they wrote before", async () => {
    const { test, tenant, user, client } = await createPlace();
    const first = await tenant.write(user);
    const unseen = await tenant.write(user, { predecessors: [first.commitHash] });
    await tenant.give(user, "reader", [first.commitHash]);
    await publish(test.relay, tenant);
    const told = await tenant.write(user);
    const [before] = tenant.directory;
    const backdated = await tenant.write(user, { ...(before && { directoryHead: before.commitHash }) });
    const denied = { status: "refused", code: "access/denied" };
    const accepted = { status: "accepted" };
    expect(await client.push(tenant.dbId, first, unseen, told, backdated)).toMatchObject([
      accepted,
      denied,
      denied,
      denied,
    ]);
    // Whose document an author changes, a server does not know: that is for who reads it.
    await tenant.give(user, "author", [first.commitHash]);
    await publish(test.relay, tenant);
    expect(await client.push(tenant.dbId, await tenant.write(user), told)).toMatchObject([accepted, denied]);
    const elsewhere = createDbId();
    const other = await tenant.write(user, { dbId: elsewhere });
    expect(await client.push(elsewhere, other)).toMatchObject([accepted]);
  });

  it("stores nothing by a user who was revoked while the commit was judged", async () => {
    const { test, tenant, user } = await createPlace();
    const revocation = await tenant.revoke(user);
    const head = tenant.directory[0]?.commitHash;
    const append = test.storage.append.bind(test.storage);
    const racing = { ...test.storage };
    let races = 1;
    racing.append = async (request) => {
      if (races-- > 0)
        await append({
          ...request,
          dbId: tenant.directoryDbId,
          commits: [{ ...revocation, author: revocation.header.author, createdAtMs: 1 }],
        });
      return append(request);
    };
    const raced = await createTestRelay({
      env: test.env,
      storage: racing,
      signing: await crypto.createSigningPair(),
    });
    const racer = clientOf(raced, tenant, user);
    await racer.signIn(raced.serverKey);
    const commit = await tenant.write(user, head === undefined ? {} : { directoryHead: head });
    const answer = await racer.push(tenant.dbId, commit).catch((error: { code: string }) => error.code);
    // The commit is refused, and by the time of the answer so is its author.
    expect(answer).toBe("access/revoked");
    expect(await test.storage.readLog(tenant.tenantId, tenant.dbId)).toBeUndefined();
  });

  it("says store/quota for each commit when the tenant is full, and still answers pulls", async () => {
    const { tenant, user, client } = await createPlace({ limits: { tenantBytes: 2500 } });
    const commits = [await tenant.write(user), await tenant.write(user, { text: "x".repeat(4000) })];
    const frames = await client.exchange(
      { type: "push", dbId: tenant.dbId, commits: commits.slice(0, 1).map(({ bytes }) => bytes) },
      { type: "push", dbId: tenant.dbId, commits: commits.slice(1).map(({ bytes }) => bytes) },
      { type: "pull", allDatabases: true, full: true, cursors: [], maxBytes: 1e6 },
    );
    expect(frames.slice(0, 2)).toMatchObject([
      { type: "ack", results: [{ status: "accepted" }] },
      { type: "ack", results: [{ status: "retry", code: "store/quota" }] },
    ]);
    expect(itemsOf(frames, tenant.dbId)).toHaveLength(1);
  });
});

describe("pulling", () => {
  it("proves every frame with a head, the directory first, and all of it with a tenant head", async () => {
    const { test, tenant, user, client } = await createPlace();
    for (let i = 0; i < 5; i++)
      await client.push(tenant.dbId, await tenant.write(user, { text: "y".repeat(90_000) }));
    const other = clientOf(test, tenant, user);
    await other.signIn(test.serverKey);
    const frames = await other.pull();
    expect(frames[0]).toMatchObject({ type: "commits", dbId: tenant.directoryDbId });
    const frontiers = new Map<string, typeof emptyFrontier>();
    const heads = new Map<string, Extract<Frame, { type: "head" }>>();
    for (const [index, frame] of frames.entries()) {
      if (frame.type !== "commits") continue;
      const head = frames[index + 1];
      if (head?.type !== "head") throw new Error("a head follows");
      const before = frontiers.get(frame.dbId) ?? emptyFrontier;
      expect(frame.fromSeq).toBe(before.size);
      const hashes = frame.items.map((item) => ("leaf" in item ? item.leaf : hashOf(item.commit)));
      const after = appendLeaves(crypto, before, hashes);
      expect([head.dbId, head.size, [...head.root]]).toEqual([
        frame.dbId,
        after.size,
        [...rootOf(crypto, after)],
      ]);
      expect(await verifyHead(crypto, test.serverKey, tenant.tenantId, head)).toBe(true);
      frontiers.set(frame.dbId, after);
      heads.set(frame.dbId, head);
    }
    expect(frontiers.get(tenant.dbId)?.size).toBe(5);
    expect(
      frames.filter((frame) => frame.type === "commits" && frame.dbId === tenant.dbId).length,
    ).toBeGreaterThan(1);
    const tenantHead = frames.at(-2);
    if (tenantHead?.type !== "tenant-head") throw new Error("a tenant head follows");
    expect([...tenantHead.digest]).toEqual([...digestHeads(crypto, [...heads.values()])]);
    expect(tenantHead.databaseCount).toBe(2);
    expect(await verifyTenantHead(crypto, test.serverKey, tenant.tenantId, tenantHead)).toBe(true);
    expect(frames.at(-1)).toEqual({ type: "end", more: false });
  });

  it("sends one tenant head when there is nothing new: less than 256 bytes", async () => {
    const { tenant, user, client } = await createPlace();
    await client.push(tenant.dbId, await tenant.write(user));
    const cursors = (await client.pull()).flatMap((frame) =>
      frame.type === "head" ? [{ dbId: frame.dbId, epoch: frame.epoch, seq: frame.size }] : [],
    );
    const frames = await client.pull(cursors);
    expect(frames.map(({ type }) => type)).toEqual(["tenant-head", "end"]);
    expect(encodeFrames(frames).length).toBeLessThan(256);
    const some = await client.pull(cursors.slice(1), { allDatabases: false });
    expect(some.map(({ type }) => type)).toEqual(["head", "end"]);
  });

  it("names own commits by their leaf, others' whole, and all whole on request", async () => {
    const { test, tenant, user, client } = await createPlace();
    const other = clientOf(test, tenant, user);
    await other.signIn(test.serverKey);
    const own = await tenant.write(user);
    const others = await tenant.write(user);
    await client.push(tenant.dbId, own);
    await other.push(tenant.dbId, others);
    expect(itemsOf(await client.pull(), tenant.dbId)).toEqual([
      { leaf: own.commitHash },
      { commit: new Uint8Array(others.bytes) },
    ]);
    expect(itemsOf(await client.pull([], { full: true }), tenant.dbId)).toEqual([
      { commit: new Uint8Array(own.bytes) },
      { commit: new Uint8Array(others.bytes) },
    ]);
  });

  it("ends with `more` at the byte budget, and goes on from the cursor", async () => {
    const { test, tenant, user, client } = await createPlace();
    for (let i = 0; i < 6; i++)
      await client.push(tenant.dbId, await tenant.write(user, { text: "z".repeat(3000) }));
    const other = clientOf(test, tenant, user);
    await other.signIn(test.serverKey);
    const cursors = new Map<string, { dbId: typeof tenant.dbId; epoch: number; seq: number }>();
    let rounds = 0;
    let seen = 0;
    for (let more = true; more; rounds++) {
      const frames = await other.pull([...cursors.values()], { maxBytes: 4000 });
      for (const frame of frames)
        if (frame.type === "head")
          cursors.set(frame.dbId, { dbId: frame.dbId, epoch: frame.epoch, seq: frame.size });
      seen += itemsOf(frames, tenant.dbId).length;
      more = frames.some((frame) => frame.type === "end" && frame.more);
    }
    expect([seen, rounds > 3]).toEqual([6, true]);
  });

  it("begins again after a new epoch, and shows a cursor beyond its end where the log ends", async () => {
    const { test, tenant, user, client } = await createPlace();
    await client.push(tenant.dbId, await tenant.write(user));
    const { epoch = 0 } = (await test.storage.readLog(tenant.tenantId, tenant.dbId)) ?? {};
    const beyond = await client.pull([{ dbId: tenant.dbId, epoch, seq: 9 }], { allDatabases: false });
    expect(beyond).toMatchObject([{ type: "head", size: 1, epoch }, { type: "end" }]);
    await test.storage.startNewEpochs();
    const fresh = await client.pull([{ dbId: tenant.dbId, epoch, seq: 1 }], { allDatabases: false });
    expect(fresh).toMatchObject([
      { type: "commits", fromSeq: 0 },
      { type: "head", size: 1 },
      { type: "end" },
    ]);
    const lost = createDbId();
    const frames = await client.pull([{ dbId: lost, epoch, seq: 3 }], { allDatabases: false });
    expect(frames).toMatchObject([{ type: "head", dbId: lost, size: 0 }, { type: "end" }]);
  });
});

function hashOf(bytes: Uint8Array): CommitHash {
  const verdict = parseCommit(crypto, bytes);
  if (verdict.kind !== "verified") throw new Error("a stored commit can be read");
  return verdict.commit.commitHash;
}

describe("what is not the protocol", () => {
  it("answers wrong methods, types, paths and bodies with 4xx", async () => {
    const { test, tenant, client } = await createPlace();
    const binary = { "Content-Type": "application/octet-stream" };
    const json = { "Content-Type": "application/json" };
    const authorization = { Authorization: `Bearer ${bytesToBase64url(client.token ?? new Uint8Array())}` };
    const sync = `/v1/t/${tenant.tenantId}/sync`;
    const cases: [string, RequestInit, number][] = [
      ["/", {}, 404],
      ["/constructor", {}, 404],
      ["/__proto__", {}, 404],
      ["/v1/t", {}, 404],
      ["/v1/t/short/sync", { method: "POST", headers: binary }, 404],
      [`/v1/t/${tenant.tenantId}`, {}, 404],
      [`/v1/t/${tenant.tenantId}/sync/`, { method: "POST", headers: binary }, 404],
      [`/v1/t/${tenant.tenantId.slice(0, -1)}%41/sync`, { method: "POST", headers: binary }, 404],
      ["/v1/t/../../etc/passwd", {}, 404],
      ["/sync/capabilities", { method: "POST" }, 405],
      ["/sync/capabilities", { method: "DELETE" }, 405],
      [sync, { headers: authorization }, 405],
      [sync, { method: "PUT", headers: { ...binary, ...authorization } }, 405],
      [sync, { method: "POST", headers: { "Content-Type": "text/plain", ...authorization }, body: "x" }, 415],
      [sync, { method: "POST", headers: { ...json, ...authorization }, body: "{}" }, 415],
      [sync, { method: "POST", headers: { ...binary, ...authorization }, body: "x" }, 400],
      [sync, { method: "POST", headers: { ...binary, ...authorization } }, 400],
      [sync, { method: "POST", headers: { ...binary, Authorization: "Basic x" } }, 401],
      [sync, { method: "POST", headers: { ...binary, Authorization: "Bearer " } }, 401],
      ["/v1/tenants", { method: "POST", headers: json, body: "{}" }, 415],
      ["/v1/tenants", { method: "POST", headers: binary, body: "nonsense" }, 400],
      [
        "/v1/auth/challenge",
        { method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: "a=b" },
        415,
      ],
      ["/v1/auth/challenge", { method: "POST", headers: json, body: "{" }, 400],
      ["/v1/auth/challenge", { method: "POST", headers: json, body: "null" }, 400],
      [
        "/v1/auth/challenge",
        { method: "POST", headers: json, body: `{"tenant":["${tenant.tenantId}"],"key":{}}` },
        400,
      ],
      ["/v1/auth/challenge", { method: "POST", headers: json, body: "x".repeat(17 * 1024) }, 413],
      ["/v1/auth/token", { method: "POST", headers: json, body: "{}" }, 400],
      [`/v1/t/${tenant.tenantId}/live`, {}, 426],
    ];
    for (const [path, init, status] of cases) {
      const answer = await test.relay.fetch(new Request(origin + path, init));
      expect([path, init.method, answer.status]).toEqual([path, init.method, status]);
      expect((await answer.json()) as object).toHaveProperty("code");
    }
  });

  it("checks the first frame, the version and the kinds of frames", async () => {
    const { client } = await createPlace();
    const hello: Frame = { type: "hello", version: 1, replicaId: client.replicaId };
    const pull: Frame = { type: "pull", allDatabases: true, full: false, cursors: [], maxBytes: 10 };
    const send = async (...frames: Frame[]) => (await client.exchangeRaw(encodeFrames(frames))).status;
    expect(await send(hello)).toBe(200);
    expect(await send(pull)).toBe(400);
    expect(await send(pull, hello)).toBe(400);
    expect(await send({ ...hello, version: 2 })).toBe(426);
    expect(await send(hello, pull, pull)).toBe(400);
    expect(await send(hello, { type: "end", more: false })).toBe(400);
    expect(
      (await client.exchangeRaw(concatBytes(encodeFrames([hello]), new Uint8Array([99, 2, 1, 1])))).status,
    ).toBe(200);
  });

  it("stops reading a body at the limit", async () => {
    const { test, tenant, client } = await createPlace();
    let readBytes = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        readBytes += 1024 * 1024;
        controller.enqueue(new Uint8Array(1024 * 1024));
      },
    });
    const request = new Request(`${origin}/v1/t/${tenant.tenantId}/sync`, {
      method: "POST",
      headers: {
        "Content-Type": "application/octet-stream",
        Authorization: `Bearer ${bytesToBase64url(client.token ?? new Uint8Array())}`,
      },
      body: endless,
      duplex: "half",
    } as RequestInit);
    expect((await test.relay.fetch(request)).status).toBe(413);
    expect(readBytes).toBeLessThan(12 * 1024 * 1024);
  });

  it("slows down who asks too much, with Retry-After, and nobody else", async () => {
    const { test, client } = await createPlace({
      limits: { anonymous: { perMinute: 60, burst: 5 }, member: { perMinute: 60, burst: 3 } },
    });
    const ask = (peer: string) => test.relay.fetch(new Request(`${origin}/sync/capabilities`), peer);
    const answers = [];
    for (let i = 0; i < 6; i++) answers.push((await ask("10.0.0.1")).status);
    expect(answers).toEqual([200, 200, 200, 200, 200, 429]);
    expect(Number((await ask("10.0.0.1")).headers.get("Retry-After"))).toBeGreaterThanOrEqual(1);
    expect((await ask("10.0.0.2")).status).toBe(200);
    test.env.advance(1100);
    expect((await ask("10.0.0.1")).status).toBe(200);
    for (let i = 0; i < 3; i++) await client.pull();
    await expect(client.pull()).rejects.toThrow(code("net/rate-limited"));
  });

  it("hides what failed inside, and answers 5xx", async () => {
    const { test, tenant } = await createPlace();
    const broken = { ...test.storage, readLog: async () => Promise.reject(new Error("secret detail")) };
    const { relay } = await createTestRelay({ env: test.env, storage: broken });
    const answer = await publish(relay, tenant);
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain("secret");
  });
});
