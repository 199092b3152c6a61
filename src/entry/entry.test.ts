import { describe, expect, it } from "vitest";
import { bytesToId, concatBytes, idToBytes } from "../std/index.ts";
import { bytesOf, createFixture, hashOf, wireCommit, wireEntry, type WireParts } from "./entry-fixtures.ts";
import {
  createContentKey,
  createDocNaming,
  encodeCommit,
  entryLimits,
  openEntries,
  openEntry,
  prepareSealing,
  parseCommit,
  sealCommit,
  verifyCommit,
  type Commit,
  type CommitVerdict,
  type EntryDraft,
} from "./index.ts";
import { paddedSizeBytes } from "./padding.ts";

const fixture = await createFixture();
const { crypto, draftOf, createDoc, changeDoc, findKey, keys } = fixture;
const text = bytesOf(120, 100);

function verified(verdict: CommitVerdict): Commit {
  if (verdict.kind !== "verified") throw new Error(`forged: ${verdict.reason}`);
  return verdict.commit;
}

describe("seal, verify, open", () => {
  it("gives back what went in, with dependencies resolved", async () => {
    const entries = [
      createDoc(1, text),
      changeDoc(bytesOf(1, 10), [{ index: 0 }, hashOf(9), hashOf(3), hashOf(9)]),
      changeDoc(new Uint8Array(0), [{ index: 1 }], keys[1]),
    ];
    const commit = await sealCommit(crypto, draftOf(entries));
    const read = verified(await verifyCommit(crypto, commit.bytes));
    expect(read).toEqual(commit);
    const [first, second] = read.header.entryHashes;
    expect(read.entries[1]?.header?.dependencies.toSorted()).toEqual(
      [hashOf(3), hashOf(9), first].toSorted(),
    );
    expect(read.entries[2]?.header?.dependencies).toEqual([second]);
    expect(read.header.keys.map(({ keyId, epoch }) => [keyId, epoch])).toEqual(
      keys.map((k) => [k.keyId, k.epoch]),
    );
    const opened = await openEntries(crypto, read, findKey);
    expect(opened).toEqual(entries.map(({ plaintext }) => ({ kind: "opened", plaintext })));
    expect(await openEntry(crypto, read, 1, findKey)).toEqual(opened[1]);
  });

  it("sorts predecessors and keeps the whole header", async () => {
    const predecessors = [9, 1, 5].map((value) => bytesToId("CommitHash", bytesOf(value, 32)));
    const seen = { logKeyId: bytesOf(1, 8), epoch: 2, size: 2 ** 40, rootPrefix: bytesOf(3, 16) };
    const draft = draftOf([createDoc(1, text)], { predecessors, seen, directoryHead: undefined });
    const read = verified(await verifyCommit(crypto, (await sealCommit(crypto, draft)).bytes));
    expect(read.header.predecessors.map((hash) => idToBytes(hash)[0])).toEqual([1, 5, 9]);
    expect(read.header).toMatchObject({
      seen,
      directoryHead: undefined,
      createdAtMs: draft.createdAtMs,
      writerSeq: 1,
    });
  });

  it("draws a fresh salt: sealing twice gives other hashes and other ciphertext", async () => {
    const draft = draftOf([createDoc(1, text)]);
    const [a, b] = [await sealCommit(crypto, draft), await sealCommit(crypto, draft)];
    expect(a.commitHash).not.toBe(b.commitHash);
    expect(a.header.entryHashes).not.toEqual(b.header.entryHashes);
    expect(a.entries[0]?.ciphertext).not.toEqual(b.entries[0]?.ciphertext);
  });

  it("costs at most 45 bytes an entry over the padded plaintext in bulk", async () => {
    const created = Array.from({ length: 256 }, (_, i) => createDoc(i + 1, bytesOf(i, 255)));
    const chained = Array.from({ length: 256 }, (_, i) =>
      changeDoc(bytesOf(i, 255), i === 0 ? [] : [{ index: i - 1 }]),
    );
    const perEntry = async (entries: readonly EntryDraft[]): Promise<number> =>
      (await sealCommit(crypto, draftOf(entries))).bytes.length / entries.length - paddedSizeBytes(255);
    expect(await perEntry(created)).toBeLessThan(27);
    expect(await perEntry(chained)).toBeLessThan(42);
  });

  it("takes one key in several objects as one key", async () => {
    const again = { ...keys[0], fingerprint: keys[0].fingerprint.slice() };
    const entries = [createDoc(1, text), createDoc(2, text, again)];
    const commit = verified(await verifyCommit(crypto, (await sealCommit(crypto, draftOf(entries))).bytes));
    expect(commit.header.keys).toHaveLength(1);
  });

  it("says no-key and absent, entry by entry", async () => {
    const commit = await sealCommit(
      crypto,
      draftOf([createDoc(1, text), createDoc(2, text, keys[1]), createDoc(3, text)]),
    );
    const [first, second, third] = commit.entries;
    if (first === undefined || second === undefined || third?.header === undefined)
      throw new Error("three entries");
    const partial = {
      ...commit,
      entries: [first, second, { entryHash: third.entryHash, header: third.header }],
    };
    const [key1] = keys;
    const verdicts = await openEntries(crypto, partial, (name) =>
      name.keyId === key1.keyId ? key1 : undefined,
    );
    const { keyId, epoch, fingerprint } = keys[1];
    expect(verdicts).toEqual([
      { kind: "opened", plaintext: text },
      { kind: "no-key", key: { keyId, epoch, fingerprint } },
      { kind: "absent" },
    ]);
  });
});

