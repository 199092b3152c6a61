import type { ChildProcess } from "node:child_process";
import { connect, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Commit } from "../../src/entry/index.ts";
import { bytesToBase64url, parseBase64url } from "../../src/std/index.ts";
import {
  encodeChunkAnswer,
  encodeChunkQuestion,
  parseCapabilities,
  signChunk,
  type HttpTransport,
} from "../../src/sync/index.ts";
import { readCommand } from "../src/cli-options.ts";
import { forwardPreimage } from "../src/forward-auth.ts";
import { createForwardLink } from "../src/forward-link.ts";
import type { RunningServer } from "../src/index.ts";
import { bundleServer } from "./bundle-fixtures.ts";
import {
  allOf,
  bringChunks,
  chunksAt,
  ciphertextOf,
  createDocId,
  putRequest,
  randomChunks,
  sealFile,
} from "./chunk-fixtures.ts";
import {
  createTestEnv,
  createTestRelay,
  createUser,
  crypto,
  failureOf,
  joinTenant,
  origin,
  TestTenant,
  type TestClient,
} from "./fixtures.ts";
import {
  children,
  createPair,
  createSite,
  join2,
  metricOf,
  newFolder,
  newPort,
  open,
  publishAt,
  pushAll,
  run,
  seen,
  spawnServer,
  start,
  stop,
  untilIdleMs,
} from "./forward-fixtures.ts";
import { hasPostgres, startPostgres, startTimeoutMs, type PrivatePostgres } from "./private-postgres.ts";

/*
 * What files hold at a server that forwards: devices that know only the second one get it there.
 */
const stored = 'coffer_forwarded_chunks_total{outcome="stored"}';
const present = 'coffer_forwarded_chunks_total{outcome="present"}';

async function arrived(client: TestClient, commit: Commit, indexes = allOf(commit)): Promise<void> {
  await vi.waitFor(async () => expect(await chunksAt(client, commit)).toEqual(indexes), untilIdleMs);
}

const idle = (server: RunningServer): Promise<void> =>
  vi.waitFor(async () => expect(await metricOf(server, "coffer_forward_waiting")).toBe(0), untilIdleMs);

/** Push a commit that names chunks, and bring some of them. */
async function bringFile(client: TestClient, tenant: TestTenant, commit: Commit, some = allOf(commit)) {
  await pushAll(client, tenant, [commit]);
  await bringChunks(client, commit, some);
}

