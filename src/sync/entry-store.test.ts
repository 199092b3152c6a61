import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesToId, createSystemEnv, type EntryHash } from "../std/index.ts";
import { createContentKey, deriveDocId, sealCommit, type Commit } from "../entry/index.ts";
import { createMemoryStorage } from "../store/index.ts";
import { mutateBytes, fuzz, fuzzRuns } from "../std/mutate-fixtures.ts";
import { createDeviceEntries } from "./device-entries.ts";
import { createDeviceSets } from "./device-sets.ts";
import { answerEntries, EntryIndex } from "./entry-answers.ts";
import {
  decodeAnswerOf,
  decodeQuestion,
  encodeAnswer,
  encodeQuestion,
  entryCallLimits,
} from "./entry-calls.ts";
import { createEntryReader } from "./entry-store.ts";
import { idsOf, testEntryReader } from "./entry-store-contract.ts";
import type { PeerSource } from "./peer-store.ts";
import { createFixture } from "./sync-fixture.ts";

const fixture = await createFixture();
const { crypto, dbId, directoryDbId, tenantId, signer } = fixture;
const keyId = bytesToId("KeyId", new Uint8Array(16).fill(3));
const key = await createContentKey(crypto, { keyId, epoch: 1, secret: new Uint8Array(32).fill(5) });

/** A commit whose entries stand on others. */
async function sealOn(dependencies: readonly (readonly EntryHash[])[], type = "doc_change"): Promise<Commit> {
  const writerNonce = crypto.randomBytes(16);
  const docId = deriveDocId(crypto, {
    tenantId,
    dbId,
    keyId,
    author: signer.key,
    writerNonce,
    docCounter: 1,
  });
  return sealCommit(crypto, {
    tenantId,
    dbId,
    author: signer.key,
    signingKey: signer.privateKey,
    writerNonce,
    writerSeq: 1,
    predecessors: [],
    directoryHead: bytesToId("CommitHash", new Uint8Array(32).fill(1)),
    createdAtMs: 1,
    entries: dependencies.map((some) => ({
      entryType: type as "doc_change",
      docId,
      dependencies: some,
      key,
      plaintext: crypto.randomBytes(30),
    })),
  });
}

async function createPlace(): Promise<PeerSource & { write(...commits: readonly Commit[]): Promise<void> }> {
  const store = await createMemoryStorage(createSystemEnv()).openStore("tenant");
  return {
    crypto,
    store,
    sets: createDeviceSets(store, tenantId),
    tenantId,
    userKey: signer.key,
    async write(...commits) {
      const records = commits.map(({ commitHash, bytes }) => ({
        commitHash,
        bytes: new Uint8Array(bytes),
        origin: "",
      }));
      await store.write({ records });
    },
  };
}

const commits = [
  ...(await Promise.all(Array.from({ length: 17 }, () => fixture.seal()))),
  await sealOn([[], [], []]),
  await sealOn([[]]),
];
const directory = await fixture.seal(directoryDbId);

testEntryReader("the store of a device", async () => {
  const place = await createPlace();
  // Other databases share the log, and are not seen.
  await place.write(directory, ...commits);
  return {
    reader: createDeviceEntries(place, dbId),
    commits,
    async add() {
      const later = await sealOn([[], []]);
      await place.write(directory, later);
      return later;
    },
  };
});