describe("partial commits", () => {
  it("keep hash and signature, whatever is present", async () => {
    const entries = [
      createDoc(1, text),
      changeDoc(text, [{ index: 0 }]),
      changeDoc(text, [{ index: 1 }, hashOf(200)], keys[1]),
    ];
    const commit = await sealCommit(crypto, draftOf(entries));
    expect(encodeCommit(commit)).toEqual(commit.bytes);
    for (let choice = 0; choice < 27; choice++) {
      const present = commit.entries.map(({ entryHash, header, ciphertext }, i) => {
        const presence = Math.floor(choice / 3 ** i) % 3;
        if (presence === 0 || header === undefined) return { entryHash };
        return presence === 1 || ciphertext === undefined
          ? { entryHash, header }
          : { entryHash, header, ciphertext };
      });
      const bytes = encodeCommit({ ...commit, entries: present });
      const read = verified(await verifyCommit(crypto, bytes, commit.commitHash));
      expect(read).toEqual({ ...commit, entries: present, bytes });
      expect(encodeCommit(read)).toEqual(bytes);
    }
  });

  it("a commit without ciphertext is small", async () => {
    const commit = await sealCommit(crypto, draftOf([createDoc(1, bytesOf(1, 100_000))]));
    const headersOnly = commit.entries.map(({ entryHash, header }) =>
      header === undefined ? { entryHash } : { entryHash, header },
    );
    expect(encodeCommit({ ...commit, entries: headersOnly }).length).toBeLessThan(400);
  });
});

describe("a writer keeps every limit", () => {
  const tooLarge = { code: "input/too-large" };
  const sealing = (entries: readonly EntryDraft[], more = {}): Promise<Commit> =>
    sealCommit(crypto, draftOf(entries, more));

  it.each<[string, () => Promise<Commit>]>([
    ["257 entries", () => sealing(Array.from({ length: 257 }, () => changeDoc(text)))],
    ["a large change", () => sealing([changeDoc(bytesOf(0, entryLimits.changeBytes + 1))])],
    [
      "a large blob",
      () => sealing([{ ...changeDoc(bytesOf(0, entryLimits.blobBytes + 1)), entryType: "doc_snapshot" }]),
    ],
    ["more than 1 MiB", () => sealing(Array.from({ length: 5 }, () => changeDoc(bytesOf(0, 220_000))))],
    [
      "65 dependencies",
      () =>
        sealing([
          changeDoc(
            text,
            Array.from({ length: 65 }, (_, i) => hashOf(i)),
          ),
        ]),
    ],
    [
      "65 predecessors",
      () =>
        sealing([changeDoc(text)], {
          predecessors: Array.from({ length: 65 }, (_, i) => bytesToId("CommitHash", bytesOf(i, 32))),
        }),
    ],
    [
      "17 keys",
      () => sealing(Array.from({ length: 17 }, (_, i) => changeDoc(text, [], { ...keys[0], epoch: i }))),
    ],
    [
      "1 MiB, over only by what stands around the ciphertext",
      () =>
        sealing(
          Array.from({ length: 256 }, () =>
            changeDoc(
              bytesOf(0, 3960),
              Array.from({ length: 40 }, (_, i) => hashOf(i)),
            ),
          ),
        ),
    ],
  ])("%s is refused before signing", async (_, run) => {
    await expect(run()).rejects.toMatchObject(tooLarge);
  });

  it("at the limits, readers take it", async () => {
    const dependencies = Array.from({ length: 64 }, (_, i) => hashOf(i));
    const largest = await sealing([changeDoc(bytesOf(0, entryLimits.changeBytes), dependencies)]);
    expect((await verifyCommit(crypto, largest.bytes)).kind).toBe("verified");
    const blob = await sealing([
      { ...changeDoc(bytesOf(0, entryLimits.blobBytes)), entryType: "attachment_chunk" },
    ]);
    expect((await verifyCommit(crypto, blob.bytes)).kind).toBe("verified");
    const full = await sealing(Array.from({ length: 256 }, (_, i) => changeDoc(bytesOf(i, 3000))));
    expect((await verifyCommit(crypto, full.bytes)).kind).toBe("verified");
  });

  it("stops at bugs: wrong document ids, later dependencies, counters out of place, gaps", async () => {
    const broken: EntryDraft[][] = [
      [{ ...createDoc(1, text), docCounter: 2 }],
      [{ ...changeDoc(text), docCounter: 2 }],
      [{ ...changeDoc(text), entryType: "directory_record" }],
      [changeDoc(text, [{ index: 0 }])],
      [changeDoc(text, [{ index: 1 }]), changeDoc(text)],
      [],
    ];
    for (const entries of broken) await expect(sealing(entries)).rejects.toThrow("entry:");
    await expect(sealing([changeDoc(text)], { writerSeq: 2 })).rejects.toThrow("entry:");
    const predecessors = [bytesToId("CommitHash", bytesOf(1, 32))];
    await expect(sealing([changeDoc(text)], { writerSeq: 0, predecessors })).rejects.toThrow("entry:");
    await expect(sealing([changeDoc(text)], { createdAtMs: 8.64e15 + 1 })).rejects.toThrow("entry:");
  });
});

