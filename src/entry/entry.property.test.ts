import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesToId, type CommitHash } from "../std/index.ts";
import { createFixture, entryDrafts } from "./entry-fixtures.ts";
import {
  encodeCommit,
  openEntries,
  parseCommit,
  sealCommit,
  verifyCommit,
  type CommitEntry,
} from "./index.ts";
import { runsOf } from "../std/runs-fixtures.ts";

const fixture = await createFixture("property");
const { crypto, draftOf, findKey } = fixture;

const commitHashes: fc.Arbitrary<readonly CommitHash[]> = fc
  .array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 5 })
  .map((list) => list.map((bytes) => bytesToId("CommitHash", bytes)));

describe("any draft", () => {
  it("is sealed, verified and opened to what it was, in one form only", async () => {
    await fc.assert(
      fc.asyncProperty(
        entryDrafts(fixture),
        commitHashes,
        fc.nat(),
        async (entries, predecessors, createdAtMs) => {
          const commit = await sealCommit(crypto, draftOf(entries, { predecessors, createdAtMs }));
          const verdict = await verifyCommit(crypto, commit.bytes);
          expect(verdict).toEqual({ kind: "verified", commit });
          expect(parseCommit(crypto, commit.bytes)).toEqual(verdict);
          expect(encodeCommit(commit)).toEqual(commit.bytes);
          expect(commit.entries.map(({ header }) => header?.entryType)).toEqual(
            entries.map(({ entryType }) => entryType),
          );
          expect(commit.entries.map(({ header }) => header?.docId)).toEqual(
            entries.map(({ docId }) => docId),
          );
          const opened = await openEntries(crypto, commit, findKey);
          expect(opened).toEqual(entries.map(({ plaintext }) => ({ kind: "opened", plaintext })));
        },
      ),
      { numRuns: runsOf(100) },
    );
  });

  it("stays the same commit with any part of its entries absent", async () => {
    const presences = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 12, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(entryDrafts(fixture), presences, async (entries, chosen) => {
        const commit = await sealCommit(crypto, draftOf(entries));
        const present = commit.entries.map(({ entryHash, header, ciphertext }, i): CommitEntry => {
          if (chosen[i] === 0 || header === undefined) return { entryHash };
          return chosen[i] === 1 || ciphertext === undefined
            ? { entryHash, header }
            : { entryHash, header, ciphertext };
        });
        const bytes = encodeCommit({ ...commit, entries: present });
        const verdict = await verifyCommit(crypto, bytes, commit.commitHash);
        expect(verdict).toEqual({ kind: "verified", commit: { ...commit, entries: present, bytes } });
        const opened = await openEntries(crypto, { ...commit, entries: present }, findKey);
        const expected = entries.map(({ plaintext }, i) =>
          chosen[i] === 2 ? { kind: "opened", plaintext } : { kind: "absent" },
        );
        expect(opened).toEqual(expected);
      }),
      { numRuns: runsOf(60) },
    );
  });
});
