/**
 * The matrix of flipped bits: every byte of every field of every type of entry and form of commit. What has to be in it is read from
 * the tables in codec.ts, so that a type, a form or a field without its place here fails.
 *
 * One bit of each byte, another one in each commit; all of them with `COFFER_RUNS`.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fromRoot } from "../../build/paths.mjs";
import { bytesToId } from "../std/index.ts";
import { commitVersion, isDocIdImplied, presences } from "./codec.ts";
import { bytesOf, createFixture, hashOf } from "./entry-fixtures.ts";
import {
  encodeCommit,
  entryTypes,
  parseCommit,
  sealCommit,
  verifyCommit,
  type Commit,
  type CommitDraft,
  type CommitEntry,
  type EntryDraft,
  type EntryType,
} from "./index.ts";

const fixture = await createFixture("bit flips");
const { crypto, draftOf } = fixture;
const isLong = process.env["COFFER_RUNS"] !== undefined;

/** The first cells of the tables in a file's header, as one list of field names. */
function fieldsInTables(text: string): ReadonlySet<string> {
  const rows = [...text.matchAll(/^ \* \| ([^|]+) \|/gm)].map(([, cell = ""]) => cell);
  const names = rows.filter((cell) => !/^(-+|field)$/.test(cell)).flatMap((cell) => cell.split(", "));
  return new Set(names);
}

const codecText = readFileSync(fromRoot("src", "entry", "codec.ts"), "utf8");
// What the last table names does not travel: it is made of the fields before it.
const travelling = fieldsInTables(codecText.slice(0, codecText.indexOf("Entry preimage:")));
const containers = new Set(["core", "entries"]);

interface Span {
  readonly field: string;
  readonly from: number;
  readonly to: number;
}

/** Where each field of a commit's bytes lies: a second, plain reading of the tables. */
function layoutOf(bytes: Uint8Array): readonly Span[] {
  const spans: Span[] = [];
  let at = 0;
  const take = (field: string, size: number): number => {
    spans.push({ field, from: at, to: at + size });
    at += size;
    return bytes[at - size] ?? 0;
  };
  const varint = (field: string): number => {
    let [value, size] = [0, 0];
    while (((bytes[at + size] ?? 0) & 0x80) !== 0)
      value += ((bytes[at + size] ?? 0) & 0x7f) * 2 ** (7 * size++);
    value += (bytes[at + size] ?? 0) * 2 ** (7 * size);
    take(field, size + 1);
    return value;
  };
  const list = (field: string, size: number): void => void take(field, take(field, 1) * size);
  take("version", 1);
  take("suite", 1);
  for (const [field, size] of [
    ["tenantId", 32],
    ["dbId", 16],
    ["author", 32],
    ["writerNonce", 16],
  ] as const)
    take(field, size);
  varint("writerSeq");
  list("predecessors", 32);
  list("directoryHead", 32);
  if (take("seen", 1) === 1) {
    take("seen", 8);
    varint("seen");
    varint("seen");
    take("seen", 16);
  }
  varint("createdAt");
  take("salt", 32);
  list("keys", 60);
  const count = take("entryCount", 2) * 256 + (bytes[at - 1] ?? 0);
  for (let entry = 0; entry < count; entry++) {
    const presence = take("presence", 1);
    if (presence === presences.hash) {
      take("entryHash", 32);
      continue;
    }
    const entryType = entryTypes[take("entryType", 1) - 1];
    if (entryType === undefined) throw new Error("an entry has a type");
    if (!isDocIdImplied(entryType)) take("docId", 16);
    list("outer dependencies", 32);
    list("inner dependencies", 1);
    take("keyIndex", 1);
    if (entryType === "doc_create") varint("docCounter");
    const size = varint("ciphertextSize");
    take("ciphertext", presence === presences.whole ? size : 32);
  }
  take("signature", 64);
  if (at !== bytes.length) throw new Error("the layout does not end where the commit does");
  return spans;
}

