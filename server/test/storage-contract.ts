/** The one suite of {@link RelayStorage}: every implementation runs it. */
import { describe, expect, it } from "vitest";
import {
  bytesToId,
  type AuthorKey,
  type CommitHash,
  type DbId,
  type DocId,
  type TenantId,
} from "../../src/std/index.ts";
import type { NewChunk } from "../src/chunk-storage.ts";
import { maxDevices } from "../src/subscription-storage.ts";
import { appendLeaves, emptyFrontier } from "../../src/sync/index.ts";
import {
  frontierRows,
  type AppendRequest,
  type NewCommit,
  type RelayStorage,
  type StoredCopy,
} from "../src/storage.ts";
import { createDbId, createTestEnv, crypto, type TestEnv } from "./fixtures.ts";

const replicaA = new Uint8Array(16).fill(1);
const replicaB = new Uint8Array(16).fill(2);

const createAuthor = (): AuthorKey => bytesToId("AuthorKey", crypto.randomBytes(32));
const someAuthor = createAuthor();

function createCommit(
  sizeBytes = 40,
  { author = someAuthor, createdAtMs = 1_700_000_000_000 }: Partial<NewCommit> = {},
): NewCommit {
  return {
    commitHash: bytesToId("CommitHash", crypto.randomBytes(32)),
    author,
    createdAtMs,
    bytes: crypto.randomBytes(sizeBytes),
  };
}

interface Place {
  readonly storage: RelayStorage;
  readonly env: TestEnv;
  readonly tenantId: TenantId;
  readonly directoryDbId: DbId;
  readonly dbId: DbId;
  append(commits: readonly NewCommit[], more?: Partial<AppendRequest>): ReturnType<RelayStorage["append"]>;
}