describe("what files hold", () => {
  it("follows its commit, and is there once the first server is gone", async () => {
    const { atA, atB, anna, tenant, serverA } = await open();
    const commit = await sealFile(tenant, anna, randomChunks(5));
    await bringFile(atA, tenant, commit);
    await arrived(atB, commit);
    await stop(serverA);
    await arrived(atB, commit);
  });

  it("follows when it comes long after its commit, each chunk once, of several documents too", async () => {
    const { atA, atB, anna, tenant, serverA, a, b, startA } = await open({ a: { adminPort: 0 } });
    const commit = await sealFile(tenant, anna, randomChunks(4));
    await bringFile(atA, tenant, commit, [1]);
    await arrived(atB, commit, [1]);
    const others = [await tenant.write(anna), await tenant.write(anna)];
    await pushAll(atA, tenant, others);
    await seen(atB, tenant, [commit, ...others]);
    await bringChunks(atA, commit, [3]);
    await arrived(atB, commit, [1, 3]);
    await idle(serverA);
    expect(await metricOf(serverA, stored)).toBe(2);
    await stop(serverA);
    // Nobody forwards while it comes.
    const alone = await start(a);
    const again = await join2(a, tenant, anna);
    await bringChunks(again, commit, [0]);
    await stop(alone);
    const second = await startA();
    await arrived(atB, commit, [0, 1, 3]);
    await bringChunks(await join2(a, tenant, anna), commit, [2]);
    await arrived(atB, commit);
    await idle(second);
    expect(await metricOf(second, stored)).toBe(2);
    await run("verify", "--data", b.folder);
  });

  it("is asked for first: what the other one has is not sent, and commits without any are passed", async () => {
    const { a, b, anna, bert, tenant, startA, startB } = await createPair({ a: { adminPort: 0 } });
    const [alone] = [await start(a), await startB()];
    for (const site of [a, b]) await publishAt(site, tenant);
    const [atA, atB] = [await join2(a, tenant, anna), await join2(b, tenant, bert)];
    // More than one question holds.
    const commits: Commit[] = [];
    for (let count = 0; count < 30; count++) commits.push(await sealFile(tenant, anna, randomChunks(16, 40)));
    await pushAll(atB, tenant, commits);
    for (const commit of commits) await pushAll(atA, tenant, [commit, await tenant.write(bert)]);
    for (const [at, commit] of commits.entries()) {
      await bringChunks(atA, commit, allOf(commit));
      if (at > 1) await bringChunks(atB, commit, allOf(commit));
    }
    await stop(alone);
    const serverA = await startA();
    for (const commit of commits.slice(0, 2)) await arrived(atB, commit);
    await vi.waitFor(async () => expect(await metricOf(serverA, present)).toBe(28 * 16), untilIdleMs);
    await idle(serverA);
    expect(await metricOf(serverA, stored)).toBe(2 * 16);
    expect(await metricOf(serverA, "coffer_forwarded_chunk_bytes_total")).toBeGreaterThan(2 * 16 * 40);
  });

  it("passes on through a chain of three, and both ways without going in circles", async () => {
    const [a, b, c] = [await createSite(), await createSite(), await createSite()];
    const [anna, bert] = [await createUser(), await createUser()];
    const tenant = await TestTenant.withUsers(anna, bert);
    await start(a, { forwardTo: [b.url], acceptFrom: [b.key] });
    const serverB = await start(b, { forwardTo: [a.url, c.url], acceptFrom: [a.key], adminPort: 0 });
    await start(c, { acceptFrom: [b.key] });
    for (const site of [a, b, c]) await publishAt(site, tenant);
    const [atA, atB, atC] = [
      await join2(a, tenant, anna),
      await join2(b, tenant, anna),
      await join2(c, tenant, bert),
    ];
    const [fromA, fromB] = [
      await sealFile(tenant, anna, randomChunks(3)),
      await sealFile(tenant, anna, randomChunks(2)),
    ];
    await bringFile(atA, tenant, fromA);
    await bringFile(atB, tenant, fromB);
    for (const client of [atA, atB, atC]) for (const commit of [fromA, fromB]) await arrived(client, commit);
    await idle(serverB);
    // To C all five, to A its own two.
    expect(await metricOf(serverB, stored)).toBe(5 + 2);
  });

  it("stays where whoever runs the server says so, and its commits go", async () => {
    const { atA, atB, anna, tenant, a } = await open({ a: { forwardsFiles: false } });
    const commit = await sealFile(tenant, anna, randomChunks(2));
    await bringFile(atA, tenant, commit);
    const after = await tenant.write(anna);
    await pushAll(atA, tenant, [after]);
    await seen(atB, tenant, [commit, after]);
    expect(await chunksAt(atB, commit)).toEqual([]);
    const { options } = readCommand(["--data", a.folder, "--forward-no-files"]) as { options: object };
    expect(options).toMatchObject({ forwardsFiles: false });
    expect(readCommand(["--data", a.folder])).toMatchObject({ options: { forwardsFiles: true } });
  });

  it("waits where the other one has no room for its author; other authors and tenants go on, and it comes once there is room", async () => {
    const { a, b, anna, bert, tenant, serverB, atA } = await open({ b: { limits: { userBytes: 60_000 } } });
    const other = await TestTenant.withUsers(anna, bert);
    for (const site of [a, b]) await publishAt(site, other);
    const large = await sealFile(tenant, anna, randomChunks(3, 50_000));
    await bringFile(atA, tenant, large);
    const full = expect.objectContaining({ code: "store/quota", what: "files" }) as unknown;
    await vi.waitFor(
      () => expect(a.log).toContainEqual({ event: "forward.failed", fields: full }),
      untilIdleMs,
    );
    const atOther = await join2(a, other, anna);
    const [ofBert, ofOther] = [
      await sealFile(tenant, bert, randomChunks(2)),
      await sealFile(other, anna, randomChunks(2)),
    ];
    await bringFile(await join2(a, tenant, bert), tenant, ofBert);
    await bringFile(atOther, other, ofOther);
    await arrived(await join2(b, tenant, bert), ofBert);
    await arrived(await join2(b, other, bert), ofOther);
    const atB = await join2(b, tenant, bert);
    expect(await chunksAt(atB, large)).toEqual([0]);
    await stop(serverB);
    await start(b, { acceptFrom: [a.key] });
    await arrived(await join2(b, tenant, bert), large);
  });

  it("comes through a server that takes few requests, without holding up the commits", async () => {
    const { atA, anna, tenant, a, b, bert } = await open({
      b: { limits: { member: { perMinute: 600, burst: 12 } } },
    });
    const commit = await sealFile(tenant, anna, randomChunks(40, 30));
    await bringFile(atA, tenant, commit);
    const limited = expect.objectContaining({ code: "net/rate-limited", what: "files" }) as unknown;
    await vi.waitFor(
      () => expect(a.log).toContainEqual({ event: "forward.failed", fields: limited }),
      untilIdleMs,
    );
    const after = await tenant.write(anna);
    await pushAll(atA, tenant, [after]);
    const anew = await join2(b, tenant, bert);
    await seen(anew, tenant, [commit, after]);
    // Whoever looks at all of them at once is held to the same rate.
    const last = { ...commit, entries: commit.entries.slice(-1) };
    const patiently = { timeout: 120_000, interval: 1000 };
    await vi.waitFor(async () => expect(await chunksAt(anew, last)).toEqual([0]), patiently);
    expect(
      a.log.filter(({ event, fields }) => event === "forward.failed" && fields["what"] !== "files"),
    ).toEqual([]);
  }, 150_000);

  it("of what was purged before is not sent, and what stands beside it is", async () => {
    const { a, b, anna, bert, tenant, startA, startB } = await createPair({ a: { adminPort: 0 } });
    await startA();
    await publishAt(a, tenant);
    const atA = await join2(a, tenant, anna);
    const [gone, stays] = [createDocId(), createDocId()];
    const [first, second] = [
      await sealFile(tenant, anna, randomChunks(2), gone),
      await sealFile(tenant, anna, randomChunks(2), stays),
    ];
    await bringFile(atA, tenant, first);
    await bringFile(atA, tenant, second);
    const admin = await join2(a, tenant, tenant.admin);
    const purge = { kind: "purge", dbId: tenant.dbId, docIds: [gone] } as const;
    await admin.push(tenant.directoryDbId, await tenant.appendDirectory([purge]));
    await startB();
    await publishAt(b, tenant);
    const atB = await join2(b, tenant, bert);
    await arrived(atB, second);
    expect(await chunksAt(atB, first)).toEqual([]);
    expect(a.log.filter(({ event }) => event === "forward.refused")).toEqual([]);
  });

  it("comes again, and only that, where the other one was restored from a backup without it", async () => {
    const { atA, atB, anna, bert, tenant, a, b, serverA, serverB } = await open({ a: { adminPort: 0 } });
    const kept = await sealFile(tenant, anna, randomChunks(6));
    await bringFile(atA, tenant, kept);
    await arrived(atB, kept);
    const copy = newFolder();
    await run("backup", "--data", b.folder, "--to", copy);
    const lost = await sealFile(tenant, anna, randomChunks(3));
    await bringFile(atA, tenant, lost);
    await arrived(atB, lost);
    await idle(serverA);
    expect(await metricOf(serverA, stored)).toBe(9);
    await stop(serverB);
    const restored = { ...b, folder: newFolder() };
    await run("restore", "--data", restored.folder, "--from", copy);
    await start(restored, { acceptFrom: [a.key] });
    const again = await join2(b, tenant, bert);
    for (const commit of [kept, lost]) await arrived(again, commit);
    await idle(serverA);
    expect(await metricOf(serverA, stored)).toBe(9 + 3);
  });
});

