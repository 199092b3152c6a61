import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { encodeCommit, presenceOf, type Commit } from "../../src/entry/index.ts";
import { bytesToBase64url, idToBytes, parseBase64url } from "../../src/std/index.ts";
import {
  authPreimage,
  decodeFrames,
  encodeFrames,
  endBound,
  parseCapabilities,
  type Frame,
  type HttpTransport,
} from "../../src/sync/index.ts";
import { idOf } from "../../src/sync/reconcile.ts";
import { readCommand, UsageError } from "../src/cli-options.ts";
import { createForwardLink } from "../src/forward-link.ts";
import { forwardPreimage } from "../src/forward-auth.ts";
import { bundleServer } from "./bundle-fixtures.ts";
import {
  createTestEnv,
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
  type TestEnv,
  type TestRelay,
  type TestUser,
} from "./fixtures.ts";
import {
  children,
  createPair,
  createSite,
  epochOf,
  hashesOf,
  join2,
  metricOf,
  newFolder,
  newPort,
  open,
  publishAt,
  pushAll,
  readLog,
  run,
  seen,
  spawnServer,
  start,
  stop,
  untilIdleMs,
  writeMany,
} from "./forward-fixtures.ts";
import { hasPostgres, startPostgres, startTimeoutMs, type PrivatePostgres } from "./private-postgres.ts";

/*
 * A server that forwards what it holds to another one: devices that know only the second one see what is written at the first.
 */