/** Run the suite. `open` gives an empty storage each time; timers of `env` need not be turned for writes to finish. */
export function describeStorage(
  name: string,
  open: (env: TestEnv) => RelayStorage | Promise<RelayStorage>,
): void {
  async function createPlace(): Promise<Place> {
    const env = createTestEnv();
    const storage = await open(env);
    const tenantId = bytesToId("TenantId", crypto.randomBytes(32));
    const directoryDbId = createDbId();
    const dbId = createDbId();
    await storage.createTenant({ tenantId, directoryDbId, publication: crypto.randomBytes(50) }, [
      createCommit(),
    ]);
    return {
      storage,
      env,
      tenantId,
      directoryDbId,
      dbId,
      append: (commits, more = {}) =>
        storage.append({ tenantId, dbId, replicaId: replicaA, commits, directorySize: 1, ...more }),
    };
  }

  describe(name, () => {
    it("keeps a tenant as it was published, and only the first one", async () => {
      const { storage } = await createPlace();
      const tenantId = bytesToId("TenantId", crypto.randomBytes(32));
      const record = { tenantId, directoryDbId: createDbId(), publication: crypto.randomBytes(50) };
      const commits = [createCommit(), createCommit()];
      expect(await storage.readTenant(tenantId)).toBeUndefined();
      expect(await storage.createTenant(record, commits)).toBe(true);
      expect(await storage.createTenant({ ...record, publication: crypto.randomBytes(50) }, [])).toBe(false);
      expect(await storage.readTenant(tenantId)).toEqual(record);
      expect(await storage.readLog(tenantId, record.directoryDbId)).toMatchObject({ size: 2, sizeBytes: 80 });
      expect(await storage.tenantCount()).toBe(2);
    });

    it("gives sequence numbers without gaps, in order (R2), and bytes as they went in (R5)", async () => {
      const { storage, tenantId, dbId, append } = await createPlace();
      const commits = [createCommit(), createCommit(5000), createCommit(1)];
      expect(await append(commits.slice(0, 2))).toEqual({
        kind: "appended",
        results: [
          { status: "stored", seq: 0 },
          { status: "stored", seq: 1 },
        ],
      });
      expect(await append(commits.slice(2))).toEqual({
        kind: "appended",
        results: [{ status: "stored", seq: 2 }],
      });
      const rows = await storage.readCommits(tenantId, dbId, { fromSeq: 0, maxCount: 10, maxBytes: 1e6 });
      expect(rows.map(({ seq }) => seq)).toEqual([0, 1, 2]);
      expect(rows.map(({ commitHash }) => commitHash)).toEqual(commits.map(({ commitHash }) => commitHash));
      for (const [index, { bytes }] of rows.entries())
        expect([...(bytes ?? [])]).toEqual([...(commits[index]?.bytes ?? [])]);
      expect(await storage.readLog(tenantId, dbId)).toMatchObject({ size: 3, sizeBytes: 5041 });
    });

    it("keeps logs and tenants apart", async () => {
      const { storage, tenantId, directoryDbId, dbId, append } = await createPlace();
      const other = createDbId();
      const commit = createCommit();
      await append([commit]);
      expect(await append([commit], { dbId: other })).toEqual({
        kind: "appended",
        results: [{ status: "stored", seq: 0 }],
      });
      expect((await storage.listLogs(tenantId)).map((log) => log.dbId)).toEqual(
        [directoryDbId, dbId, other].sort(),
      );
      expect(await storage.tenantUsage(tenantId)).toMatchObject({
        logCount: 3,
        commitCount: 3,
        sizeBytes: 120,
      });
      const stranger = bytesToId("TenantId", crypto.randomBytes(32));
      expect(await storage.listLogs(stranger)).toEqual([]);
      expect(await storage.tenantUsage(stranger)).toEqual({
        logCount: 0,
        commitCount: 0,
        sizeBytes: 0,
        byAuthor: new Map(),
      });
      expect(await storage.readCommits(stranger, dbId, { fromSeq: 0, maxCount: 9, maxBytes: 9 })).toEqual([]);
    });

    it("stores a commit once and compares what is there (R3)", async () => {
      const { storage, tenantId, dbId, append } = await createPlace();
      const commit = createCommit();
      const changed = {
        ...commit,
        bytes: commit.bytes.map((byte, index) => (index === 7 ? byte ^ 1 : byte)),
      };
      await append([createCommit(), commit]);
      expect(await append([commit, changed, createCommit(), commit])).toEqual({
        kind: "appended",
        results: [
          { status: "present", seq: 1 },
          { status: "conflict", seq: 1 },
          { status: "stored", seq: 2 },
          { status: "present", seq: 1 },
        ],
      });
      expect(await storage.readLog(tenantId, dbId)).toMatchObject({ size: 3, sizeBytes: 120 });
    });

    it("puts what is made of both in the place of stored bytes, and nothing else moves (R3)", async () => {
      const { storage, tenantId, dbId, append } = await createPlace();
      const [first, last] = [createCommit(40), createCommit(40)];
      await append([first, last]);
      const nodes = await storage.readNodes(tenantId, dbId, [0, 1]);
      const longer = { ...first, bytes: crypto.randomBytes(70) };
      const unite = (stored: Uint8Array): StoredCopy => {
        expect([...stored]).toEqual([...first.bytes]);
        return { bytes: longer.bytes };
      };
      const present = { kind: "appended", results: [{ status: "present", seq: 0 }] };
      const united = { ...longer, unite };
      // Not with a directory that has moved on, and not what is no copy of it.
      expect(await append([united], { directorySize: 0 })).toEqual({ kind: "stale" });
      expect(await append([{ ...longer, unite: () => undefined }])).toMatchObject({
        results: [{ status: "conflict", seq: 0 }],
      });
      expect(await append([{ ...longer, unite: (bytes) => ({ bytes }) }])).toEqual(present);
      expect(await storage.readLog(tenantId, dbId)).toMatchObject({ size: 2, sizeBytes: 80 });
      // What equals needs no uniting.
      expect(await append([{ ...first, unite: () => undefined }])).toEqual(present);
      expect(await append([united, createCommit(5)], { replicaId: replicaB })).toMatchObject({
        results: [
          { status: "present", seq: 0 },
          { status: "stored", seq: 2 },
        ],
      });
      expect(await storage.readLog(tenantId, dbId)).toMatchObject({ size: 3, sizeBytes: 115 });
      expect(await storage.tenantUsage(tenantId)).toMatchObject({ sizeBytes: 155 });
      const range = { fromSeq: 0, maxCount: 2, maxBytes: 1e6 };
      const rows = await storage.readCommits(tenantId, dbId, range);
      expect(rows.map(({ bytes }) => [...(bytes ?? [])])).toEqual([[...longer.bytes], [...last.bytes]]);
      expect(rows.map(({ commitHash }) => commitHash)).toEqual([first.commitHash, last.commitHash]);
      expect((await storage.readNodes(tenantId, dbId, [0, 1])).map((node) => [...node])).toEqual(
        nodes.map((node) => [...node]),
      );
      // It stays the first one's who pushed it.
      const [own] = await storage.readCommits(tenantId, dbId, { ...range, withoutReplica: replicaA });
      expect(own?.bytes).toBeUndefined();
    });

    it("stores nothing that was judged with another directory (R4)", async () => {
      const { storage, tenantId, directoryDbId, dbId, append } = await createPlace();
      expect(await append([createCommit()], { directorySize: 0 })).toEqual({ kind: "stale" });
      expect(await storage.readLog(tenantId, dbId)).toBeUndefined();
      const [first, second, third] = await Promise.all([
        append([createCommit()], { dbId: directoryDbId }),
        append([createCommit()], { dbId: directoryDbId }),
        append([createCommit()]),
      ]);
      expect([first.kind, second.kind, third.kind]).toEqual(["appended", "stale", "stale"]);
      expect(await storage.readLog(tenantId, directoryDbId)).toMatchObject({ size: 2 });
    });

    it("loses and doubles nothing under concurrent writers (R2)", async () => {
      const { storage, tenantId, dbId, append } = await createPlace();
      const commits = Array.from({ length: 400 }, () => createCommit());
      const shared = commits.slice(0, 40);
      const results = await Promise.all([
        ...commits.map((commit) => append([commit])),
        ...shared.map((commit) => append([commit], { replicaId: replicaB })),
      ]);
      const seqs = results.flatMap((result) =>
        result.kind === "appended" ? result.results.map(({ seq }) => seq) : [],
      );
      expect(new Set(seqs.slice(0, 400)).size).toBe(400);
      const rows = await storage.readCommits(tenantId, dbId, { fromSeq: 0, maxCount: 1000, maxBytes: 1e9 });
      expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: 400 }, (_, seq) => seq));
      expect(new Set(rows.map(({ commitHash }) => commitHash)).size).toBe(400);
    });

    it("keeps a Merkle node a row, from which the frontier of every size follows", async () => {
      const { storage, tenantId, dbId, append } = await createPlace();
      const commits = Array.from({ length: 37 }, () => createCommit());
      await append(commits.slice(0, 20));
      for (const commit of commits.slice(20)) await append([commit]);
      let expected = emptyFrontier;
      for (let size = 0; size <= commits.length; size++) {
        const frontier = await storage.readNodes(tenantId, dbId, frontierRows(size));
        expect(frontier.map((node) => [...node])).toEqual(expected.frontier.map((node) => [...node]));
        const next: CommitHash | undefined = commits[size]?.commitHash;
        if (next !== undefined) expected = appendLeaves(crypto, expected, [next]);
      }
    });

    it("gives the keys of rows without their bytes, page by page", async () => {
      const { storage, tenantId, dbId, append } = await createPlace();
      const commits = Array.from({ length: 7 }, (_, index) => createCommit(9, { createdAtMs: 1000 - index }));
      await append(commits);
      const pages = [
        await storage.readKeys(tenantId, dbId, 0, 4),
        await storage.readKeys(tenantId, dbId, 4, 4),
      ];
      expect(pages.map((page) => page.length)).toEqual([4, 3]);
      expect(pages.flat().sort((a, b) => a.seq - b.seq)).toEqual(
        commits.map(({ commitHash, createdAtMs }, seq) => ({
          seq,
          commitHash,
          createdAtMs,
          isPartial: false,
        })),
      );
      expect(await storage.readKeys(tenantId, dbId, 7, 4)).toEqual([]);
      expect(await storage.readKeys(tenantId, createDbId(), 0, 4)).toEqual([]);
    });

    it("knows of each commit whether it lacks something, until that is brought (R9)", async () => {
      const { storage, tenantId, dbId, append } = await createPlace();
      const [whole, hollow, other] = [createCommit(), createCommit(), createCommit()];
      const partial = { ...hollow, isPartial: true };
      const lacking = async (): Promise<readonly boolean[]> =>
        (await storage.readKeys(tenantId, dbId, 0, 9))
          .toSorted((a, b) => a.seq - b.seq)
          .map(({ isPartial }) => isPartial);
      await append([whole, partial]);
      await append([other]);
      expect(await lacking()).toEqual([false, true, false]);
      // The same again says nothing new.
      await append([partial]);
      expect(await lacking()).toEqual([false, true, false]);
      const bring = (bytes: Uint8Array, isPartial: boolean) =>
        append([{ ...hollow, bytes, unite: () => ({ bytes, isPartial }) }]);
      await bring(crypto.randomBytes(50), true);
      expect(await lacking()).toEqual([false, true, false]);
      await bring(crypto.randomBytes(60), false);
      expect(await lacking()).toEqual([false, false, false]);
      // What the admin purged lacks it from then on.
      const left = { bytes: crypto.randomBytes(30), isPartial: true };
      await append([{ ...whole, ...left, unite: () => left }]);
      expect(await lacking()).toEqual([true, false, false]);
    });

    it("reads within a budget, at least one, and leaves out what the asker pushed", async () => {
      const { storage, tenantId, dbId, append } = await createPlace();
      await append([createCommit(100), createCommit(100)]);
      await append([createCommit(100), createCommit(900)], { replicaId: replicaB });
      const read = (fromSeq: number, maxBytes: number, withoutReplica?: Uint8Array) =>
        storage.readCommits(tenantId, dbId, { fromSeq, maxCount: 10, maxBytes, withoutReplica });
      expect(await read(0, 1)).toHaveLength(1);
      expect(await read(0, 200)).toHaveLength(2);
      expect(await read(3, 1)).toHaveLength(1);
      expect(await read(4, 1000)).toEqual([]);
      expect(await read(99, 1000)).toEqual([]);
      expect(
        await storage.readCommits(tenantId, dbId, { fromSeq: 1, maxCount: 2, maxBytes: 1e6 }),
      ).toHaveLength(2);
      const seen = await read(0, 100, replicaA);
      expect(seen.map(({ bytes }) => bytes?.length)).toEqual([undefined, undefined, 100]);
    });

    it("counts what each author has, whoever brought it, fillings included (R7)", async () => {
      const { storage, tenantId, directoryDbId, append } = await createPlace();
      const [anna, bert, nobody] = [createAuthor(), createAuthor(), createAuthor()];
      const first = createCommit(40, { author: anna });
      await append([first, createCommit(10, { author: bert }), createCommit(7, { author: anna })]);
      await append([first], { replicaId: replicaB });
      await append([createCommit(3, { author: bert })], { dbId: directoryDbId });
      await append(
        [{ ...first, bytes: crypto.randomBytes(90), unite: () => ({ bytes: crypto.randomBytes(90) }) }],
        {
          directorySize: 2,
        },
      );
      const conflict = { ...first, bytes: crypto.randomBytes(9), unite: () => undefined };
      await append([conflict], { directorySize: 2 });
      expect(await storage.tenantUsage(tenantId, [anna, bert, nobody])).toEqual({
        logCount: 2,
        commitCount: 5,
        sizeBytes: 40 + 90 + 10 + 7 + 3,
        byAuthor: new Map([
          [anna, { commitCount: 2, sizeBytes: 97 }],
          [bert, { commitCount: 2, sizeBytes: 13 }],
          [nobody, { commitCount: 0, sizeBytes: 0 }],
        ]),
      });
    });

    it("lists every tenant once, page by page", async () => {
      const { storage, tenantId } = await createPlace();
      const others = Array.from({ length: 4 }, () => bytesToId("TenantId", crypto.randomBytes(32)));
      for (const other of others)
        await storage.createTenant(
          { tenantId: other, directoryDbId: createDbId(), publication: Uint8Array.of(1) },
          [],
        );
      const listed: TenantId[] = [];
      for (;;) {
        const page = await storage.listTenants(listed.at(-1), 2);
        if (page.length === 0) break;
        expect(page.length).toBeLessThanOrEqual(2);
        listed.push(...page);
      }
      expect([...listed].sort()).toEqual([tenantId, ...others].sort());
    });

    it("keeps a chunk that several documents name until the last of them is removed (K2)", async () => {
      const { storage, tenantId } = await createPlace();
      const docs = [1, 2, 3].map((byte) => bytesToId("DocId", new Uint8Array(16).fill(byte)));
      const [a = expect.fail(), b = expect.fail(), c = expect.fail()] = docs;
      const bytes = crypto.randomBytes(100);
      const chunk = { hash: crypto.sha256(bytes), author: someAuthor, bytes };
      const isThere = async () => (await storage.readChunk(tenantId, chunk.hash)) !== undefined;
      const add = (docId: DocId) => storage.addChunk(tenantId, { ...chunk, docId });
      expect([await add(b), await add(a), await add(a), await add(b), await add(c)]).toEqual([
        "stored",
        ...Array<string>(4).fill("present"),
      ]);
      expect(await storage.chunkUsage(tenantId, someAuthor)).toEqual({ tenantBytes: 100, authorBytes: 100 });
      for (const docId of [b, b, a]) {
        await storage.removeChunks(tenantId, [docId]);
        expect(await isThere()).toBe(true);
      }
      await storage.removeChunks(tenantId, [c]);
      expect(await isThere()).toBe(false);
      // Nothing of the names is left: it comes and goes as a new one.
      expect(await add(a)).toBe("stored");
      await storage.removeChunks(tenantId, [b, c]);
      expect(await isThere()).toBe(true);
      await add(c);
      await storage.removeChunks(tenantId, [c, a]);
      expect(await isThere()).toBe(false);
      expect(await storage.chunkUsage(tenantId, someAuthor)).toEqual({ tenantBytes: 0, authorBytes: 0 });
    });

    it("says of many chunks at once which it has for which document, and how large they are", async () => {
      const { storage, tenantId } = await createPlace();
      const docIdOf = (byte: number): DocId => bytesToId("DocId", new Uint8Array(16).fill(byte));
      const [a, b, c] = [docIdOf(1), docIdOf(2), docIdOf(3)];
      const hashes: Uint8Array[] = [];
      for (const size of [10, 20]) {
        const bytes = crypto.randomBytes(size);
        hashes.push(crypto.sha256(bytes));
        await storage.addChunk(tenantId, { hash: crypto.sha256(bytes), author: someAuthor, bytes, docId: a });
        if (size === 20)
          await storage.addChunk(tenantId, {
            hash: crypto.sha256(bytes),
            author: someAuthor,
            bytes,
            docId: b,
          });
      }
      const [first = expect.fail(), second = expect.fail()] = hashes;
      const nowhere = crypto.randomBytes(32);
      const asked = [
        { hash: second, docId: b },
        { hash: nowhere, docId: a },
        { hash: first, docId: a },
        { hash: first, docId: b },
        { hash: second, docId: a },
        { hash: second, docId: c },
        { hash: second, docId: b },
      ];
      const sizes = [20, undefined, 10, undefined, 20, undefined, 20];
      expect(await storage.chunkSizes(tenantId, asked)).toEqual(sizes);
      const other = bytesToId("TenantId", crypto.randomBytes(32));
      expect(await storage.chunkSizes(other, asked)).toEqual(sizes.map(() => undefined));
      await storage.removeChunks(tenantId, [a]);
      expect(await storage.chunkSizes(tenantId, asked)).toEqual([20, ...Array(5).fill(undefined), 20]);
      expect(await storage.chunkSizes(tenantId, [])).toEqual([]);
    });

    it("keeps one chunk whoever names and removes it at the same time, as long as a document is left (K2)", async () => {
      const { storage, tenantId } = await createPlace();
      const docIdOf = (byte: number) => bytesToId("DocId", new Uint8Array(16).fill(byte));
      for (let round = 0; round < 20; round++) {
        const bytes = crypto.randomBytes(64);
        const chunk = { hash: crypto.sha256(bytes), author: someAuthor, bytes };
        await storage.addChunk(tenantId, { ...chunk, docId: docIdOf(1) });
        await Promise.all([
          storage.addChunk(tenantId, { ...chunk, docId: docIdOf(2) }),
          storage.removeChunks(tenantId, [docIdOf(1)]),
          storage.addChunk(tenantId, { ...chunk, docId: docIdOf(3) }),
        ]);
        expect(await storage.readChunk(tenantId, chunk.hash)).toHaveLength(64);
        await storage.removeChunks(tenantId, [docIdOf(2), docIdOf(3)]);
        expect(await storage.readChunk(tenantId, chunk.hash)).toBeUndefined();
      }
    });

    it("keeps chunks as they went in, once for each tenant, counted, until their document or tenant goes (K1 to K3)", async () => {
      const { storage, tenantId, dbId, append } = await createPlace();
      const other = {
        tenantId: bytesToId("TenantId", crypto.randomBytes(32)),
        directoryDbId: createDbId(),
        publication: Uint8Array.of(1),
      };
      await storage.createTenant(other, [createCommit()]);
      const docs = [1, 2].map((byte) => bytesToId("DocId", new Uint8Array(16).fill(byte)));
      const [first = expect.fail(), second = expect.fail()] = docs;
      const chunk = (docId: DocId, sizeBytes: number, author = someAuthor): NewChunk => {
        const bytes = new Uint8Array(sizeBytes).fill(sizeBytes);
        bytes.set(crypto.randomBytes(16));
        return { hash: crypto.sha256(bytes), docId, author, bytes };
      };
      const bert = bytesToId("AuthorKey", crypto.randomBytes(32));
      const [one, two, three] = [chunk(first, 262_160), chunk(first, 70), chunk(second, 100, bert)];
      for (const each of [one, two, three]) expect(await storage.addChunk(tenantId, each)).toBe("stored");
      expect(await storage.addChunk(tenantId, one)).toBe("present");
      expect(Buffer.compare((await storage.readChunk(tenantId, one.hash)) ?? expect.fail(), one.bytes)).toBe(
        0,
      );
      expect(await storage.readChunk(other.tenantId, one.hash)).toBeUndefined();
      expect(await storage.chunkUsage(tenantId, bert)).toEqual({ tenantBytes: 262_330, authorBytes: 100 });
      expect(await storage.chunkUsage(other.tenantId, bert)).toEqual({ tenantBytes: 0, authorBytes: 0 });
      expect(await storage.addChunk(other.tenantId, one)).toBe("stored");
      for (let time = 0; time < 2; time++) await storage.removeChunks(tenantId, [first]);
      expect(await storage.readChunk(tenantId, two.hash)).toBeUndefined();
      expect(await storage.chunkUsage(tenantId, bert)).toEqual({ tenantBytes: 100, authorBytes: 100 });
      expect(await storage.removeTenant(tenantId)).toBe(true);
      expect(await storage.readChunk(tenantId, three.hash)).toBeUndefined();
      await expect(storage.addChunk(tenantId, three)).rejects.toMatchObject({ code: "store/failed" });
      expect(await storage.readChunk(other.tenantId, one.hash)).toHaveLength(262_160);
      // A commit is found by its hash and time, in its own log only.
      const commit = createCommit();
      const { commitHash, createdAtMs } = commit;
      const place = { tenantId: other.tenantId, dbId, commitHash, createdAtMs };
      expect(await storage.findCommit(place)).toBeUndefined();
      await append([commit], { tenantId: other.tenantId });
      const found = (await storage.findCommit(place)) ?? expect.fail();
      expect([found.seq, ...found.bytes]).toEqual([0, ...commit.bytes]);
      const elsewhere = [{ dbId: createDbId() }, { createdAtMs: createdAtMs + 1 }, { tenantId }];
      for (const wrong of elsewhere) expect(await storage.findCommit({ ...place, ...wrong })).toBeUndefined();
    });

    it("keeps one address for each device, so many for each user, until they are taken back or their tenant goes (S1 to S3)", async () => {
      const { storage, tenantId } = await createPlace();
      const other = bytesToId("TenantId", crypto.randomBytes(32));
      await storage.createTenant(
        { tenantId: other, directoryDbId: createDbId(), publication: Uint8Array.of(1) },
        [createCommit()],
      );
      const [anna, bert] = [createAuthor(), createAuthor()];
      const devices = Array.from({ length: maxDevices + 1 }, createAuthor);
      const [first = expect.fail(), second = expect.fail(), ...more] = devices;
      const endpointOf = (device: AuthorKey) => `https://push.example/${device}?ä`;
      const put = (device: AuthorKey, user = anna, endpoint = endpointOf(device)) =>
        storage.putSubscription(tenantId, { device, user, endpoint });
      const list = (after?: AuthorKey, maxCount = 100) =>
        storage.listSubscriptions(tenantId, after, maxCount);
      expect(await list()).toEqual([]);
      expect(await put(first)).toBe(true);
      expect(await put(first, anna, "https://push.example/later")).toBe(true);
      expect(await list()).toEqual([{ device: first, user: anna, endpoint: "https://push.example/later" }]);
      expect(await put(first)).toBe(true);
      expect(await put(second)).toBe(true);
      // One after another: what is refused has a reason then.
      const outcomes: boolean[] = [];
      for (const device of more) outcomes.push(await put(device));
      expect(outcomes).toEqual([...Array<boolean>(maxDevices - 2).fill(true), false]);
      const last = devices.at(-1) ?? expect.fail();
      // A device that is known may still move, and another user has places of their own.
      expect(await put(first, anna, endpointOf(first))).toBe(true);
      expect(await put(last, bert)).toBe(true);
      expect(
        await storage.putSubscription(other, { device: first, user: bert, endpoint: "https://b/" }),
      ).toBe(true);

      const paged: AuthorKey[] = [];
      for (let page = await list(undefined, 5); page.length > 0; page = await list(page.at(-1)?.device, 5)) {
        expect(page.length).toBeLessThanOrEqual(5);
        paged.push(...page.map(({ device }) => device));
      }
      expect(paged.toSorted()).toEqual(devices.toSorted());
      expect((await list()).find(({ device }) => device === second)).toEqual({
        device: second,
        user: anna,
        endpoint: endpointOf(second),
      });

      await storage.removeSubscription(tenantId, second, "https://push.example/another");
      expect(await list()).toHaveLength(devices.length);
      await storage.removeSubscription(tenantId, second, endpointOf(second));
      await storage.removeSubscription(tenantId, second, endpointOf(second));
      await storage.removeSubscription(tenantId, last);
      expect((await list()).map(({ device }) => device)).toEqual(
        paged.filter((device) => device !== second && device !== last),
      );
      expect(await put(second)).toBe(true);
      await storage.removeTenant(tenantId);
      expect(await list()).toEqual([]);
      await expect(put(first)).rejects.toMatchObject({ code: "store/failed" });
      expect(await storage.listSubscriptions(other, undefined, 10)).toEqual([
        { device: first, user: bert, endpoint: "https://b/" },
      ]);
    });

    it("keeps how far another server has each log, apart from other servers, until the tenant goes (P1 to P3)", async () => {
      const { storage, tenantId, dbId, directoryDbId } = await createPlace();
      const other = bytesToId("TenantId", crypto.randomBytes(32));
      await storage.createTenant(
        { tenantId: other, directoryDbId: createDbId(), publication: Uint8Array.of(1) },
        [createCommit()],
      );
      const [near, far] = [crypto.randomBytes(32), crypto.randomBytes(32)];
      const read = async (tenant: TenantId, serverKey: Uint8Array) =>
        [...(await storage.readForwarded(tenant, serverKey))].sort().map(([id, place]) => [id, [...place]]);
      const place = (...bytes: readonly number[]) => Uint8Array.from(bytes);
      expect(await read(tenantId, near)).toEqual([]);
      await storage.writeForwarded(tenantId, near, new Map());
      const first = new Map([
        [dbId, place(1)],
        [directoryDbId, place(2, 0, 255)],
      ]);
      await storage.writeForwarded(tenantId, near, first);
      await storage.writeForwarded(tenantId, near, new Map([[dbId, place(3, 4)]]));
      await storage.writeForwarded(tenantId, far, new Map([[dbId, place(5)]]));
      await storage.writeForwarded(other, near, new Map([[dbId, place(6)]]));
      expect(await read(tenantId, near)).toEqual(
        [
          [dbId, [3, 4]],
          [directoryDbId, [2, 0, 255]],
        ].sort(),
      );
      expect(await read(tenantId, far)).toEqual([[dbId, [5]]]);
      await storage.removeTenant(tenantId);
      await storage.writeForwarded(tenantId, near, first);
      expect(await read(tenantId, near)).toEqual([]);
      expect(await read(other, near)).toEqual([[dbId, [6]]]);
    });

    it("removes a tenant whole, and nothing of another one; it comes again with newer epochs (R8)", async () => {
      const { storage, tenantId, directoryDbId, dbId, append } = await createPlace();
      const kept = {
        tenantId: bytesToId("TenantId", crypto.randomBytes(32)),
        directoryDbId: createDbId(),
        publication: Uint8Array.of(1),
      };
      await storage.createTenant(kept, [createCommit(), createCommit()]);
      const commit = createCommit();
      await append([commit, createCommit()]);
      const before = await storage.listLogs(tenantId);
      expect(await storage.removeTenant(tenantId)).toBe(true);
      expect(await storage.removeTenant(tenantId)).toBe(false);
      expect(await storage.readTenant(tenantId)).toBeUndefined();
      expect(await storage.readLog(tenantId, dbId)).toBeUndefined();
      expect(await storage.listLogs(tenantId)).toEqual([]);
      expect(await storage.tenantUsage(tenantId, [someAuthor])).toEqual({
        logCount: 0,
        commitCount: 0,
        sizeBytes: 0,
        byAuthor: new Map([[someAuthor, { commitCount: 0, sizeBytes: 0 }]]),
      });
      await expect(append([commit])).rejects.toMatchObject({ code: "store/failed" });
      expect(await storage.tenantCount()).toBe(1);
      expect(await storage.tenantUsage(kept.tenantId, [someAuthor])).toMatchObject({
        commitCount: 2,
        byAuthor: new Map([[someAuthor, { commitCount: 2, sizeBytes: 80 }]]),
      });
      await storage.createTenant({ tenantId, directoryDbId, publication: Uint8Array.of(2) }, [
        createCommit(),
      ]);
      expect(await append([commit])).toMatchObject({ results: [{ status: "stored", seq: 0 }] });
      for (const { epoch } of before)
        expect((await storage.readLog(tenantId, dbId))?.epoch).toBeGreaterThan(epoch);
    });

    it("begins new epochs with larger numbers, whatever the clock says", async () => {
      const { storage, env, tenantId, dbId, append } = await createPlace();
      await append([createCommit()]);
      const before = (await storage.readLog(tenantId, dbId))?.epoch ?? 0;
      expect(before).toBe(Math.floor(env.nowMs() / 1000));
      await storage.startNewEpochs();
      const after = await storage.readLog(tenantId, dbId);
      expect(after?.epoch).toBeGreaterThan(before);
      expect(after?.size).toBe(1);
      expect((await append([createCommit()])).kind).toBe("appended");
    });

    it("begins a log that was lost no lower than the tenant's newest epoch, which is what clients were told", async () => {
      const { storage, tenantId, dbId, append, directoryDbId } = await createPlace();
      for (let i = 0; i < 3; i++) await storage.startNewEpochs();
      const told = (await storage.readLog(tenantId, directoryDbId))?.epoch ?? 0;
      await append([createCommit()]);
      expect((await storage.readLog(tenantId, dbId))?.epoch).toBeGreaterThanOrEqual(told);
    });

    it("begins a log that a backup lacks above the epoch that it had, in the same second too", async () => {
      const { storage, env, tenantId, dbId, append } = await createPlace();
      const hadEpoch = Math.floor(env.nowMs() / 1000);
      await storage.startNewEpochs();
      await append([createCommit()]);
      expect((await storage.readLog(tenantId, dbId))?.epoch).toBeGreaterThan(hadEpoch);
    });

    it("refuses everything after closing (R6)", async () => {
      const { storage, tenantId, append } = await createPlace();
      const pending = append([createCommit()]);
      await storage.close();
      expect((await pending).kind).toBe("appended");
      await expect(storage.readTenant(tenantId)).rejects.toMatchObject({ code: "store/closed" });
      await expect(append([createCommit()])).rejects.toMatchObject({ code: "store/closed" });
    });
  });
}