/** An entry of each type; a type that is missing here is an error of types, and one that is not sealed below fails. */
const drafts: { readonly [T in EntryType]: (index: number) => EntryDraft } = {
  doc_create: (index) => fixture.createDoc(index + 1, bytesOf(1, 9)),
  doc_change: (index) => ({ ...fixture.changeDoc(bytesOf(2, 9)), dependencies: dependenciesOf(index) }),
  doc_snapshot: (index) => ofDocument("doc_snapshot", index),
  doc_delete: (index) => ofDocument("doc_delete", index),
  attachment_chunk: (index) => ofDocument("attachment_chunk", index),
  directory_record: (index) => ({
    ...ofDocument("directory_record", index),
    docId: bytesToId("DocId", new Uint8Array(16)),
  }),
  doc_purge: (index) => ofDocument("doc_purge", index),
};

function dependenciesOf(index: number): EntryDraft["dependencies"] {
  return index === 0 ? [hashOf(1)] : [hashOf(1), { index: index - 1 }];
}

function ofDocument(entryType: EntryType, index: number): EntryDraft {
  const key = fixture.keys[index % 2] ?? fixture.keys[0];
  const docId = bytesToId("DocId", bytesOf(7, 16));
  return { entryType, docId, dependencies: dependenciesOf(index), key, plaintext: bytesOf(3, 9) };
}

const commitHash = (value: number) => bytesToId("CommitHash", bytesOf(value, 32));
const seen = { logKeyId: bytesOf(1, 8), epoch: 300, size: 70_000, rootPrefix: bytesOf(2, 16) };
const forms: Readonly<Record<string, Partial<CommitDraft>>> = {
  "a tenant's first": { directoryHead: undefined },
  "a writer's first": { predecessors: [commitHash(1), commitHash(2)] },
  "a later one": { writerSeq: 200, predecessors: [commitHash(3)], seen },
};

function withPresence(entry: CommitEntry, presence: number): CommitEntry {
  if (presence === presences.whole) return entry;
  const { entryHash, header } = entry;
  return presence === presences.hash || header === undefined ? { entryHash } : { entryHash, header };
}

async function sealForm(entryType: EntryType, form: Partial<CommitDraft>): Promise<Commit> {
  const draft = drafts[entryType];
  return sealCommit(crypto, draftOf([draft(0), draft(1)], form));
}

const cases = entryTypes.flatMap((entryType) =>
  Object.keys(forms).flatMap((form) =>
    Object.keys(presences).map((presence) => ({
      entryType,
      form,
      presence: presence as keyof typeof presences,
    })),
  ),
);

async function bytesOfCase({ entryType, form, presence }: (typeof cases)[number]): Promise<Uint8Array> {
  const commit = await sealForm(entryType, forms[form] ?? {});
  // The other entry stays whole, so that both are in one commit.
  const entries = commit.entries.map((entry, index) =>
    withPresence(entry, index === 0 ? presences[presence] : presences.whole),
  );
  return encodeCommit({ ...commit, entries });
}

describe("every flipped bit is told", () => {
  it.each(cases)("of $entryType, in $form, its first entry: $presence", async (one) => {
    const bytes = await bytesOfCase(one);
    expect((await verifyCommit(crypto, bytes)).kind).toBe("verified");
    const taken: string[] = [];
    for (const { field, from, to } of layoutOf(bytes)) {
      for (let at = from; at < to; at++) {
        for (let bit = isLong ? 0 : at % 8; bit < (isLong ? 8 : (at % 8) + 1); bit++) {
          const flipped = bytes.with(at, (bytes[at] ?? 0) ^ (1 << bit));
          if ((await verifyCommit(crypto, flipped)).kind !== "forged")
            taken.push(`${field}: bit ${bit} of ${at}`);
        }
      }
    }
    expect(taken).toEqual([]);
  });

  it("and nothing that the tables name is left out", async () => {
    const covered = new Set<string>();
    const types = new Set<string>();
    for (const one of cases) {
      const bytes = await bytesOfCase(one);
      const spans = layoutOf(bytes);
      for (const { field, from, to } of spans) if (to > from) covered.add(field);
      // Each byte has its field, each field its bytes.
      expect(spans.reduce((end, { from, to }) => (from === end ? to : Number.NaN), 0)).toBe(bytes.length);
      const parsed = parseCommit(crypto, bytes);
      if (parsed.kind === "verified")
        for (const { header } of parsed.commit.entries) if (header !== undefined) types.add(header.entryType);
    }
    expect([...types].sort()).toEqual([...entryTypes].sort());
    expect([...covered].sort()).toEqual([...travelling].filter((name) => !containers.has(name)).sort());
    expect(commitVersion, "another version of the format brings tables of its own").toBe(1);
  });
});