describe("what is written at a server that forwards", () => {
  it("is seen by who knows only the other one: the directory before all, and newcomers with it", async () => {
    const { atA, atB, anna, tenant, a, b } = await open();
    const first = await writeMany(tenant, anna, 20);
    await pushAll(atA, tenant, first);
    await seen(atB, tenant, first);
    // The admin grants at the first server only; who is granted signs in at the second one.
    const carl = await createUser();
    const admin = await join2(a, tenant, tenant.admin);
    await admin.push(tenant.directoryDbId, await tenant.grant(carl));
    const more = await writeMany(tenant, carl, 3);
    await pushAll(await join2(a, tenant, carl), tenant, more);
    await seen(atB, tenant, [...first, ...more]);
    const carlAtB = await join2(b, tenant, carl);
    await seen(carlAtB, tenant, [...first, ...more]);
    // Who is revoked at the first server is cut off at the second.
    await admin.push(tenant.directoryDbId, await tenant.revoke(carl, hashesOf(more)));
    await vi.waitFor(
      () => expect(carlAtB.pull()).rejects.toMatchObject({ code: "access/revoked" }),
      untilIdleMs,
    );
  });

  it("is told over live sessions of the other one as it comes", async () => {
    const { atA, atB, anna, tenant, b } = await open();
    const ws = await import("ws");
    const live = new ws.WebSocket(`${b.url.replace("http", "ws")}/v1/t/${tenant.tenantId}/live`);
    const frames: Frame[] = [];
    live.on("message", (data: Buffer) => frames.push(...(decodeFrames(new Uint8Array(data)) ?? [])));
    await new Promise((resolve) => live.once("open", resolve));
    live.send(
      encodeFrames([
        { type: "hello", version: 1, replicaId: atB.replicaId },
        { type: "auth", token: atB.token ?? new Uint8Array() },
        { type: "pull", allDatabases: true, full: true, cursors: [], maxBytes: 1e6 },
      ]),
    );
    await vi.waitFor(() => expect(frames.at(-1)?.type).toBe("end"), untilIdleMs);
    const commit = await tenant.write(anna);
    await pushAll(atA, tenant, [commit]);
    await vi.waitFor(() => expect(itemsOf(frames, tenant.dbId)).toHaveLength(1), untilIdleMs);
    live.close();
  });

  it("waits while the other one is away, and keeps its order", async () => {
    const { atA, anna, bert, tenant, b, serverB, startB } = await open();
    const first = await writeMany(tenant, anna, 5);
    await pushAll(atA, tenant, first);
    await seen(await join2(b, tenant, bert), tenant, first);
    await stop(serverB);
    const more = await writeMany(tenant, anna, 30);
    for (const commit of more) await pushAll(atA, tenant, [commit]);
    await startB();
    const again = await join2(b, tenant, bert);
    await seen(again, tenant, [...first, ...more]);
    expect(hashesOf(await readLog(again, tenant))).toEqual(hashesOf(await readLog(atA, tenant)));
  });

  it("goes on from a durable place: what is acknowledged is not sent again after a restart", async () => {
    const { a, atA, atB, anna, tenant, serverA, startA, serverB } = await open({ b: { adminPort: 0 } });
    await pushAll(atA, tenant, await writeMany(tenant, anna, 40));
    await vi.waitFor(async () => expect(await readLog(atB, tenant)).toHaveLength(40), untilIdleMs);
    await stop(serverA);
    const before = await metricOf(serverB, 'coffer_commits_total{outcome="accepted"}');
    expect(before).toBeGreaterThanOrEqual(40);
    const second = await startA();
    await pushAll(await join2(a, tenant, anna), tenant, [await tenant.write(anna)]);
    await vi.waitFor(async () => expect(await readLog(atB, tenant)).toHaveLength(41), untilIdleMs);
    expect(await metricOf(serverB, 'coffer_commits_total{outcome="accepted"}')).toBe(before + 1);
    await stop(second);
  });

  it("comes again, all of it, where the other one was restored from a backup", async () => {
    const { atA, atB, anna, bert, tenant, a, b, serverB } = await open();
    const first = await writeMany(tenant, anna, 5);
    await pushAll(atA, tenant, first);
    await seen(atB, tenant, first);
    const copy = newFolder();
    await run("backup", "--data", b.folder, "--to", copy);
    const lost = await writeMany(tenant, anna, 5);
    await pushAll(atA, tenant, lost);
    await seen(atB, tenant, [...first, ...lost]);
    const epoch = await epochOf(atB, tenant.dbId);
    await stop(serverB);
    const meanwhile = await tenant.write(anna);
    await pushAll(atA, tenant, [meanwhile]);
    const restored = { ...b, folder: newFolder() };
    await run("restore", "--data", restored.folder, "--from", copy);
    await start(restored, { acceptFrom: [a.key] });
    const again = await join2(b, tenant, bert);
    await seen(again, tenant, [...first, ...lost, meanwhile]);
    expect(await epochOf(again, tenant.dbId)).toBeGreaterThan(epoch);
    await vi.waitFor(
      () => expect(a.log).toContainEqual(expect.objectContaining({ event: "forward.again" })),
      untilIdleMs,
    );
  });

  it("waits until the admin publishes the tenant at the other one too", async () => {
    const { a, b, anna, bert, tenant, startA, startB } = await createPair();
    await startA();
    await startB();
    await publishAt(a, tenant);
    const commits = await writeMany(tenant, anna, 3);
    await pushAll(await join2(a, tenant, anna), tenant, commits);
    const refusal = expect.objectContaining({ code: "input/unknown-id" }) as unknown;
    await vi.waitFor(
      () => expect(a.log).toContainEqual({ event: "forward.failed", fields: refusal }),
      untilIdleMs,
    );
    await publishAt(b, tenant);
    await seen(await join2(b, tenant, bert), tenant, commits);
  });

  it("is forwarded of the tenants that are named, and of no others", async () => {
    const { a, b, anna, bert, tenant, startB } = await createPair();
    const other = await TestTenant.withUsers(anna, bert);
    await startB();
    await start(a, { forwardTo: [b.url], forwardTenants: [tenant.tenantId] });
    for (const one of [other, tenant]) {
      await publishAt(a, one);
      await publishAt(b, one);
      await pushAll(await join2(a, one, anna), one, await writeMany(one, anna, 2));
    }
    const atB = await join2(b, tenant, bert);
    await vi.waitFor(async () => expect(await readLog(atB, tenant)).toHaveLength(2), untilIdleMs);
    expect(await readLog(await join2(b, other, bert), other)).toEqual([]);
  });

  it("passes on through a chain of three, and both ways without going in circles", async () => {
    const [a, b, c] = [await createSite(), await createSite(), await createSite()];
    const [anna, bert] = [await createUser(), await createUser()];
    const tenant = await TestTenant.withUsers(anna, bert);
    await start(a, { forwardTo: [b.url], acceptFrom: [b.key] });
    const serverB = await start(b, {
      forwardTo: [a.url, c.url],
      acceptFrom: [a.key],
      adminPort: 0,
    });
    await start(c, { acceptFrom: [b.key] });
    for (const site of [a, b, c]) await publishAt(site, tenant);
    const [atA, atB, atC] = await Promise.all([a, b, c].map((site) => join2(site, tenant, anna)));
    if (atA === undefined || atB === undefined || atC === undefined) return expect.fail();
    const ready = await tenant.write(anna);
    await pushAll(atB, tenant, [ready]);
    for (const client of [atA, atC]) await seen(client, tenant, [ready]);
    const forwarded = 'coffer_forwarded_commits_total{outcome="accepted"}';
    const idle = async (): Promise<void> =>
      vi.waitFor(async () => expect(await metricOf(serverB, "coffer_forward_waiting")).toBe(0), untilIdleMs);
    await idle();
    const before = await metricOf(serverB, forwarded);
    const [fromA, fromB] = [await writeMany(tenant, anna, 4), await writeMany(tenant, anna, 3)];
    await pushAll(atA, tenant, fromA);
    await pushAll(atB, tenant, fromB);
    for (const client of [atA, atB, atC]) await seen(client, tenant, [ready, ...fromA, ...fromB]);
    await idle();
    // To C all seven, to A its own three: what A brought does not go back there.
    expect(await metricOf(serverB, forwarded)).toBe(before + 4 + 3 + 3);
  });

  it("is put off where the other one has no room, other tenants go on, and it comes once there is room", async () => {
    const { a, b, anna, bert, tenant, serverB, atA } = await open({
      b: { limits: { tenantCommits: 2 + 6 } },
    });
    const other = await TestTenant.withUsers(anna, bert);
    for (const site of [a, b]) await publishAt(site, other);
    const many = await writeMany(tenant, anna, 10);
    await pushAll(atA, tenant, many);
    const full = expect.objectContaining({ code: "store/quota" }) as unknown;
    await vi.waitFor(
      () => expect(a.log).toContainEqual({ event: "forward.failed", fields: full }),
      untilIdleMs,
    );
    const few = await writeMany(other, anna, 2);
    await pushAll(await join2(a, other, anna), other, few);
    await seen(await join2(b, other, bert), other, few);
    expect(await readLog(await join2(b, tenant, bert), tenant)).toEqual([]);
    await stop(serverB);
    await start(b, { acceptFrom: [a.key] });
    await seen(await join2(b, tenant, bert), tenant, many);
  });

  it("of who was revoked counts as far as the cut there too, however much it is", async () => {
    const { a, b, anna, bert, tenant, startA, startB } = await createPair();
    await startA();
    await publishAt(a, tenant);
    const atA = await join2(a, tenant, bert);
    // More than one request holds: the cut's heads come long after the first commit they cover.
    const covered: Commit[] = [];
    const text = "x".repeat(120_000);
    for (let count = 0; count < 40; count++) {
      const last = covered.at(-1);
      covered.push(await tenant.write(bert, { text, predecessors: last ? [last.commitHash] : [] }));
    }
    for (const commit of covered) await pushAll(atA, tenant, [commit]);
    const beyond = await tenant.write(bert, { predecessors: hashesOf(covered.slice(-1)) });
    const after = await tenant.write(anna);
    await pushAll(atA, tenant, [beyond, after]);
    const admin = await join2(a, tenant, tenant.admin);
    await admin.push(tenant.directoryDbId, await tenant.revoke(bert, hashesOf(covered.slice(-1))));
    await startB();
    await publishAt(b, tenant);
    const atB = await join2(b, tenant, anna);
    await seen(atB, tenant, [...covered, after]);
    const refused = expect.objectContaining({ code: "access/revoked", count: 1 }) as unknown;
    await vi.waitFor(
      () => expect(a.log).toContainEqual({ event: "forward.refused", fields: refused }),
      untilIdleMs,
    );
  });
});