describe("readers refuse every other form", () => {
  const key = { keyId: bytesOf(1, 16), epoch: 1, fingerprint: bytesOf(2, 8), commitment: bytesOf(3, 32) };
  const laterKey = { ...key, epoch: 2 };
  const hash = (value: number): Uint8Array => bytesOf(value, 32);
  const ascending = (count: number): Uint8Array[] => Array.from({ length: count }, (_, i) => hash(i + 1));
  const two = (second: Partial<Parameters<typeof wireEntry>[0]>): Partial<WireParts> => ({
    entries: [wireEntry(), wireEntry({ outer: [], ...second })],
  });

  it("takes the plain second encoder's commits, and writes them the same", () => {
    const plain: Partial<WireParts>[] = [
      {},
      { predecessors: ascending(64) },
      { writerSeq: 300, predecessors: [hash(4)] },
      { seenFlag: 1, seen: concatBytes(bytesOf(1, 8), bytesOf(0, 18)) },
      { keys: [key, laterKey], ...two({ keyIndex: 1 }) },
      two({ inner: [0] }),
      { entries: [wireEntry(), concatBytes(new Uint8Array([0]), hash(77))] },
      { entries: [wireEntry({ presence: 2, rest: hash(1) })] },
      { entries: [wireEntry({ type: 1, docId: new Uint8Array(0), docCounter: 300 })] },
      { entries: [wireEntry({ type: 6, docId: new Uint8Array(0) })] },
    ];
    for (const parts of plain) {
      const bytes = wireCommit(parts);
      expect(encodeCommit(verified(parseCommit(crypto, bytes)))).toEqual(bytes);
    }
  });

  const malformed: Record<string, Partial<WireParts>> = {
    "writer sequence 0": { writerSeq: 0 },
    "no predecessor after the first commit": { writerSeq: 2 },
    "two predecessors after the first commit": { writerSeq: 2, predecessors: ascending(2) },
    "predecessors out of order": { predecessors: [hash(2), hash(1)] },
    "a predecessor twice": { predecessors: [hash(1), hash(1)] },
    "a directory flag of 2": { directoryFlag: 2 },
    "a seen flag of 2": { seenFlag: 2 },
    "a tree head of zeros": { seenFlag: 1, seen: new Uint8Array(26) },
    "a date after the last date": { createdAtMs: 8.64e15 + 1 },
    "no key": { keys: [] },
    "keys out of order": { keys: [laterKey, key], ...two({ keyIndex: 1 }) },
    "a key twice": { keys: [key, { ...key, commitment: hash(9) }], ...two({ keyIndex: 1 }) },
    "a key that no entry uses": { keys: [key, laterKey] },
    "no entry": { entries: [] },
    "fewer entries than it says": { entryCount: 2 },
    "more entries than it says": { entryCount: 1, entries: [wireEntry(), wireEntry()] },
    "a byte after its end": { tail: bytesOf(0, 65) },
    "a byte less": { tail: bytesOf(0, 63) },
    "presence 3": { entries: [wireEntry({ presence: 3 })] },
    "entry type 0": { entries: [wireEntry({ type: 0 })] },
    "entry type 8": { entries: [wireEntry({ type: 8 })] },
    "a key index beyond the keys": { entries: [wireEntry({ keyIndex: 1 })] },
    "dependencies out of order": { entries: [wireEntry({ outer: [hash(2), hash(1)] })] },
    "a dependency twice": { entries: [wireEntry({ outer: [hash(1), hash(1)] })] },
    "itself as dependency": { entries: [wireEntry({ inner: [0] })] },
    "a later entry as dependency": { entries: [wireEntry({ inner: [1] }), wireEntry()] },
    "inner dependencies out of order": {
      entries: [wireEntry(), wireEntry({ outer: [] }), wireEntry({ inner: [1, 0] })],
    },
    "an inner dependency twice": two({ inner: [0, 0] }),
    "one hash twice": {
      entries: [concatBytes(new Uint8Array([0]), hash(7)), concatBytes(new Uint8Array([0]), hash(7))],
    },
    "a later entry as outer dependency": {
      entries: [wireEntry({ outer: [hash(7)] }), concatBytes(new Uint8Array([0]), hash(7))],
    },
    "an earlier entry as outer dependency": {
      entries: [concatBytes(new Uint8Array([0]), hash(7)), wireEntry({ outer: [hash(7)] })],
    },
    "less ciphertext than it says": { entries: [wireEntry({ size: 200 })], tail: new Uint8Array(0) },
  };
  it.each(Object.entries(malformed))("%s is malformed", (_, parts) => {
    expect(parseCommit(crypto, wireCommit(parts))).toEqual({ kind: "forged", reason: "malformed" });
  });

  const overLimit: Record<string, Partial<WireParts>> = {
    "65 predecessors": { predecessors: ascending(65) },
    "17 keys": { keys: Array.from({ length: 17 }, (_, epoch) => ({ ...key, epoch })) },
    "257 entries": {
      entries: Array.from({ length: 257 }, (_, i) => wireEntry({ docId: bytesOf(i % 251, 16) })),
    },
    "65 dependencies": { entries: [wireEntry({ outer: ascending(65) })] },
    "64 outer dependencies and an inner one": {
      entries: [wireEntry(), wireEntry({ outer: ascending(64), inner: [0] })],
    },
    "a large change": { entries: [wireEntry({ size: 270_336 + 17, rest: bytesOf(0, 270_336 + 17) })] },
    "a large blob, though absent": {
      entries: [wireEntry({ presence: 2, type: 3, size: 540_672 + 17, rest: hash(1) })],
    },
    "more than 1 MiB": { tail: bytesOf(0, entryLimits.commitBytes) },
  };
  it.each(Object.entries(overLimit))("%s is over a limit", (_, parts) => {
    expect(parseCommit(crypto, wireCommit(parts))).toEqual({ kind: "forged", reason: "limit" });
  });

  it("another version or suite is a version, another commit than expected a hash", async () => {
    expect(parseCommit(crypto, wireCommit({ version: 2 }))).toEqual({ kind: "forged", reason: "version" });
    expect(parseCommit(crypto, wireCommit({ suite: 2 }))).toEqual({ kind: "forged", reason: "version" });
    const expected = bytesToId("CommitHash", bytesOf(1, 32));
    expect(parseCommit(crypto, wireCommit(), expected)).toEqual({ kind: "forged", reason: "hash" });
    expect(await verifyCommit(crypto, wireCommit())).toEqual({ kind: "forged", reason: "signature" });
  });
});

