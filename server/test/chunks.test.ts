/** Chunks of files at a server: what is stored, for whom, and what is refused. */
import { beforeEach, describe, expect, it } from "vitest";
import type { Commit } from "../../src/entry/index.ts";
import { bytesToBase64url, bytesToId, parseBase64url } from "../../src/std/index.ts";
import { encodeChunkQuestion, parseChunkAnswer, verifyChunk } from "../../src/sync/index.ts";
import { ciphertextOf, sealFile } from "./chunk-fixtures.ts";
import {
  createDbId,
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

const docId = bytesToId("DocId", new Uint8Array(16).fill(3));

interface Place {
  readonly test: TestRelay;
  readonly user: TestUser;
  readonly tenant: TestTenant;
  readonly client: TestClient;
}

let place: Place;

async function createPlace(options: Parameters<typeof createTestRelay>[0] = {}): Promise<Place> {
  const test = await createTestRelay(options);
  const user = await createUser();
  const tenant = await TestTenant.withUsers(user);
  return { test, user, tenant, client: await joinTenant(test, tenant, user) };
}

beforeEach(async () => {
  place = await createPlace();
});

/** A commit of chunks by the user of a place. */
const sealChunks = (
  { tenant, user }: Place,
  plaintexts: readonly Uint8Array[],
  of = docId,
): Promise<Commit> => sealFile(tenant, user, plaintexts, of, 1_700_000_000_000);

interface Sent {
  readonly body?: Uint8Array;
  readonly query?: string;
  readonly hash?: string;
  readonly method?: string;
  readonly tenantId?: string;
  readonly type?: string;
  readonly range?: string;
}

async function send(client: TestClient, commit: Commit, index: number, sent: Sent = {}): Promise<Response> {
  const body = sent.body ?? ciphertextOf(commit, index);
  const { dbId, createdAtMs } = commit.header;
  const query = sent.query ?? `db=${dbId}&commit=${commit.commitHash}&at=${createdAtMs}&entry=${index}`;
  const hash = sent.hash ?? bytesToBase64url(crypto.sha256(body));
  const method = sent.method ?? "PUT";
  const headers: Record<string, string> = { "Content-Type": sent.type ?? "application/octet-stream" };
  if (sent.range !== undefined) headers["Range"] = sent.range;
  if (client.token !== undefined) headers["Authorization"] = `Bearer ${bytesToBase64url(client.token)}`;
  const url = `${origin}/v1/t/${sent.tenantId ?? client.tenantId}/blob/${hash}?${query}`;
  const request = method === "GET" ? { method, headers } : { method, headers, body: new Uint8Array(body) };
  return client.fetch(new Request(url, request));
}

/** Ask which of many chunks are here. */
async function ask(client: TestClient, question: Uint8Array, sent: Sent = {}): Promise<Response> {
  const headers: Record<string, string> = { "Content-Type": sent.type ?? "application/octet-stream" };
  if (client.token !== undefined) headers["Authorization"] = `Bearer ${bytesToBase64url(client.token)}`;
  const url = `${origin}/v1/t/${sent.tenantId ?? client.tenantId}/blobs`;
  return client.fetch(
    new Request(url, { method: sent.method ?? "POST", headers, body: new Uint8Array(question) }),
  );
}

const outcomeOf = async (response: Response): Promise<readonly [number, string]> =>
  response.ok ? [response.status, "ok"] : [response.status, (await failureOf(response)).code];

describe("a chunk", () => {
  it("is stored when a commit names it, answered with a receipt that verifies, and handed out as it came", async () => {
    const { client, tenant, test } = place;
    const commit = await sealChunks(place, [crypto.randomBytes(5000), crypto.randomBytes(70)]);
    expect(commit.bytes.length).toBeLessThan(700);
    expect(await outcomeOf(await send(client, commit, 0))).toEqual([409, "directory/behind"]);
    const [pushed] = await client.push(tenant.dbId, commit);
    expect(pushed).toMatchObject({ status: "accepted" });
    for (const status of [201, 200]) {
      const response = await send(client, commit, 1);
      expect(response.status).toBe(status);
      const { receipt } = (await response.json()) as { receipt: string };
      const body = ciphertextOf(commit, 1);
      const claim = { tenantId: tenant.tenantId, hash: crypto.sha256(body), sizeBytes: body.length };
      const signature = parseBase64url(receipt) ?? expect.fail();
      const verify = (by: Partial<typeof claim>) =>
        verifyChunk(crypto, test.serverKey, { ...claim, ...by }, signature);
      expect(await verify({})).toBe(true);
      expect(await verify({ sizeBytes: body.length + 1 })).toBe(false);
      expect(await verify({ hash: crypto.sha256(ciphertextOf(commit, 0)) })).toBe(false);
    }
    const got = await send(client, commit, 1, { method: "GET" });
    expect(got.headers.get("Cache-Control")).toBe("private, max-age=31536000, immutable");
    expect(got.headers.get("Content-Type")).toBe("application/octet-stream");
    expect(Buffer.compare(new Uint8Array(await got.arrayBuffer()), ciphertextOf(commit, 1))).toBe(0);
    expect(await outcomeOf(await send(client, commit, 0, { method: "GET" }))).toEqual([
      404,
      "input/unknown-id",
    ]);
  });

  it("is handed out in ranges as slicing it gives, and what is no range of it is refused", async () => {
    const { client, tenant } = place;
    const commit = await sealChunks(place, [crypto.randomBytes(5000)]);
    await client.push(tenant.dbId, commit);
    await send(client, commit, 0);
    const whole = ciphertextOf(commit, 0);
    const size = whole.length;
    const ask = (range: string) => send(client, commit, 0, { method: "GET", range });
    for (const [range, from, to] of [
      ["bytes=0-0", 0, 1],
      ["bytes=7-99", 7, 100],
      [`bytes=${size - 1}-`, size - 1, size],
      ["bytes=12-", 12, size],
      ["bytes=-5", size - 5, size],
      ["bytes=-999999", 0, size],
      [`bytes=100-${size + 1000}`, 100, size],
      ["Bytes = 3 - 9 ", 3, 10],
    ] as const) {
      const response = await ask(range);
      expect([range, response.status, response.headers.get("Content-Range")]).toEqual([
        range,
        206,
        `bytes ${from}-${to - 1}/${size}`,
      ]);
      expect(response.headers.get("Cache-Control")).toBe("private, max-age=31536000, immutable");
      const got = new Uint8Array(await response.arrayBuffer());
      expect(Buffer.compare(got, whole.subarray(from, to))).toBe(0);
    }
    const nowhere = [
      `${size}-`,
      `${size}-${size + 5}`,
      "9-3",
      "-0",
      "-",
      "",
      "a-b",
      "0-1,4-5",
      "1e3-",
      "0x1-2",
    ];
    for (const range of [...nowhere, `${"9".repeat(400)}-`, "0--1", "1.5-2"]) {
      const response = await ask(`bytes=${range}`);
      expect([range, response.status, response.headers.get("Content-Range")]).toEqual([
        range,
        416,
        `bytes */${size}`,
      ]);
      expect(response.headers.get("Cache-Control")).toBe("no-store");
      expect((await response.arrayBuffer()).byteLength).toBe(0);
    }
    for (const range of ["lines=0-1", "", "nothing"]) {
      const response = await ask(range);
      expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([200, size]);
      expect(response.headers.get("Accept-Ranges")).toBe("bytes");
    }
  });

  it("is refused where no commit says exactly this, and nothing is stored", async () => {
    const { client, tenant, test } = place;
    const [commit, change] = [
      await sealChunks(place, [crypto.randomBytes(5000), crypto.randomBytes(70)]),
      await tenant.write(place.user),
    ];
    await client.push(tenant.dbId, commit, change);
    const { createdAtMs } = commit.header;
    const where = (by: Record<string, string | number>): string =>
      new URLSearchParams(
        Object.entries({
          db: tenant.dbId,
          commit: commit.commitHash,
          at: createdAtMs,
          entry: 0,
          ...by,
        }).map(([name, value]) => [name, String(value)]),
      ).toString();
    const other = crypto.randomBytes(5000);
    const entryOfChange = { commit: change.commitHash, at: change.header.createdAtMs };
    const refusals: readonly [Sent, number, string][] = [
      [{ body: other }, 422, "entry/forged"],
      [{ hash: bytesToBase64url(crypto.sha256(other)) }, 422, "entry/forged"],
      [{ query: where({ entry: 1 }) }, 422, "entry/forged"],
      [{ query: where({ entry: 2 }) }, 422, "entry/forged"],
      [{ query: where(entryOfChange) }, 422, "entry/forged"],
      [{ query: where({ at: createdAtMs + 1 }) }, 409, "directory/behind"],
      [{ query: where({ db: createDbId() }) }, 409, "directory/behind"],
      [{ query: where({ entry: -1 }) }, 400, "input/invalid"],
      [{ query: where({ entry: "1e9" }) }, 400, "input/invalid"],
      [{ query: where({ at: "" }) }, 400, "input/invalid"],
      [{ query: "" }, 400, "input/invalid"],
      [{ body: new Uint8Array(400_000) }, 413, "input/too-large"],
      [{ type: "text/html" }, 415, "input/invalid"],
      [{ method: "POST" }, 405, "input/invalid"],
      [{ method: "DELETE" }, 405, "input/invalid"],
    ];
    for (const [sent, status, code] of refusals)
      expect(await outcomeOf(await send(client, commit, 0, sent))).toEqual([status, code]);
    const text = new TextEncoder().encode("no chunk at all");
    expect(await outcomeOf(await send(client, commit, 0, { body: text }))).toEqual([422, "entry/forged"]);
    expect(await test.storage.chunkUsage(tenant.tenantId, place.user.key)).toMatchObject({ tenantBytes: 0 });
  });

  it("has no name but its hash: whatever else stands in the address is nowhere", async () => {
    const { client, tenant } = place;
    const commit = await sealChunks(place, [crypto.randomBytes(50)]);
    await client.push(tenant.dbId, commit);
    const sound = bytesToBase64url(crypto.sha256(ciphertextOf(commit, 0)));
    const names = [
      "..",
      "%2e%2e%2f%2e%2e",
      "..%5c..%5cetc",
      "%00",
      "a".repeat(300),
      "CON",
      "%F0%9F%98%80",
      `${sound}=`,
      `${sound}/..`,
      `${sound}/x`,
      sound.slice(0, -1),
      `${sound.slice(0, -1)}!`,
      "",
    ];
    for (const hash of names)
      for (const method of ["PUT", "GET"])
        expect((await outcomeOf(await send(client, commit, 0, { hash, method })))[0]).toBe(404);
    expect(await outcomeOf(await send(client, commit, 0, { hash: sound }))).toEqual([201, "ok"]);
  });

  it("is for members of its tenant alone: not for strangers, nor for who was revoked", async () => {
    const { client, tenant, test, user } = place;
    const commit = await sealChunks(place, [crypto.randomBytes(50)]);
    await client.push(tenant.dbId, commit);
    await send(client, commit, 0);
    const nobody = new TestClient((request) => test.relay.fetch(request), tenant.tenantId, user);
    for (const method of ["PUT", "GET"])
      expect(await outcomeOf(await send(nobody, commit, 0, { method }))).toEqual([
        401,
        "access/unauthenticated",
      ]);
    const stranger = await createUser();
    const otherTenant = await TestTenant.withUsers(stranger);
    const other = await joinTenant(test, otherTenant, stranger);
    for (const method of ["PUT", "GET"])
      expect(await outcomeOf(await send(other, commit, 0, { method, tenantId: tenant.tenantId }))).toEqual([
        403,
        "access/denied",
      ]);
    // The same bytes in another tenant are another chunk.
    expect(await outcomeOf(await send(other, commit, 0, { method: "GET" }))).toEqual([
      404,
      "input/unknown-id",
    ]);
    const admin = await joinTenant(test, tenant, tenant.admin);
    await admin.push(tenant.directoryDbId, await tenant.revoke(user));
    for (const method of ["PUT", "GET"])
      expect((await outcomeOf(await send(client, commit, 0, { method })))[1]).toBe("access/revoked");
  });

  it("is counted: over the tenant's or the user's room it is refused, and commits still come in", async () => {
    for (const limits of [{ tenantBytes: 20_000 }, { userBytes: 20_000 }]) {
      const full = await createPlace({ limits });
      const commits = [
        await sealChunks(full, [crypto.randomBytes(12_000)]),
        await sealChunks(full, [crypto.randomBytes(12_000)]),
      ];
      await full.client.push(full.tenant.dbId, ...commits);
      const outcomes = [];
      for (const commit of commits) outcomes.push(await outcomeOf(await send(full.client, commit, 0)));
      expect(outcomes).toEqual([
        [201, "ok"],
        [507, "store/quota"],
      ]);
      const [pushed] = await full.client.push(full.tenant.dbId, await full.tenant.write(full.user));
      expect(pushed).toMatchObject({ status: "accepted" });
    }
  });

  it("is asked for with many others: which are here for which document, each with a receipt", async () => {
    const { client, tenant, test, user } = place;
    const commit = await sealChunks(
      place,
      [1, 2, 3].map((size) => crypto.randomBytes(size * 100)),
    );
    await client.push(tenant.dbId, commit);
    for (const index of [0, 2]) await send(client, commit, index);
    const hashes = [0, 1, 2].map((index) => crypto.sha256(ciphertextOf(commit, index)));
    const elsewhere = bytesToId("DocId", new Uint8Array(16).fill(4));
    const [first = expect.fail()] = hashes;
    const asked = [...hashes.map((hash) => ({ hash, docId })), { hash: first, docId: elsewhere }];
    const answered = await ask(client, encodeChunkQuestion(asked));
    expect([answered.status, answered.headers.get("Cache-Control")]).toEqual([200, "no-store"]);
    const receipts = parseChunkAnswer(new Uint8Array(await answered.arrayBuffer()), 4) ?? expect.fail();
    expect(receipts.map((receipt) => receipt !== undefined)).toEqual([true, false, true, false]);
    for (const index of [0, 2]) {
      const [hash, receipt] = [hashes[index] ?? expect.fail(), receipts[index] ?? expect.fail()];
      const claim = { tenantId: tenant.tenantId, hash, sizeBytes: ciphertextOf(commit, index).length };
      expect(await verifyChunk(crypto, test.serverKey, claim, receipt)).toBe(true);
      expect(await verifyChunk(crypto, test.serverKey, { ...claim, sizeBytes: 1 }, receipt)).toBe(false);
    }
    const refusals: readonly [Response, number, string][] = [
      [await ask(client, new Uint8Array(0)), 400, "protocol/malformed"],
      [await ask(client, encodeChunkQuestion([])), 400, "protocol/malformed"],
      [await ask(client, encodeChunkQuestion(asked).subarray(0, 99)), 400, "protocol/malformed"],
      [await ask(client, encodeChunkQuestion(Array(257).fill(asked[0]))), 413, "input/too-large"],
      [await ask(client, new Uint8Array(100_000)), 413, "input/too-large"],
      [await ask(client, encodeChunkQuestion(asked), { type: "text/plain" }), 415, "input/invalid"],
      [await ask(client, encodeChunkQuestion(asked), { method: "PUT" }), 405, "input/invalid"],
    ];
    for (const [response, status, code] of refusals)
      expect(await outcomeOf(response)).toEqual([status, code]);
    const nobody = new TestClient((request) => test.relay.fetch(request), tenant.tenantId, user);
    expect(await outcomeOf(await ask(nobody, encodeChunkQuestion(asked)))).toEqual([
      401,
      "access/unauthenticated",
    ]);
    const stranger = await createUser();
    const other = await joinTenant(test, await TestTenant.withUsers(stranger), stranger);
    const { tenantId } = tenant;
    expect(await outcomeOf(await ask(other, encodeChunkQuestion(asked), { tenantId }))).toEqual([
      403,
      "access/denied",
    ]);
    // What another tenant has is not there for this one.
    const theirs = new Uint8Array(await (await ask(other, encodeChunkQuestion(asked))).arrayBuffer());
    expect(parseChunkAnswer(theirs, 4)).toEqual(Array(4).fill(undefined));
    const admin = await joinTenant(test, tenant, tenant.admin);
    await admin.push(tenant.directoryDbId, await tenant.revoke(user));
    expect((await outcomeOf(await ask(client, encodeChunkQuestion(asked))))[1]).toBe("access/revoked");
  });

  it("costs a member who asks for many as much as many requests", async () => {
    const { client } = await createPlace({ limits: { member: { perMinute: 1, burst: 40 } } });
    const one = { hash: crypto.randomBytes(32), docId };
    const outcomes = [];
    for (let count = 0; count < 4; count++)
      outcomes.push((await outcomeOf(await ask(client, encodeChunkQuestion(Array(256).fill(one)))))[0]);
    expect(outcomes).toEqual([200, 200, 429, 429]);
  });

  it("goes with its purged document, and comes no more", async () => {
    const { client, tenant, test } = place;
    const kept = bytesToId("DocId", new Uint8Array(16).fill(9));
    const [gone, stays] = [
      await sealChunks(place, [crypto.randomBytes(50)]),
      await sealChunks(place, [crypto.randomBytes(50)], kept),
    ];
    await client.push(tenant.dbId, gone, stays);
    for (const commit of [gone, stays]) await send(client, commit, 0);
    const admin = await joinTenant(test, tenant, tenant.admin);
    const purge = { kind: "purge", dbId: tenant.dbId, docIds: [docId] } as const;
    await admin.push(tenant.directoryDbId, await tenant.appendDirectory([purge]));
    expect(await outcomeOf(await send(client, gone, 0, { method: "GET" }))).toEqual([
      404,
      "input/unknown-id",
    ]);
    expect((await outcomeOf(await send(client, gone, 0)))[1]).toBe("doc/deleted");
    expect(await outcomeOf(await send(client, stays, 0, { method: "GET" }))).toEqual([200, "ok"]);
  });
});