describe("what was erased", () => {
  const docOf = (commit: Commit, index: number) => commit.entries[index]?.header?.docId ?? expect.fail();
  const textsOf = (commit: Commit | undefined) =>
    commit?.entries.map(({ ciphertext }) => ciphertext !== undefined);

  it("by the admin's purge is erased at the other one, and what stood beside it arrives", async () => {
    const { a, b, anna, bert, tenant, startA, startB } = await createPair();
    await startA();
    await publishAt(a, tenant);
    const early = await tenant.write(anna, { texts: ["gone", "stays"] });
    const atA = await join2(a, tenant, anna);
    await pushAll(atA, tenant, [early]);
    const admin = await join2(a, tenant, tenant.admin);
    const purge = async (commit: Commit): Promise<void> => {
      const record = { kind: "purge", dbId: tenant.dbId, docIds: [docOf(commit, 0)] } as const;
      await admin.push(tenant.directoryDbId, await tenant.appendDirectory([record]));
    };
    await purge(early);
    expect(textsOf((await readLog(atA, tenant))[0])).toEqual([false, true]);
    await startB();
    await publishAt(b, tenant);
    const atB = await join2(b, tenant, bert);
    await seen(atB, tenant, [early]);
    expect(textsOf((await readLog(atB, tenant))[0])).toEqual([false, true]);
    const late = await tenant.write(anna, { texts: ["goes too", "stays"] });
    await pushAll(atA, tenant, [late]);
    await seen(atB, tenant, [early, late]);
    expect(textsOf((await readLog(atB, tenant))[1])).toEqual([true, true]);
    await purge(late);
    await vi.waitFor(
      async () => expect(textsOf((await readLog(atB, tenant))[1])).toEqual([false, true]),
      untilIdleMs,
    );
  });

  it.each([false, true])(
    "by its author before it was sent is filled in there when somebody brings it (restart between: %s)",
    async (restarts) => {
      const { a, atA, atB, anna, bert, tenant, serverA, startA } = await open();
      const commit = await tenant.write(anna, { texts: ["first", "second"] });
      const lacking = withoutCiphertexts(commit, (index) => index === 0);
      expect(await atA.push(tenant.dbId, lacking)).toMatchObject([{ status: "accepted" }]);
      await seen(atB, tenant, [commit]);
      expect(textsOf((await readLog(atB, tenant))[0])).toEqual([false, true]);
      if (restarts) {
        await stop(serverA);
        // Filled while nothing is forwarded.
        const alone = await start(a);
        await pushAll(await join2(a, tenant, bert), tenant, [commit]);
        await stop(alone);
        await startA();
      } else await pushAll(await join2(a, tenant, bert), tenant, [commit]);
      await vi.waitFor(
        async () => expect(textsOf((await readLog(atB, tenant))[0])).toEqual([true, true]),
        untilIdleMs,
      );
    },
  );
});

