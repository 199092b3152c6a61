/**
 * The format, frozen: what writers write byte by byte, and what readers say to each way to be wrong. A change
 * here is a change of format.
 */
import { describe, expect, it } from "vitest";
import { bytesToBase64url, bytesToHex, bytesToId, parseBase64url, utf8ToBytes } from "../std/index.ts";
import { createWebCrypto, type Crypto } from "../crypto/index.ts";
import { bytesOf, createFixture, hashOf, wireCommit, wireEntry, type WireParts } from "./entry-fixtures.ts";
import {
  encodeCommit,
  entryIdOf,
  openEntries,
  parseCommit,
  sealCommit,
  verifyCommit,
  type Commit,
  type CommitDraft,
  type CommitEntry,
  type ContentKey,
  type EntryDraft,
} from "./index.ts";
import vectors from "./entry.vectors.json";

const crypto = createWebCrypto();

type Drafting = (fixture: Awaited<ReturnType<typeof createFixture>>) => {
  entries: readonly EntryDraft[];
  more?: Partial<CommitDraft>;
};

const drafts: Record<string, Drafting> = {
  "a document is created": ({ createDoc }) => ({ entries: [createDoc(1, utf8ToBytes("hello"))] }),
  "the first directory commit of a tenant": ({ keys }) => ({
    entries: [
      {
        entryType: "directory_record",
        docId: bytesToId("DocId", new Uint8Array(16)),
        dependencies: [],
        key: keys[0],
        plaintext: utf8ToBytes("genesis"),
      },
    ],
    more: { directoryHead: undefined },
  }),
  "every type, two keys, inner and outer dependencies": ({ createDoc, changeDoc, keys }) => ({
    entries: [
      createDoc(300, utf8ToBytes("created"), keys[1]),
      changeDoc(utf8ToBytes("changed"), [{ index: 0 }, hashOf(250), hashOf(5)]),
      { ...changeDoc(bytesOf(1, 200), [{ index: 1 }]), entryType: "doc_snapshot" },
      { ...changeDoc(new Uint8Array(0), [{ index: 2 }, { index: 0 }]), entryType: "doc_delete" },
      { ...changeDoc(bytesOf(2, 300)), entryType: "attachment_chunk" },
    ],
    more: {
      writerSeq: 7,
      predecessors: [bytesToId("CommitHash", bytesOf(0x88, 32))],
      seen: { logKeyId: bytesOf(1, 8), epoch: 2, size: 2 ** 33, rootPrefix: bytesOf(3, 16) },
    },
  }),
  "an author names entries that were erased": ({ changeDoc }) => ({
    entries: [{ ...changeDoc(new Uint8Array(0), [hashOf(7), hashOf(3)]), entryType: "doc_purge" }],
  }),
  "a writer's first commit joins an author's heads": ({ changeDoc }) => ({
    entries: [changeDoc(utf8ToBytes("joined"), [hashOf(1)])],
    more: {
      predecessors: [9, 1, 200].map((value) => bytesToId("CommitHash", bytesOf(value, 32))),
      createdAtMs: 0,
    },
  }),
};

const key = { keyId: bytesOf(1, 16), epoch: 1, fingerprint: bytesOf(2, 8), commitment: bytesOf(3, 32) };
const forgeries: Record<string, Partial<WireParts>> = {
  "version 2": { version: 2 },
  "suite 2": { suite: 2 },
  "nobody signed it": {},
  "writer sequence 0": { writerSeq: 0 },
  "no predecessor after the first commit": { writerSeq: 2 },
  "predecessors out of order": { predecessors: [bytesOf(2, 32), bytesOf(1, 32)] },
  "65 predecessors": { predecessors: Array.from({ length: 65 }, (_, i) => bytesOf(i, 32)) },
  "a tree head of zeros": { seenFlag: 1, seen: new Uint8Array(26) },
  "a date after the last date": { createdAtMs: 8.64e15 + 1 },
  "no key": { keys: [] },
  "a key that no entry uses": { keys: [key, { ...key, epoch: 2 }] },
  "keys out of order": {
    keys: [{ ...key, epoch: 2 }, key],
    entries: [wireEntry(), wireEntry({ keyIndex: 1 })],
  },
  "no entry": { entries: [] },
  "257 entries": { entryCount: 257 },
  "presence 3": { entries: [wireEntry({ presence: 3 })] },
  "entry type 8": { entries: [wireEntry({ type: 8 })] },
  "dependencies out of order": { entries: [wireEntry({ outer: [bytesOf(2, 32), bytesOf(1, 32)] })] },
  "a later entry as dependency": { entries: [wireEntry({ inner: [1] }), wireEntry()] },
  "a key index beyond the keys": { entries: [wireEntry({ keyIndex: 1 })] },
  "a change over its limit": { entries: [wireEntry({ presence: 2, size: 270_353, rest: bytesOf(9, 32) })] },
  "a byte after its end": { tail: bytesOf(0, 65) },
  "a byte less": { tail: bytesOf(0, 63) },
};

/** Each way an entry can stay closed: who seals, and which keys the reader has. */
const unopened: Record<
  string,
  { seal?: (honest: Crypto) => Crypto; findKey?: (key: ContentKey) => ContentKey | undefined }
