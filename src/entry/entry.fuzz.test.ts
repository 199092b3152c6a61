import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFixture, entryDrafts, wireCommit, wireEntry, bytesOf, hashOf } from "./entry-fixtures.ts";
import { mutationsOf } from "../std/mutate-fixtures.ts";
import { encodeCommit, openEntries, parseCommit, sealCommit, verifyCommit, type Commit } from "./index.ts";
import { runsOf } from "../std/runs-fixtures.ts";

const fixture = await createFixture("fuzz");
const { crypto, draftOf, createDoc, changeDoc, findKey, keys } = fixture;
const reasons = ["signature", "malformed", "limit", "version"];

async function sealThree(): Promise<Commit> {
  const entries = [
    createDoc(1, bytesOf(1, 40)),
    changeDoc(bytesOf(2, 20), [{ index: 0 }, hashOf(3)]),
    changeDoc(bytesOf(3, 10), [], keys[1]),
  ];
  return sealCommit(crypto, draftOf(entries));
}

describe("untrusted bytes", () => {
  it("every flipped bit of a commit is told", async () => {
    const commit = await sealThree();
    for (let bit = 0; bit < commit.bytes.length * 8; bit++) {
      const bytes = commit.bytes.slice();
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const verdict = await verifyCommit(crypto, bytes);
      expect(verdict.kind === "forged" && reasons.includes(verdict.reason)).toBe(true);
    }
  });

  it("every flipped bit of a partial commit is told, too", async () => {
    const commit = await sealThree();
    const [first, second, third] = commit.entries;
    if (first === undefined || second?.header === undefined || third === undefined)
      throw new Error("three entries");
    const entries = [
      { entryHash: first.entryHash },
      { entryHash: second.entryHash, header: second.header },
      third,
    ];
    const whole = encodeCommit({ ...commit, entries });
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const bytes = whole.slice();
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect((await verifyCommit(crypto, bytes)).kind).toBe("forged");
    }
  });

  it("a commit cut at any byte, or with a byte more, is told", async () => {
    const { bytes } = await sealThree();
    for (let size = 0; size < bytes.length; size++) {
      expect(parseCommit(crypto, bytes.subarray(0, size)).kind).toBe("forged");
    }
    for (let byte = 0; byte < 256; byte += 85) {
      expect(parseCommit(crypto, new Uint8Array([...bytes, byte])).kind).toBe("forged");
    }
  });

  it("any bytes get a verdict, and what parses has one form", () => {
    const given = fc.oneof(
      fc.uint8Array({ maxLength: 2000 }),
      fc.uint8Array({ maxLength: 1000 }).map((bytes) => new Uint8Array([1, 1, ...bytes])),
      mutationsOf(
        wireCommit(),
        wireCommit({
          entries: [wireEntry(), wireEntry({ inner: [0] }), wireEntry({ presence: 2, rest: bytesOf(1, 32) })],
        }),
      ),
    );
    fc.assert(
      fc.property(given, (bytes) => {
        const verdict = parseCommit(crypto, bytes);
        if (verdict.kind === "verified") expect(encodeCommit(verdict.commit)).toEqual(bytes);
        else expect(reasons).toContain(verdict.reason);
      }),
      { numRuns: runsOf(3000) },
    );
  });

  it("mutated commits never verify, and what parses never opens to other plaintext", async () => {
    await fc.assert(
      fc.asyncProperty(
        entryDrafts(fixture).chain((entries) =>
          fc.tuple(fc.constant(entries), fc.nat(), fc.integer({ min: 1, max: 255 })),
        ),
        async ([entries, position, change]) => {
          const commit = await sealCommit(crypto, draftOf(entries));
          const bytes = commit.bytes.slice();
          const at = position % bytes.length;
          bytes[at] = (bytes[at] ?? 0) ^ change;
          expect((await verifyCommit(crypto, bytes)).kind).toBe("forged");
          const parsed = parseCommit(crypto, bytes);
          if (parsed.kind === "forged") return;
          const plaintexts = new Set(entries.map(({ plaintext }) => plaintext.join()));
          for (const verdict of await openEntries(crypto, parsed.commit, findKey)) {
            if (verdict.kind === "opened") expect(plaintexts).toContain(verdict.plaintext.join());
          }
        },
      ),
      { numRuns: runsOf(150) },
    );
  });

  it("counts that lie take neither time nor memory", () => {
    const lies = [
      wireCommit({ entryCount: 256 }),
      wireCommit({ entryCount: 65_535 }),
      wireCommit({ entries: [wireEntry({ size: 2 ** 40 })] }),
      wireCommit({ entries: [wireEntry({ size: Number.MAX_SAFE_INTEGER })] }),
    ];
    for (const bytes of lies) expect(parseCommit(crypto, bytes).kind).toBe("forged");
  });
});