describe("a server that is killed while it forwards", () => {
  const command = bundleServer();

  it(
    "goes on where it was acknowledged: nothing is lost, nothing is twice",
    { timeout: 180_000 },
    async () => {
      const { a, b, anna, bert, tenant, startB } = await createPair();
      await startB();
      await publishAt(b, tenant);
      const atB = await join2(b, tenant, bert);
      const written: Commit[] = [];
      for (let round = 0; round < 3; round++) {
        const child = await spawnServer(command.path, a, "--forward-to", b.url);
        await publishAt(a, tenant);
        const atA = await join2(a, tenant, anna);
        const commits = await writeMany(tenant, anna, 60);
        const before = (await readLog(atB, tenant)).length;
        for (let from = 0; from < commits.length; from += 5) {
          await pushAll(atA, tenant, commits.slice(from, from + 5));
          // In the middle of forwarding: some of this round is there, and more is on its way.
          if (round < 2 && from > 20 && (await readLog(atB, tenant)).length > before) break;
        }
        // What was acknowledged to the device is at A, however it ends.
        const exited = new Promise((resolve) => child.once("exit", resolve));
        written.push(...(await readLog(atA, tenant)).slice(written.length));
        if (round < 2) {
          child.kill("SIGKILL");
          await exited;
          children.delete(child);
        }
      }
      await seen(atB, tenant, written);
      expect(new Set(hashesOf(await readLog(atB, tenant))).size).toBe(written.length);
      await run("verify", "--data", b.folder);
    },
  );
});