describe("attacks", () => {
  it("squatting: a stranger's ciphertext in one's own commit is another entry, and shut", async () => {
    const victim = await sealCommit(crypto, draftOf([changeDoc(text)]));
    const attacker = await createFixture("attacker");
    const own = await sealCommit(
      attacker.crypto,
      attacker.draftOf([attacker.changeDoc(text)], { createdAtMs: 1 }),
    );
    const stolen = victim.entries[0];
    if (stolen?.header === undefined || stolen.ciphertext === undefined) throw new Error("an entry");
    // The attacker copies salt, keys and commitments too, and signs with a key of their own.
    const header = { ...victim.header, author: own.header.author };
    const unsigned = encodeCommit({ header, entries: [stolen], signature: new Uint8Array(64) });
    const parsed = verified(parseCommit(crypto, unsigned));
    const signedBytes = concatBytes(
      new TextEncoder().encode("coffer/commit/v1\0"),
      unsigned.subarray(1, unsigned.length - 64 - wireEntrySize(stolen.ciphertext)),
      idToBytes(parsed.header.entryHashes[0] ?? hashOf(0)),
    );
    const signature = await attacker.crypto.sign(attacker.pair.privateKey, signedBytes);
    const forged = verified(await verifyCommit(crypto, concatBytes(unsigned.subarray(0, -64), signature)));
    expect(forged.header.entryHashes[0]).not.toBe(victim.header.entryHashes[0]);
    expect(await openEntries(crypto, forged, findKey)).toEqual([{ kind: "forged", reason: "ciphertext" }]);
    // Given as hash only, the stranger's entry hash can be listed, but it comes with no content.
    expect(await openEntries(crypto, victim, findKey)).toEqual([{ kind: "opened", plaintext: text }]);
  });

  it("moving: ciphertext opens under no other document, type, dependency, index, nonce or salt", async () => {
    const commit = await sealCommit(crypto, draftOf([changeDoc(text), changeDoc(text)]));
    const [first, second] = commit.entries;
    if (first?.header === undefined || second === undefined) throw new Error("two entries");
    const moved: Commit[] = [
      {
        ...commit,
        entries: [{ ...first, header: { ...first.header, docId: bytesToId("DocId", bytesOf(1, 16)) } }],
      },
      { ...commit, entries: [{ ...first, header: { ...first.header, entryType: "doc_delete" } }] },
      { ...commit, entries: [{ ...first, header: { ...first.header, dependencies: [hashOf(1)] } }] },
      { ...commit, entries: [second] },
      { ...commit, header: { ...commit.header, writerNonce: bytesOf(1, 16) } },
      { ...commit, header: { ...commit.header, writerSeq: 2 } },
      { ...commit, header: { ...commit.header, dbId: bytesToId("DbId", bytesOf(1, 16)) } },
      { ...commit, header: { ...commit.header, tenantId: bytesToId("TenantId", bytesOf(1, 32)) } },
    ];
    for (const other of moved) {
      expect(await openEntry(crypto, other, 0, findKey)).toEqual({ kind: "forged", reason: "ciphertext" });
    }
    const resalted = { ...commit, header: { ...commit.header, salt: bytesOf(1, 32) } };
    expect(await openEntry(crypto, resalted, 0, findKey)).toEqual({ kind: "forged", reason: "commitment" });
  });

  it("commitment: a commit opens under one key only, whatever the key claims to be", async () => {
    const commit = await sealCommit(crypto, draftOf([changeDoc(text), changeDoc(text)]));
    const { keyId, epoch } = keys[0];
    const impostor = {
      ...(await createContentKey(crypto, { keyId, epoch, secret: bytesOf(99, 32) })),
      fingerprint: keys[0].fingerprint,
    };
    let decryptions = 0;
    const counting: typeof crypto = {
      ...crypto,
      decrypt: (...call) => (decryptions++, crypto.decrypt(...call)),
    };
    const verdicts = await openEntries(counting, commit, () => impostor);
    expect(verdicts).toEqual([
      { kind: "forged", reason: "commitment" },
      { kind: "forged", reason: "commitment" },
    ]);
    expect(decryptions).toBe(0);
  });

  it("a member's padding that hides something is told", async () => {
    const dishonest: typeof crypto = {
      ...crypto,
      encrypt: (key, nonce, padded, additionalData) => {
        const hidden = padded.slice();
        hidden[hidden.length - 1] = 1;
        return crypto.encrypt(key, nonce, hidden, additionalData);
      },
    };
    const commit = await sealCommit(dishonest, draftOf([changeDoc(bytesOf(1, 200))]));
    expect(await openEntry(crypto, commit, 0, findKey)).toEqual({ kind: "forged", reason: "padding" });
  });

  it("derives each key once a commit", async () => {
    const entries = [changeDoc(text), changeDoc(text, [], keys[1]), changeDoc(text), changeDoc(text)];
    let derivations = 0;
    const counting: typeof crypto = {
      ...crypto,
      derive: (...call) => (derivations++, crypto.derive(...call)),
    };
    const commit = await sealCommit(counting, draftOf(entries));
    expect(derivations).toBe(2);
    await openEntries(counting, commit, findKey);
    expect(derivations).toBe(4);
  });
});

