import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFixture, entryDrafts } from "./entry-fixtures.ts";
import { bytesToId } from "../std/index.ts";
import {
  encodeCommit,
  fillCommit,
  openEntry,
  presenceOf,
  sealCommit,
  verifyCommit,
  type Commit,
} from "./index.ts";
import { runsOf } from "../std/runs-fixtures.ts";

const fixture = await createFixture("presence");
const { crypto, draftOf } = fixture;

/** A copy of a commit with as much of each entry as its number says: 0 its hash, 1 its header, 2 all of it. */
async function copyOf(commit: Commit, parts: readonly number[]): Promise<Commit> {
  const entries = commit.entries.map(({ entryHash, header, ciphertext }, index) => {
    const part = parts[index % parts.length] ?? 2;
    return {
      entryHash,
      ...(part > 0 && header !== undefined && { header }),
      ...(part > 1 && ciphertext !== undefined && { ciphertext }),
    };
  });
  const verdict = await verifyCommit(crypto, encodeCommit({ ...commit, entries }), commit.commitHash);
  if (verdict.kind !== "verified") throw new Error(verdict.reason);
  return verdict.commit;
}

const partsOf = ({ entries }: Commit): readonly number[] =>
  entries.map(({ header, ciphertext }) => (header === undefined ? 0 : ciphertext === undefined ? 1 : 2));

describe("two copies of a commit", () => {
  it("make one that has of each entry what either has, and still verifies", async () => {
    const parts = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 9 });
    await fc.assert(
      fc.asyncProperty(entryDrafts(fixture), parts, parts, async (drafts, some, others) => {
        const commit = await sealCommit(crypto, draftOf(drafts));
        const [held, brought] = [await copyOf(commit, some), await copyOf(commit, others)];
        const bytes = fillCommit(held, brought);
        // The ciphertext of a chunk is kept apart: it is taken from nobody.
        const most = drafts.map(({ entryType }) => (entryType === "attachment_chunk" ? 1 : 2));
        const expected = partsOf(held).map((part, index) =>
          Math.max(part, Math.min(most[index] ?? 2, partsOf(brought)[index] ?? 0)),
        );
        expect(bytes ?? held.bytes).toEqual((await copyOf(commit, expected)).bytes);
        expect(bytes).not.toEqual(held.bytes);
      }),
      { numRuns: runsOf(100) },
    );
  });

  it("leave out what is not wanted", async () => {
    const drafts = [0, 1].map((counter) => fixture.createDoc(counter, Uint8Array.of(counter)));
    const commit = await sealCommit(crypto, draftOf(drafts));
    const held = await copyOf(commit, [1]);
    const unwanted = commit.entries[0]?.header?.docId;
    const bytes = fillCommit(held, commit, ({ docId }) => docId !== unwanted);
    expect(bytes).toEqual((await copyOf(commit, [1, 2])).bytes);
    expect(fillCommit(held, commit, () => false)).toBeUndefined();
  });

  it("make none that is over the limit of a commit: stored, nobody could read it", async () => {
    const drafts = [0, 1].map((counter) => fixture.createDoc(counter, Uint8Array.of(counter)));
    const commit = await sealCommit(crypto, draftOf(drafts));
    const large = new Uint8Array(600 * 1024);
    const copy = (index: number): Commit => ({
      ...commit,
      entries: commit.entries.map(({ ciphertext: _, ...rest }, at) =>
        at === index ? { ...rest, ciphertext: large } : rest,
      ),
    });
    expect(fillCommit(copy(0), copy(0))).toBeUndefined();
    expect(fillCommit(copy(0), copy(1))).toBeUndefined();
    expect(fillCommit(await copyOf(commit, [1]), copy(1))).toBeDefined();
  });
});

it("tells how much of a commit is there", async () => {
  const drafts = [0, 1].map((counter) => fixture.createDoc(counter, Uint8Array.of(counter)));
  const commit = await sealCommit(crypto, draftOf(drafts));
  expect(presenceOf(commit)).toBe("whole");
  for (const parts of [[1], [1, 2], [2, 1]]) expect(presenceOf(await copyOf(commit, parts))).toBe("partial");
  for (const parts of [[0], [0, 2], [1, 0]]) expect(presenceOf(await copyOf(commit, parts))).toBe("bare");
});

it("a chunk travels apart where its writer says so: its commit is whole with the header, and small", async () => {
  const docId = bytesToId("DocId", new Uint8Array(16).fill(3));
  const [key] = fixture.keys;
  const chunk = { entryType: "attachment_chunk", docId, key, isApart: true } as const;
  const plaintexts = Array.from({ length: 16 }, (_, index) => new Uint8Array(256 * 1024).fill(index));
  const commit = await sealCommit(
    crypto,
    draftOf(
      plaintexts.map((plaintext, index) => ({
        ...chunk,
        plaintext,
        dependencies: index === 0 ? [] : [{ index: index - 1 }],
      })),
    ),
  );
  expect(commit.bytes.length).toBeLessThan(2_000);
  const verdict = await verifyCommit(crypto, commit.bytes, commit.commitHash);
  if (verdict.kind !== "verified") throw new Error(verdict.reason);
  expect(presenceOf(verdict.commit)).toBe("whole");
  expect(verdict.commit.entries.every(({ ciphertext }) => ciphertext === undefined)).toBe(true);
  expect(fillCommit(verdict.commit, commit)).toBeUndefined();
  // What travels apart opens where the header says it belongs, and nowhere else.
  const [first, second] = commit.entries;
  const put = (at: number, ciphertext: Uint8Array | undefined) => ({
    ...verdict.commit,
    entries: verdict.commit.entries.map((entry, index) =>
      index === at && ciphertext !== undefined ? { ...entry, ciphertext } : entry,
    ),
  });
  const findKey = () => key;
  expect(await openEntry(crypto, put(0, first?.ciphertext), 0, findKey)).toEqual({
    kind: "opened",
    plaintext: plaintexts[0],
  });
  expect(await openEntry(crypto, put(0, second?.ciphertext), 0, findKey)).toEqual({
    kind: "forged",
    reason: "ciphertext",
  });
});