describe("the store of a device", () => {
  it("resolves what an entry stands on, nearest first, to a depth or a kind, and ends where something is not here", async () => {
    const place = await createPlace();
    const hashOf = (commit: Commit, index = 0) => commit.entries[index]?.entryHash as EntryHash;
    const root = await sealOn([[]]);
    const snapshot = await sealOn([[hashOf(root)]], "doc_snapshot");
    const absent = await sealOn([[]]);
    const middle = await sealOn([[hashOf(snapshot), hashOf(absent)].toSorted()]);
    const top = await sealOn([[hashOf(middle), hashOf(root)].toSorted()]);
    await place.write(root, snapshot, middle, top);
    const store = createDeviceEntries(place, dbId);
    const [id = ""] = idsOf(top);
    const all = [top, middle, root, snapshot].flatMap(idsOf);
    expect((await store.resolveDependencies(id)).toSorted()).toEqual(all.toSorted());
    expect((await store.resolveDependencies(id))[0]).toBe(id);
    expect(await store.resolveDependencies(id, { maxDepth: 0, includeStart: false })).toEqual([]);
    expect(await store.resolveDependencies(id, { maxDepth: 1 })).toHaveLength(3);
    const [from = ""] = idsOf(middle);
    expect(await store.resolveDependencies(from, { stopAtEntryType: "doc_snapshot" })).toEqual(
      [middle, snapshot].flatMap(idsOf),
    );
    await expect(store.resolveDependencies(`${id.slice(0, -3)}AAA`)).rejects.toMatchObject({
      code: "input/unknown-id",
    });
    await expect(store.resolveDependencies(id, { maxDepth: -1 })).rejects.toMatchObject({
      code: "input/invalid",
    });
  });

  it("takes entries that another one gave, once, and refuses what is not genuine or of another database", async () => {
    const [from, into] = [await createPlace(), await createPlace()];
    await from.write(...commits);
    const [source, target] = [createDeviceEntries(from, dbId), createDeviceEntries(into, dbId)];
    const entries = await source.getEntries(commits.flatMap(idsOf));
    expect(await target.putEntries(entries)).toEqual({ newCount: commits.length, refused: [] });
    expect(await target.putEntries(entries)).toEqual({ newCount: 0, refused: [] });
    const bent = new Uint8Array(commits[0]?.bytes ?? []);
    bent[bent.length - 1] = (bent.at(-1) ?? 0) ^ 1;
    const report = await target.putEntries([
      { commit: bent },
      { commit: new Uint8Array(directory.bytes) },
      { commit: Uint8Array.of(1, 2) },
    ]);
    expect(report).toEqual({
      newCount: 0,
      refused: [
        { commitHash: commits[0]?.commitHash },
        { commitHash: directory.commitHash },
        { commitHash: undefined },
      ],
    });
    const odd = target as { putEntries: (entries: unknown) => Promise<unknown> };
    for (const junk of [undefined, "x", [null], [{ commit: "x" }]])
      await expect(odd.putEntries(junk)).rejects.toMatchObject({ code: "input/invalid" });
    const many = Array.from({ length: entryCallLimits.askedIds + 1 }, () => ({ commit: bent }));
    await expect(odd.putEntries(many)).rejects.toMatchObject({ code: "input/too-large" });
  });

  it("follows a log that began anew, and answers a log that is too large by scanning alone", async () => {
    const logOf = (epoch: string, some: readonly Commit[]) => ({
      epoch,
      read: async (after: number) =>
        some.slice(after, after + 2).map(({ bytes }, index) => ({ position: after + index + 1, bytes })),
      readAt: async () => [],
    });
    const index = new EntryIndex(crypto, 10);
    const question = { call: "has", dbId, ids: idsOf(commits[0] as Commit) } as const;
    await expect(answerEntries(crypto, logOf("a", commits), index, question)).rejects.toMatchObject({
      code: "input/too-large",
    });
    expect(index.entryCount).toBe(0);
    const scan = { call: "scan", dbId, cursor: { epoch: "", position: 0 }, limit: 1000 } as const;
    expect(await answerEntries(crypto, logOf("a", commits), index, scan)).toMatchObject({ hasMore: true });
    const fewer = logOf("b", commits.slice(0, 4));
    expect(await answerEntries(crypto, fewer, index, question)).toEqual({ call: "has", indexes: [0] });
    expect([index.entryCount, index.commitCount]).toEqual([4, 4]);
  });
});