describe("a server that is asked whether it began anew", () => {
  /** Requests of a forwarding relay to another one, in process; how many came by. */
  function linkTo(
    farOf: () => TestRelay,
    near: TestUser,
    env: TestEnv,
    bend = (answer: Uint8Array): Uint8Array => answer,
  ) {
    const asked = { count: 0 };
    const ask = async (path: string, init?: RequestInit): Promise<Response> => {
      const response = await farOf().relay.fetch(new Request(origin + path, init));
      if (!response.ok) throw await failureOf(response);
      return response;
    };
    const http: HttpTransport = {
      origin,
      readCapabilities: async () => parseCapabilities(await (await ask("/sync/capabilities")).json()),
      postJson: async (path, body) =>
        (
          await ask(path, {
            method: "POST",
            headers: { "Content-Type": "application/json" },
            body: JSON.stringify(body),
          })
        ).json(),
      publish: () => expect.fail(),
      async exchange({ tenantId, token, body, onChunk, endpoint }) {
        asked.count++;
        const headers = {
          "Content-Type": "application/octet-stream",
          Authorization: `Bearer ${bytesToBase64url(token)}`,
        };
        const answer = await ask(`/v1/t/${tenantId}/${endpoint}`, { method: "POST", headers, body });
        onChunk(bend(new Uint8Array(await answer.arrayBuffer())));
      },
    };
    return { asked, link: createForwardLink({ crypto, env, http, signing: near.signing }) };
  }

  it("is believed by its signature alone", async () => {
    const [near, anna] = [await createUser(), await createUser()];
    const tenant = await TestTenant.withUsers(anna);
    const far = await createTestRelay({ acceptFrom: [near.key] });
    await publish(far.relay, tenant);
    const forged = (answer: Uint8Array): Uint8Array =>
      encodeFrames(
        (decodeFrames(answer) ?? []).map((frame) =>
          frame.type === "head" ? { ...frame, epoch: frame.epoch + 1 } : frame,
        ),
      );
    const { link } = linkTo(() => far, near, createTestEnv());
    expect((await link.push(tenant.tenantId, [])).farEpoch).toBeGreaterThan(0);
    const bent = linkTo(() => far, near, createTestEnv(), forged);
    await expect(bent.link.push(tenant.tenantId, [])).rejects.toMatchObject({ code: "access/denied" });
  });

  it("gets everything again within half a minute although nothing new is written, of every tenant", async () => {
    const [near, anna] = [await createUser(), await createUser()];
    const tenants = [await TestTenant.withUsers(anna), await TestTenant.withUsers(anna)];
    const signing = await crypto.createSigningPair();
    const createFar = () => createTestRelay({ acceptFrom: [near.key], signing });
    let far = await createFar();
    const env = createTestEnv();
    const { asked, link } = linkTo(() => far, near, env);
    const a = await createTestRelay({ env, signing: near.signing, forwardTo: [link] });
    const commits: Commit[] = [];
    const stored = async (tenant: TestTenant) =>
      (await far.storage.readLog(tenant.tenantId, tenant.dbId))?.size ?? 0;
    for (const tenant of tenants) {
      for (const { relay } of [a, far]) await publish(relay, tenant);
      const client = await joinTenant(a, tenant, anna);
      const commit = await tenant.write(anna);
      commits.push(commit);
      await client.push(tenant.dbId, commit);
      await vi.waitFor(async () => expect(await stored(tenant)).toBe(1), untilIdleMs);
    }
    const idle = () => vi.waitFor(() => expect(a.relay.forwardWaiting()).toBe(0), untilIdleMs);
    await idle();
    // At rest one tenant is asked for, and nothing is sent.
    const before = asked.count;
    env.advance(30_000);
    await vi.waitFor(() => expect(asked.count).toBe(before + 1), untilIdleMs);
    await idle();
    expect(asked.count).toBe(before + 1);
    far = await createFar();
    for (const tenant of tenants) await publish(far.relay, tenant);
    await far.storage.startNewEpochs();
    for (const tenant of tenants) expect(await stored(tenant)).toBe(0);
    env.advance(30_000);
    for (const tenant of tenants)
      await vi.waitFor(async () => expect(await stored(tenant)).toBe(1), untilIdleMs);
    await a.relay.stopForwarding();
    env.advance(10 * 60_000);
    expect(a.relay.forwardWaiting()).toBe(0);
  });
});