describe("what was prepared for a commit", () => {
  const counted = (): { derivations: number; readonly counting: typeof crypto } => {
    const count = {
      derivations: 0,
      counting: { ...crypto, derive: (...call: Parameters<typeof crypto.derive>) => derive(...call) },
    };
    const derive = (...call: Parameters<typeof crypto.derive>): ReturnType<typeof crypto.derive> => (
      count.derivations++,
      crypto.derive(...call)
    );
    return count;
  };

  it("seals one commit under its key without a derivation, and never a second one", async () => {
    const prepared = await prepareSealing(crypto, keys[0]);
    const entries = [changeDoc(text), changeDoc(bytesOf(2, 200))];
    const [first, second] = [counted(), counted()];
    const commit = await sealCommit(first.counting, draftOf(entries, { prepared }));
    const again = await sealCommit(second.counting, draftOf(entries, { prepared }));
    expect([first.derivations, second.derivations]).toEqual([0, 1]);
    expect(again.header.salt).not.toEqual(commit.header.salt);
    for (const { bytes } of [commit, again]) {
      const read = verified(await verifyCommit(crypto, bytes));
      for (const [index, { plaintext }] of entries.entries())
        expect(await openEntry(crypto, read, index, findKey)).toEqual({ kind: "opened", plaintext });
    }
  });

  it("is not used under another key, nor where there are several", async () => {
    const prepared = await prepareSealing(crypto, keys[0]);
    for (const entries of [[changeDoc(text, [], keys[1])], [changeDoc(text), changeDoc(text, [], keys[1])]]) {
      const { header } = await sealCommit(crypto, draftOf(entries, { prepared }));
      expect(header.salt).not.toEqual(prepared.take(keys[1])?.salt);
    }
    const taken = prepared.take(keys[0]);
    expect(taken?.salt.length).toBe(32);
    expect(prepared.take(keys[0])).toBeUndefined();
  });

  it("leaves this thread free while other threads encrypt: once, when all entries are under way", async () => {
    let begun = 0;
    const counting: typeof crypto = { ...crypto, encrypt: (...call) => (begun++, crypto.encrypt(...call)) };
    const seen: number[] = [];
    const entries = [changeDoc(text), changeDoc(text, [{ index: 0 }]), changeDoc(text, [{ index: 1 }])];
    await sealCommit(counting, draftOf(entries), () => seen.push(begun));
    expect(seen).toEqual([3]);
  });
});