> = {
  "without the key": { findKey: () => undefined },
  "a commitment to another key": {
    seal: (honest) => ({
      ...honest,
      derive: async (...call) => {
        const derived = await honest.derive(...call);
        derived[63] = (derived[63] ?? 0) ^ 1;
        return derived;
      },
    }),
  },
  "ciphertext under another nonce": {
    seal: (honest) => ({ ...honest, encrypt: (k, _, ...rest) => honest.encrypt(k, bytesOf(1, 12), ...rest) }),
  },
  "padding that is not zero": {
    seal: (honest) => ({
      ...honest,
      encrypt: (k, nonce, padded, data) =>
        honest.encrypt(
          k,
          nonce,
          padded.map((byte) => byte || 1),
          data,
        ),
    }),
  },
};

async function sealVector(
  name: string,
  drafting: Drafting,
  seal = (honest: Crypto): Crypto => honest,
): Promise<Commit> {
  const fixture = await createFixture(name);
  const { entries, more } = drafting(fixture);
  return sealCommit(seal(fixture.crypto), fixture.draftOf(entries, more));
}

function partsOf(commit: Commit): { headers: Uint8Array; hashes: Uint8Array } {
  const keep = (entry: (entry: CommitEntry) => CommitEntry): Uint8Array =>
    encodeCommit({ ...commit, entries: commit.entries.map(entry) });
  return {
    headers: keep(({ entryHash, header }) => (header === undefined ? { entryHash } : { entryHash, header })),
    hashes: keep(({ entryHash }) => ({ entryHash })),
  };
}

const longChange: Drafting = ({ changeDoc }) => ({ entries: [changeDoc(bytesOf(1, 200))] });

/** All vectors, made anew. */
async function buildVectors(): Promise<Omit<typeof vectors, "ids">> {
  const commits = [];
  for (const [name, drafting] of Object.entries(drafts)) {
    const commit = await sealVector(name, drafting);
    const partial = partsOf(commit);
    commits.push({
      name,
      commitHash: commit.commitHash,
      entryIds: commit.entries.map(({ header, entryHash }) =>
        header === undefined ? "" : entryIdOf(crypto, header, entryHash),
      ),
      plaintexts: drafting(await createFixture(name)).entries.map(({ plaintext }) => bytesToHex(plaintext)),
      whole: bytesToBase64url(commit.bytes),
      headers: bytesToBase64url(partial.headers),
      hashes: bytesToBase64url(partial.hashes),
    });
  }
  const forged = [];
  for (const [name, parts] of Object.entries(forgeries)) {
    const bytes = wireCommit(parts);
    const verdict = await verifyCommit(crypto, bytes);
    forged.push({
      name,
      reason: verdict.kind === "forged" ? verdict.reason : "",
      bytes: bytesToBase64url(bytes),
    });
  }
  const closed = [];
  for (const [name, { seal, findKey = (k: ContentKey) => k }] of Object.entries(unopened)) {
    const commit = await sealVector(name, longChange, seal);
    const [verdict] = await openEntries(crypto, commit, () => findKey(contentKey));
    closed.push({
      name,
      verdict: verdict?.kind ?? "",
      reason: verdict?.kind === "forged" ? verdict.reason : "",
      bytes: bytesToBase64url(commit.bytes),
    });
  }
  return { commits, forged, closed };
}

const fixture = await createFixture();
const [contentKey] = fixture.keys;
const bytesOfText = (text: string): Uint8Array => parseBase64url(text) ?? new Uint8Array(0);

describe("frozen vectors", () => {
  it("are what is written today", async () => {
    const { ids: _, ...frozen } = vectors;
    expect(await buildVectors()).toEqual(frozen);
  });

  it.each(vectors.commits)("$name: reads, whole or in part", async (vector) => {
    const whole = await verifyCommit(crypto, bytesOfText(vector.whole));
    if (whole.kind === "forged") throw new Error(whole.reason);
    for (const bytes of [vector.whole, vector.headers, vector.hashes]) {
      const verdict = await verifyCommit(crypto, bytesOfText(bytes));
      expect(verdict.kind === "verified" && verdict.commit.commitHash).toBe(vector.commitHash);
    }
    const opened = await openEntries(crypto, whole.commit, fixture.findKey);
    expect(opened.map((v) => (v.kind === "opened" ? bytesToHex(v.plaintext) : v.kind))).toEqual(
      vector.plaintexts,
    );
  });

  it.each(vectors.forged)("$name: $reason", async (vector) => {
    expect(await verifyCommit(crypto, bytesOfText(vector.bytes))).toEqual({
      kind: "forged",
      reason: vector.reason,
    });
    const isOnlyUnsigned = vector.reason === "signature";
    expect(parseCommit(crypto, bytesOfText(vector.bytes)).kind).toBe(isOnlyUnsigned ? "verified" : "forged");
  });

  it.each(vectors.closed)("$name: $verdict $reason", async (vector) => {
    const verdict = await verifyCommit(crypto, bytesOfText(vector.bytes));
    if (verdict.kind === "forged") throw new Error(verdict.reason);
    const isKeyHeld = vector.verdict !== "no-key";
    const [opened] = await openEntries(crypto, verdict.commit, () => (isKeyHeld ? contentKey : undefined));
    expect(opened).toMatchObject(
      isKeyHeld ? { kind: vector.verdict, reason: vector.reason } : { kind: "no-key" },
    );
  });

  it("hold no two cases of one name", () => {
    const names = [...vectors.commits, ...vectors.forged, ...vectors.closed].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});