describe("who forwards", () => {
  interface Far extends TestRelay {
    readonly tenant: TestTenant;
    readonly anna: TestUser;
    readonly near: TestUser;
  }

  async function createFar(more: Parameters<typeof createTestRelay>[0] = {}): Promise<Far> {
    const [near, anna] = [await createUser(), await createUser()];
    const tenant = await TestTenant.withUsers(anna);
    const far = await createTestRelay({ acceptFrom: [near.key], ...more });
    await publish(far.relay, tenant);
    return { ...far, tenant, anna, near };
  }

  const post = (far: Far, path: string, body: BodyInit, headers: Record<string, string>): Promise<Response> =>
    far.relay.fetch(new Request(origin + path, { method: "POST", headers, body }));
  const postJson = async (far: Far, path: string, body: unknown) => {
    const response = await post(far, path, JSON.stringify(body), { "Content-Type": "application/json" });
    return { status: response.status, body: (await response.json()) as Record<string, string> };
  };

  /** The answer to a challenge, good or bent. */
  async function answerOf(
    far: Far,
    by: TestUser,
    bent: { origin?: string; serverKey?: Uint8Array; tenantId?: string; isMember?: boolean } = {},
  ) {
    const { tenantId } = far.tenant;
    const { challenge = "" } = (await postJson(far, "/v1/auth/challenge", { tenant: tenantId, key: by.key }))
      .body;
    const clientNonce = crypto.randomBytes(16);
    const claim = {
      origin: bent.origin ?? origin,
      serverKey: bent.serverKey ?? far.serverKey,
      tenantId: (bent.tenantId ?? tenantId) as typeof tenantId,
      key: by.key,
      challenge: parseBase64url(challenge) ?? new Uint8Array(),
      clientNonce,
    };
    const preimage = bent.isMember === true ? authPreimage(claim) : forwardPreimage(claim);
    const signature = bytesToBase64url(await crypto.sign(by.signing.privateKey, preimage));
    return {
      tenant: tenantId,
      key: by.key,
      challenge,
      clientNonce: bytesToBase64url(clientNonce),
      signature,
    };
  }

  async function signIn(far: Far, by = far.near): Promise<string> {
    const { body } = await postJson(far, "/v1/auth/forward", await answerOf(far, by));
    return body["token"] ?? expect.fail(body["code"]);
  }

  async function forward(
    far: Far,
    token: string,
    frames: readonly Frame[] | Uint8Array<ArrayBuffer>,
    { tenantId = far.tenant.tenantId as string, action = "forward" } = {},
  ): Promise<{
    readonly status: number;
    readonly code: string | undefined;
    readonly frames: readonly Frame[];
  }> {
    const hello = { type: "hello", version: 1, replicaId: new Uint8Array(16) } as const;
    const body = frames instanceof Uint8Array ? frames : encodeFrames([hello, ...frames]);
    const response = await post(far, `/v1/t/${tenantId}/${action}`, body, {
      "Content-Type": "application/octet-stream",
      Authorization: `Bearer ${token}`,
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (response.ok) return { status: 200, code: undefined, frames: decodeFrames(bytes) ?? [] };
    const { code } = JSON.parse(new TextDecoder().decode(bytes)) as { code: string };
    return { status: response.status, code, frames: [] };
  }

  const pushOf = (tenant: TestTenant, ...commits: readonly { readonly bytes: Uint8Array }[]): Frame => ({
    type: "push",
    dbId: tenant.dbId,
    commits: commits.map(({ bytes }) => bytes),
  });
  const resultsOf = (frames: readonly Frame[]) =>
    frames.flatMap((frame) => (frame.type === "ack" ? frame.results : []));

  it("is let in by its key alone, once for each challenge, and for one tenant at one server", async () => {
    const far = await createFar();
    const { near, tenant } = far;
    const refused = async (answer: unknown, code: string): Promise<void> =>
      expect((await postJson(far, "/v1/auth/forward", answer)).body["code"]).toBe(code);
    await refused(await answerOf(far, await createUser()), "access/denied");
    // A member is no server, and what a server signs is no member's login, nor the other way round.
    await refused(await answerOf(far, far.anna), "access/denied");
    await refused(await answerOf(far, near, { isMember: true }), "access/unauthenticated");
    const asMember = await postJson(far, "/v1/auth/token", await answerOf(far, far.anna));
    expect(asMember.body["code"]).toBe("access/unauthenticated");
    await refused(await answerOf(far, near, { origin: "https://elsewhere.test" }), "access/unauthenticated");
    const serverKey = crypto.randomBytes(32);
    await refused(await answerOf(far, near, { serverKey }), "access/unauthenticated");
    const { tenantId } = await TestTenant.create();
    await refused(await answerOf(far, near, { tenantId }), "access/unauthenticated");
    await refused({ ...(await answerOf(far, near)), tenant: tenantId }, "access/unauthenticated");
    await refused({ ...(await answerOf(far, near)), signature: "" }, "input/invalid");
    await refused(undefined, "input/invalid");

    const answer = await answerOf(far, near);
    expect((await postJson(far, "/v1/auth/forward", answer)).status).toBe(200);
    await refused(answer, "access/unauthenticated");
    const late = await answerOf(far, near);
    far.env.advance(61_000);
    await refused(late, "access/unauthenticated");

    // A tenant that no admin published here, however willing the two servers are.
    const unknown = { ...far, tenant: await TestTenant.create() };
    await refused(await answerOf(unknown, near), "input/unknown-id");
    expect(tenant.tenantId).not.toBe(unknown.tenant.tenantId);
  });

  it("reads nothing, and a member's token opens nothing here", async () => {
    const far = await createFar();
    const token = await signIn(far);
    const pull: Frame = { type: "pull", allDatabases: true, full: true, cursors: [], maxBytes: 1e6 };
    for (const action of ["sync", "reconcile", "entries"])
      expect(await forward(far, token, [pull], { action })).toMatchObject({
        status: 401,
        code: "access/unauthenticated",
      });
    expect(await forward(far, token, [pull])).toMatchObject({ status: 400, code: "protocol/malformed" });
    const member = new TestClient((request) => far.relay.fetch(request), far.tenant.tenantId, far.anna);
    await member.signIn(far.serverKey);
    const memberToken = bytesToBase64url(member.token ?? new Uint8Array());
    expect(await forward(far, memberToken, [])).toMatchObject({ status: 401 });
    expect(await forward(far, "A".repeat(190), [])).toMatchObject({ status: 401 });
    const other = await TestTenant.create();
    await publish(far.relay, await TestTenant.withUsers(far.anna));
    expect(await forward(far, token, [], { tenantId: other.tenantId })).toMatchObject({
      status: 403,
      code: "access/denied",
    });
    far.env.advance(10 * 60_000);
    expect(await forward(far, token, [])).toMatchObject({ status: 401 });
    // Nor where the admin made a member of the server's key: each of its two tokens opens what it was asked for.
    const twice = await createFar();
    await twice.tenant.grant(twice.near);
    await publish(twice.relay, twice.tenant);
    const asServer = await signIn(twice);
    expect(await forward(twice, asServer, [])).toMatchObject({ status: 200 });
    expect(await forward(twice, asServer, [pull], { action: "sync" })).toMatchObject({ status: 401 });
    const asMember = new TestClient(
      (request) => twice.relay.fetch(request),
      twice.tenant.tenantId,
      twice.near,
    );
    await asMember.signIn(twice.serverKey);
    expect(await asMember.pull()).not.toEqual([]);
    const itsToken = bytesToBase64url(asMember.token ?? new Uint8Array());
    expect(await forward(twice, itsToken, [])).toMatchObject({ status: 401 });
    // Nobody is listed: nobody is let in.
    const closed = await createFar({ acceptFrom: [] });
    const { body } = await postJson(closed, "/v1/auth/forward", await answerOf(closed, closed.near));
    expect(body["code"]).toBe("access/denied");
  });

  it("is told what it has in common with the other one, and handed nothing of the rest", async () => {
    const far = await createFar();
    const { anna, tenant } = far;
    const token = await signIn(far);
    const commits = await writeMany(tenant, anna, 5);
    await forward(far, token, [pushOf(tenant, ...commits)]);
    const two = await tenant.write(anna, { texts: ["a", "b"] });
    await forward(far, token, [
      pushOf(
        tenant,
        withoutCiphertexts(two, (index) => index === 1),
      ),
    ]);
    const salt = crypto.randomBytes(8);
    const ask = (...ranges: Extract<Frame, { type: "ranges" }>["ranges"]): Frame => ({
      type: "ranges",
      dbId: tenant.dbId,
      salt,
      ranges,
    });
    // As somebody who has nothing, and wants everything.
    const nothing = ask({ upTo: endBound, mode: "ids", ids: [] });
    const names = [...commits, two].map(({ commitHash }) =>
      idOf(crypto, salt, { hash: idToBytes(commitHash) }),
    );
    for (const question of [nothing, ask({ upTo: endBound, mode: "want", ids: names })]) {
      const { frames } = await forward(far, token, [question]);
      expect(frames.map(({ type }) => type)).toEqual(["head", "ranges", "need", "end"]);
      expect(frames[2]).toMatchObject({ commits: [two.commitHash] });
    }
    const elsewhere = { ...nothing, dbId: tenant.directoryDbId };
    const { frames } = await forward(far, token, [elsewhere]);
    expect(frames.map(({ type }) => type)).toEqual(["head", "ranges", "end"]);
    for (const frames of [
      [nothing, nothing],
      [nothing, pushOf(tenant, two)],
      [pushOf(tenant, two), nothing],
    ])
      expect(await forward(far, token, frames)).toMatchObject({ status: 400, code: "protocol/malformed" });
  });

  it("brings what members signed, and nothing else", async () => {
    const far = await createFar();
    const { anna, tenant } = far;
    const token = await signIn(far);
    const [good, forged, stranger] = [
      await tenant.write(anna),
      await tenant.write(anna),
      await tenant.write(await createUser()),
    ];
    forged.bytes.set([(forged.bytes.at(-1) ?? 0) ^ 1], forged.bytes.length - 1);
    const foreign = await (await TestTenant.withUsers(anna)).write(anna, { dbId: tenant.dbId });
    const elsewhere = await tenant.write(anna, { dbId: tenant.directoryDbId });
    const answer = await forward(far, token, [
      pushOf(tenant, forged, good, stranger, foreign, elsewhere),
      pushOf(tenant, { bytes: good.bytes.subarray(0, 200) }),
    ]);
    expect(answer.frames.map(({ type }) => type)).toEqual(["head", "ack", "ack", "end"]);
    expect(resultsOf(answer.frames).map(({ code, status }) => code ?? status)).toEqual([
      "entry/forged",
      "accepted",
      "access/denied",
      "access/denied",
      "access/denied",
      "protocol/malformed",
    ]);
    // The directory is the admin's, whole and one line.
    const directory = (commit: { readonly bytes: Uint8Array }): Frame => ({
      ...(pushOf(tenant, commit) as Extract<Frame, { type: "push" }>),
      dbId: tenant.directoryDbId,
    });
    const grant = {
      kind: "grantaccess",
      userKey: far.near.key,
      encryptionKey: crypto.randomBytes(32),
      nameHash: crypto.randomBytes(32),
    } as const;
    const byMember = await tenant.sealDirectory([grant], { author: anna });
    const byAdmin = await tenant.sealDirectory([grant]);
    for (const [commit, code] of [
      [byMember, "access/not-admin"],
      [withoutCiphertexts(byAdmin), "entry/corrupt"],
    ] as const)
      expect(resultsOf((await forward(far, token, [directory(commit)])).frames)).toMatchObject([{ code }]);
    // A commit without some of its headers is none; one that lacks ciphertexts is kept, and known to lack them.
    const two = await tenant.write(anna, { texts: ["a", "b"] });
    const headless = encodeCommit({
      ...two,
      entries: two.entries.map(({ entryHash }) => ({ entryHash })),
    } as unknown as Commit);
    const lacking = withoutCiphertexts(two, (index) => index === 1);
    const said = await forward(far, token, [pushOf(tenant, { bytes: headless }), pushOf(tenant, lacking)]);
    expect(resultsOf(said.frames).map(({ code, status }) => code ?? status)).toEqual([
      "entry/corrupt",
      "accepted",
    ]);
    const keys = await far.storage.readKeys(tenant.tenantId, tenant.dbId, 0, 10);
    expect(keys.find(({ commitHash }) => commitHash === two.commitHash)?.isPartial).toBe(true);
    // Another member who brings what the author erased is refused, as ever.
    const bert = new TestClient((request) => far.relay.fetch(request), tenant.tenantId, tenant.admin);
    await bert.signIn(far.serverKey);
    const third = await tenant.write(anna, { texts: ["c", "d"] });
    expect(
      await bert.push(
        tenant.dbId,
        withoutCiphertexts(third, (index) => index === 1),
      ),
    ).toMatchObject([{ code: "entry/corrupt" }]);
    expect(presenceOf(third)).toBe("whole");
  });

  it("has its tenant's room and one user's rate, and no more", async () => {
    const far = await createFar({
      limits: { tenantCommits: 3, member: { perMinute: 60, burst: 5 } },
    });
    const { anna, tenant } = far;
    const token = await signIn(far);
    const commits = await writeMany(tenant, anna, 4);
    const answer = await forward(far, token, [pushOf(tenant, ...commits)]);
    expect(resultsOf(answer.frames).map(({ code }) => code)).toEqual(Array(4).fill("store/quota"));
    expect(await far.storage.readLog(tenant.tenantId, tenant.dbId)).toBeUndefined();
    const huge = new Uint8Array(8 * 1024 * 1024 + 1);
    expect(await forward(far, token, huge)).toMatchObject({ status: 413, code: "input/too-large" });
    expect(await forward(far, token, crypto.randomBytes(100))).toMatchObject({ status: 400 });
    expect(await forward(far, token, new Uint8Array())).toMatchObject({ status: 400 });
    const old = encodeFrames([{ type: "hello", version: 99, replicaId: new Uint8Array(16) }]);
    expect(await forward(far, token, old)).toMatchObject({ status: 426 });
    expect(await forward(far, token, [])).toMatchObject({ status: 429, code: "net/rate-limited" });
  });
});

describe("the command line", () => {
  const [key, tenantId] = ["A".repeat(43), "B".repeat(42) + "A"];
  it("names who is forwarded to, what, and from whom is taken", () => {
    const args = ["--forward-to", "https://b.example", "--forward-to", "http://127.0.0.1:9"];
    expect(
      readCommand(["--data", "d", ...args, "--forward-tenant", tenantId, "--accept-from", key]),
    ).toMatchObject({
      options: {
        forwardTo: ["https://b.example", "http://127.0.0.1:9"],
        forwardTenants: [tenantId],
        acceptFrom: [key],
      },
    });
  });

  it.each([
    ["--forward-to", "http://b.example"],
    ["--forward-to", "https://b.example/path"],
    ["--forward-to", "b.example"],
    ["--forward-tenant", "short"],
    ["--accept-from", "short"],
  ])("refuses %s %s", (...args) => {
    expect(() => readCommand(["--data", "d", ...args])).toThrow(UsageError);
  });
});

describe.skipIf(!hasPostgres)("a node on PostgreSQL", () => {
  let postgres: PrivatePostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  }, startTimeoutMs);
  afterAll(() => postgres.stop());

  it("forwards what another node took, and goes on after a restart", async () => {
    const postgresUrl = await postgres.createDatabase();
    const { a, b, anna, bert, tenant, startB, startA } = await createPair({ a: { postgresUrl } });
    const node = { ...a, port: newPort() };
    await startB();
    const forwarding = await startA();
    const other = { ...node, url: `http://127.0.0.1:${node.port}` };
    await start(other, { postgresUrl });
    await publishAt(other, tenant);
    await publishAt(b, tenant);
    const first = await writeMany(tenant, anna, 3);
    await pushAll(await join2(other, tenant, anna), tenant, first);
    const atB = await join2(b, tenant, bert);
    await seen(atB, tenant, first);
    await stop(forwarding);
    const second = await writeMany(tenant, anna, 3);
    await pushAll(await join2(other, tenant, anna), tenant, second);
    await startA();
    await seen(atB, tenant, [...first, ...second]);
  });
});