describe("the name of a new document", () => {
  const origin = { ...fixture.place, keyId: keys[0].keyId };
  const name = createDocNaming(crypto, origin)(5);
  const draft: EntryDraft = { ...createDoc(5, text), name };
  const countingHashes = (count: { hashes: number }): typeof crypto => ({
    ...crypto,
    sha256: (...parts) => (count.hashes++, crypto.sha256(...parts)),
  });

  it("is that of its origin, and saves its sealing a hash", async () => {
    expect(name.docId).toBe(createDoc(5, text).docId);
    const [named, unnamed] = [{ hashes: 0 }, { hashes: 0 }];
    await sealCommit(countingHashes(named), draftOf([draft]));
    await sealCommit(countingHashes(unnamed), draftOf([createDoc(5, text)]));
    expect(named.hashes).toBe(unnamed.hashes - 1);
  });

  it.each([
    ["another document's", { ...draft, docId: createDoc(6, text).docId }],
    ["of another counter", { ...draft, docCounter: 6 }],
    ["of another key", { ...draft, key: keys[1] }],
    [
      "made up",
      { ...draft, docId: createDoc(6, text).docId, name: { ...name, docId: createDoc(6, text).docId } },
    ],
    [
      "of another writer",
      {
        ...draft,
        docId: createDocNaming(crypto, { ...origin, writerNonce: bytesOf(9, 16) })(5).docId,
        name: createDocNaming(crypto, { ...origin, writerNonce: bytesOf(9, 16) })(5),
      },
    ],
  ])("is no proof when it is %s", async (_, wrong) => {
    await expect(sealCommit(crypto, draftOf([wrong]))).rejects.toThrow("derived from its origin");
  });
});

/** A change without dependencies on the wire: presence, type, document, counts, key, size, ciphertext. */
function wireEntrySize(ciphertext: Uint8Array): number {
  return 1 + 1 + 16 + 2 + 1 + (ciphertext.length < 128 ? 1 : 2) + ciphertext.length;
}