describe("an answer of a remote", () => {
  const readerOf = (answer: Uint8Array) =>
    createEntryReader({ crypto, tenantId, dbId, ask: async () => answer });
  const malformed = { code: "protocol/malformed" };

  it("that is none, or to another question, or names what it does not bring, is refused", async () => {
    const [commit] = commits;
    if (commit === undefined) return;
    const [id = ""] = idsOf(commit);
    await expect(readerOf(new Uint8Array(0)).hasEntries([id])).rejects.toMatchObject(malformed);
    const compaction = encodeAnswer({ call: "compaction", entryCount: 1, commitCount: 1, sizeBytes: 1 });
    await expect(readerOf(compaction).hasEntries([id])).rejects.toMatchObject(malformed);
    const far = encodeAnswer({ call: "get", parts: [{ commit: commit.bytes, indexes: [5] }] });
    await expect(readerOf(far).getEntries([id])).rejects.toMatchObject(malformed);
    const foreign = encodeAnswer({ call: "get", parts: [{ commit: directory.bytes, indexes: [0] }] });
    await expect(readerOf(foreign).getEntries([id])).rejects.toMatchObject(malformed);
    const bent = new Uint8Array(commit.bytes);
    bent[bent.length - 1] = (bent.at(-1) ?? 0) ^ 1;
    const forged = encodeAnswer({ call: "new", parts: [{ commit: bent, indexes: [0] }] });
    await expect(readerOf(forged).findNewEntries([])).rejects.toMatchObject(malformed);
    const beyond = encodeAnswer({ call: "has", indexes: [0, 9] });
    expect(await readerOf(beyond).hasEntries([id])).toEqual([id]);
    const unasked = encodeAnswer({ call: "get", parts: [{ commit: commit.bytes, indexes: [0] }] });
    expect(await readerOf(unasked).getEntries(["another"])).toEqual([]);
  });

  it("and a question: any bytes give what they say in their one form, or nothing", async () => {
    const place = await createPlace();
    await place.write(...commits);
    const log = {
      epoch: "e",
      read: async () => [],
      readAt: async () => [],
    };
    const ids = commits.flatMap(idsOf);
    const questions = [
      encodeQuestion({ call: "has", dbId, ids }),
      encodeQuestion({ call: "new", dbId, ids, docId: "doc" }),
      encodeQuestion({ call: "scan", dbId, cursor: { epoch: "e", position: 3 }, limit: 9 }),
      encodeQuestion({ call: "bloom", dbId }),
    ];
    const parts = [{ commit: commits[0]?.bytes ?? new Uint8Array(1), indexes: [0] }];
    const answers = [
      encodeAnswer({ call: "has", indexes: [1, 3] }),
      encodeAnswer({ call: "get", parts }),
      encodeAnswer({ call: "scan", parts, next: { epoch: "e", position: 9 }, hasMore: true }),
      encodeAnswer({
        call: "bloom",
        salt: new Uint8Array(16),
        entryCount: 3,
        hashCount: 7,
        bits: new Uint8Array(9),
      }),
      encodeAnswer({ call: "compaction", entryCount: 1, commitCount: 2, sizeBytes: 3 }),
    ];
    await fuzz("entry questions", fuzzRuns(400, 5), async (random) => {
      const bytes = mutateBytes(random, questions);
      const question = decodeQuestion(bytes);
      if (question === undefined) return;
      expect(encodeQuestion(question)).toEqual(bytes);
      await answerEntries(crypto, log, new EntryIndex(crypto), question);
    });
    await fuzz("entry answers", fuzzRuns(400, 5), (random) => {
      const bytes = mutateBytes(random, answers);
      const answer = decodeAnswerOf(bytes);
      if (answer !== undefined) expect(encodeAnswer(answer)).toEqual(bytes);
    });
  });
});

it("two stores that bring each other what either lacks hold the same, whatever each held before", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: commits.length, maxLength: commits.length }),
      async (where) => {
        const places = [await createPlace(), await createPlace()] as const;
        for (const [bit, place] of places.entries()) {
          const held = commits.filter((_, index) => ((where[index] ?? 0) & (1 << bit)) !== 0);
          if (held.length > 0) await place.write(...held);
        }
        const [a, b] = [createDeviceEntries(places[0], dbId), createDeviceEntries(places[1], dbId)];
        for (const [from, into] of [
          [a, b],
          [b, a],
        ] as const) {
          const known = (await into.findNewEntries([])).map(({ id }) => id);
          const fresh = await from.findNewEntries(known);
          await into.putEntries(await from.getEntries(fresh.map(({ id }) => id)));
        }
        const all = commits
          .filter((_, index) => where[index] !== 0)
          .flatMap(idsOf)
          .toSorted();
        for (const store of [a, b])
          expect((await store.findNewEntries([])).map(({ id }) => id).toSorted()).toEqual(all);
      },
    ),
    { numRuns: 15 },
  );
});