describe("a server that is killed while it forwards files", () => {
  const command = bundleServer();

  async function kill(child: ChildProcess): Promise<void> {
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await exited;
    children.delete(child);
  }

  /** A way to a server that stops in the middle of a chunk when told to. */
  async function openGate(target: number, port: number) {
    const gate = { isShut: false, heldBytes: 0 };
    const sockets = new Set<Socket>();
    const server = createServer((near) => {
      const far = connect(target, "127.0.0.1");
      for (const one of [near, far]) {
        sockets.add(one);
        one.on("error", () => undefined);
        one.on("close", () => [near, far].forEach((other) => other.destroy()));
      }
      let isHeld = false;
      near.on("data", (bytes: Buffer) => {
        if (gate.isShut && bytes.includes("PUT /v1/t/")) {
          isHeld = true;
          // Its head, and the beginning of its body.
          far.write(bytes.subarray(0, 2000));
        }
        if (isHeld) gate.heldBytes += bytes.length;
        else far.write(bytes);
      });
      far.on("data", (bytes) => near.write(bytes));
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const close = async (): Promise<void> => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    };
    return { gate, close };
  }

  it(
    "goes on where it was: every chunk is there, and hardly one came twice",
    { timeout: 180_000 },
    async () => {
      const { a, b, anna, bert, tenant } = await createPair();
      const port = newPort();
      const url = `http://127.0.0.1:${port}`;
      const serverB = await start(b, { acceptFrom: [a.key], adminPort: 0, publicUrl: url });
      const { gate, close } = await openGate(b.port, port);
      await publishAt(b, tenant);
      const atB = await join2(b, tenant, bert);
      const alone = await spawnServer(command.path, a);
      await publishAt(a, tenant);
      const atA = await join2(a, tenant, anna);
      const commits: Commit[] = [];
      for (let count = 0; count < 12; count++) {
        const commit = await sealFile(tenant, anna, randomChunks(16, 60_000));
        await bringFile(atA, tenant, commit);
        commits.push(commit);
      }
      await kill(alone);
      const countOf = (status: number): Promise<number> =>
        metricOf(serverB, `coffer_requests_total{route="chunk",status="${status}"}`);
      for (let round = 0; round < 3; round++) {
        const before = await countOf(201);
        gate.heldBytes = 0;
        const child = await spawnServer(command.path, a, "--forward-to", url);
        await vi.waitFor(async () => expect(await countOf(201)).toBeGreaterThan(before), {
          ...untilIdleMs,
          interval: 5,
        });
        gate.isShut = true;
        await vi.waitFor(() => expect(gate.heldBytes).toBeGreaterThan(0), { ...untilIdleMs, interval: 5 });
        await kill(child);
        gate.isShut = false;
        // Half a chunk is none.
        const here = await countOf(201);
        expect(here).toBeLessThan(12 * 16);
        const chunks = await Promise.all(commits.map((commit) => chunksAt(atB, commit)));
        expect(chunks.flat()).toHaveLength(here);
      }
      await spawnServer(command.path, a, "--forward-to", url);
      const reads = await countOf(200);
      await vi.waitFor(async () => expect(await countOf(201)).toBe(12 * 16), untilIdleMs);
      // Each was stored at its first coming: what came before a death is not sent again.
      expect(await countOf(200)).toBe(reads);
      for (const commit of commits) await arrived(atB, commit);
      await close();
      await run("verify", "--data", b.folder);
    },
  );
});

describe("what another server says of chunks", () => {
  it("counts by receipts that verify under its key, within bounds", async () => {
    const [near, signing, stranger] = [
      await createUser(),
      await crypto.createSigningPair(),
      await crypto.createSigningPair(),
    ];
    const { tenantId } = await TestTenant.create();
    const body = crypto.randomBytes(100);
    const [hash, sizeBytes] = [crypto.sha256(body), body.length];
    const docId = createDocId();
    const receiptBy = (pair: typeof signing, size = sizeBytes) =>
      signChunk(crypto, pair.privateKey, { tenantId, hash, sizeBytes: size });
    const text = (bytes: Uint8Array): string => bytesToBase64url(bytes);
    const linkThatSays = (answer: Uint8Array, receipt: unknown) => {
      const http: HttpTransport = {
        origin,
        readCapabilities: async () =>
          parseCapabilities({
            protocolVersion: 1,
            serverKey: text(signing.publicKey),
            limits: { frameBytes: 1, requestBytes: 1 },
          }),
        postJson: async () => ({
          challenge: text(hash),
          token: text(hash),
          expiresInMs: 600_000,
        }),
        publish: () => expect.fail(),
        exchange: async ({ onChunk }) => onChunk(answer),
        chunks: { put: async () => ({ receipt }), get: () => expect.fail() },
      };
      return createForwardLink({ crypto, env: createTestEnv(), http, signing: near.signing });
    };
    const ask = async (...receipts: (Uint8Array | undefined)[]) =>
      linkThatSays(encodeChunkAnswer(receipts), "").askChunks(
        tenantId,
        receipts.map(() => ({ hash, docId, sizeBytes })),
      );
    const good = await receiptBy(signing);
    expect(await ask(good, undefined, await receiptBy(stranger), await receiptBy(signing, 99), good)).toEqual(
      [true, false, false, false, true],
    );
    for (const answer of [new Uint8Array(), new Uint8Array(1000), encodeChunkAnswer([good, good])])
      await expect(
        linkThatSays(answer, "").askChunks(tenantId, [{ hash, docId, sizeBytes }]),
      ).rejects.toMatchObject({ code: "protocol/malformed" });
    const put = (receipt: unknown) =>
      linkThatSays(new Uint8Array(), receipt).putChunk(tenantId, { hash, query: "", body });
    await put(text(good));
    await expect(put(text(await receiptBy(stranger)))).rejects.toMatchObject({ code: "access/denied" });
    for (const receipt of [undefined, 5, "?", "A".repeat(5000)])
      await expect(put(receipt)).rejects.toMatchObject({ code: "protocol/malformed" });
  });
});

describe("who forwards files", () => {
  async function createFar(more: Parameters<typeof createTestRelay>[0] = {}) {
    const [near, anna] = [await createUser(), await createUser()];
    const tenant = await TestTenant.withUsers(anna);
    const far = await createTestRelay({ acceptFrom: [near.key], ...more });
    const member = await joinTenant(far, tenant, anna);
    const ask = async (path: string, body: unknown): Promise<Record<string, string>> =>
      (await member.postJson(path, body)) as Record<string, string>;
    const { tenantId } = tenant;
    const { challenge = "" } = await ask("/v1/auth/challenge", { tenant: tenantId, key: near.key });
    const clientNonce = crypto.randomBytes(16);
    const bytes = parseBase64url(challenge) ?? expect.fail();
    const claim = {
      origin,
      serverKey: far.serverKey,
      tenantId,
      key: near.key,
      challenge: bytes,
      clientNonce,
    };
    const signature = await crypto.sign(near.signing.privateKey, forwardPreimage(claim));
    const answer = {
      tenant: tenantId,
      key: near.key,
      challenge,
      clientNonce: bytesToBase64url(clientNonce),
      signature: bytesToBase64url(signature),
    };
    const token = parseBase64url((await ask("/v1/auth/forward", answer))["token"] ?? "") ?? expect.fail();
    const outcomeOf = async (request: Request): Promise<string> => {
      const response = await far.relay.fetch(request);
      return response.ok ? String(response.status) : (await failureOf(response)).code;
    };
    return { far, tenant, anna, member, token, outcomeOf };
  }

  const askRequest = ({ url, tenantId }: TestClient, token: Uint8Array, body: Uint8Array<ArrayBuffer>) =>
    new Request(`${url}/v1/t/${tenantId}/blobs`, {
      method: "POST",
      headers: {
        "Content-Type": "application/octet-stream",
        Authorization: `Bearer ${bytesToBase64url(token)}`,
      },
      body,
    });

  it("brings what a commit names, byte for byte, and nothing else; it reads none of it", async () => {
    const { far, tenant, anna, member, token, outcomeOf } = await createFar();
    const docId = createDocId();
    const commit = await sealFile(tenant, anna, randomChunks(3), docId);
    const put = (bent: Omit<Parameters<typeof putRequest>[3], "index"> = {}, index = 0) =>
      outcomeOf(putRequest(member, token, commit, { index, ...bent }));
    // Nobody named it yet.
    expect(await put()).toBe("directory/behind");
    await member.push(tenant.dbId, commit);
    const [own, other] = [ciphertextOf(commit, 0), ciphertextOf(commit, 1)];
    // A lie about its hash, another chunk under this one's name, a chunk that nobody named.
    expect(await put({ body: other, hash: crypto.sha256(own) })).toBe("entry/forged");
    expect(await put({ body: other })).toBe("entry/forged");
    expect(await put({ body: crypto.randomBytes(own.length) })).toBe("entry/forged");
    expect(await put({ body: own.subarray(1), hash: crypto.sha256(own) })).toBe("entry/forged");
    const huge = new Uint8Array(300 * 1024 + 1);
    expect(await put({ body: huge })).toBe("input/too-large");
    const names = allOf(commit).map((index) => ({ hash: crypto.sha256(ciphertextOf(commit, index)), docId }));
    expect(await far.storage.chunkSizes(tenant.tenantId, names)).toEqual([undefined, undefined, undefined]);
    expect(await put()).toBe("201");
    expect(await put()).toBe("200");
    expect(await chunksAt(member, commit)).toEqual([0]);
    // A question is answered, within its bounds; what is asked for is handed to members alone.
    const question = encodeChunkQuestion(names);
    expect(await outcomeOf(askRequest(member, token, question))).toBe("200");
    const many = Array.from({ length: 257 }, () => names[0] ?? expect.fail());
    expect(await outcomeOf(askRequest(member, token, encodeChunkQuestion(many)))).toMatch(
      /protocol\/malformed|input\/too-large/,
    );
    const headers = { Authorization: `Bearer ${bytesToBase64url(token)}` };
    const url = `${origin}/v1/t/${tenant.tenantId}/blob/${bytesToBase64url(names[0]?.hash ?? own)}`;
    expect(await outcomeOf(new Request(url, { headers }))).toBe("access/unauthenticated");
    // Of another tenant's, and once it is old.
    const elsewhere = await TestTenant.withUsers(anna);
    const foreign = await joinTenant(far, elsewhere, anna);
    expect(await outcomeOf(putRequest(foreign, token, commit, { index: 1 }))).toBe("access/denied");
    far.env.advance(10 * 60_000);
    expect(await put({}, 1)).toBe("access/unauthenticated");
    expect(await outcomeOf(askRequest(member, token, question))).toBe("access/unauthenticated");
  });

  it("has one user's rate for them beside that for commits, and a question costs as much as a device's", async () => {
    const { tenant, anna, member, token, outcomeOf } = await createFar({
      limits: { member: { perMinute: 60, burst: 20 } },
    });
    const commit = await sealFile(tenant, anna, randomChunks(2));
    await member.push(tenant.dbId, commit);
    const many = Array.from({ length: 256 }, () => ({ hash: crypto.randomBytes(32), docId: createDocId() }));
    expect(await outcomeOf(askRequest(member, token, encodeChunkQuestion(many)))).toBe("200");
    const outcomes: string[] = [];
    for (let count = 0; count < 5; count++)
      outcomes.push(await outcomeOf(putRequest(member, token, commit, { index: 0 })));
    expect(outcomes).toEqual(["201", "200", "200", "200", "net/rate-limited"]);
    const forward = new Request(`${origin}/v1/t/${tenant.tenantId}/forward`, {
      method: "POST",
      headers: {
        "Content-Type": "application/octet-stream",
        Authorization: `Bearer ${bytesToBase64url(token)}`,
      },
      body: crypto.randomBytes(9),
    });
    expect(await outcomeOf(forward)).toBe("protocol/malformed");
  });
});

describe.skipIf(!hasPostgres)("a node on PostgreSQL", () => {
  let postgres: PrivatePostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  }, startTimeoutMs);
  afterAll(() => postgres.stop());

  it("forwards what files hold, to another one on PostgreSQL, and goes on after a restart", async () => {
    const [ofA, ofB] = [await postgres.createDatabase(), await postgres.createDatabase()];
    const { atA, atB, anna, tenant, serverA, a, startA } = await open({
      a: { postgresUrl: ofA },
      b: { postgresUrl: ofB },
    });
    const commit = await sealFile(tenant, anna, randomChunks(4));
    await bringFile(atA, tenant, commit, [0, 1]);
    await arrived(atB, commit, [0, 1]);
    await stop(serverA);
    const alone = await start(a, { postgresUrl: ofA });
    await bringChunks(await join2(a, tenant, anna), commit, [2]);
    await stop(alone);
    await startA();
    await arrived(atB, commit, [0, 1, 2]);
    await bringChunks(await join2(a, tenant, anna), commit, [3]);
    await arrived(atB, commit);
  });

  it("forwards what comes to another node, commits and chunks", async () => {
    const postgresUrl = await postgres.createDatabase();
    const { atA, atB, anna, tenant, a } = await open({ a: { postgresUrl } });
    const other = { ...a, port: newPort() };
    const node = { ...other, url: `http://127.0.0.1:${other.port}` };
    await start(node, { postgresUrl });
    const atOther = await join2(node, tenant, anna);
    const commit = await sealFile(tenant, anna, randomChunks(3));
    await bringFile(atOther, tenant, commit, [0]);
    await bringFile(atA, tenant, await sealFile(tenant, anna, randomChunks(1)));
    await arrived(atB, commit, [0]);
    await bringChunks(atOther, commit, [1, 2]);
    await arrived(atB, commit);
  });
});
