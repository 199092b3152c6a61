import { describe, expect, it } from "vitest";
import { bytesToId, type CommitHash } from "../std/index.ts";
import { Gaps } from "./gaps.ts";
import type { KnownCommit } from "./ledger.ts";

const idOf = (number: number): CommitHash => {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytesToId("CommitHash", bytes);
};
const rowOf = (number: number, ...before: readonly number[]): KnownCommit => ({
  commitHash: idOf(number),
  position: number,
  dbId: bytesToId("DbId", new Uint8Array(16)),
  author: bytesToId("AuthorKey", new Uint8Array(32)),
  writerNonce: "",
  writerSeq: number,
  predecessors: before.map((one) => idOf(one)),
  directoryHead: undefined,
  role: "author",
  verdict: "accepted",
  pending: [],
  reason: "",
  refused: "",
  judgedAtMs: 0,
});

/** A ledger that holds some commits. */
function ledgerOf(...rows: readonly KnownCommit[]) {
  const known = new Map(rows.map((row) => [row.commitHash, row]));
  return { known, find: (hash: CommitHash) => known.get(hash) };
}

describe("a commit that follows what is not here", () => {
  it("is told of once all was shown long enough after it came", () => {
    const [gaps, row] = [new Gaps(), rowOf(3, 2)];
    const ledger = ledgerOf(rowOf(1), row);
    gaps.note(ledger, row, 1000);
    expect(gaps.complete(ledger, 30_999)).toEqual([]);
    expect(gaps.complete(ledger, 31_000)).toEqual([row]);
    expect(gaps.complete(ledger, 99_000)).toEqual([]);
  });

  it("is nothing once that came, and nothing where all is here", () => {
    const gaps = new Gaps();
    const [two, three] = [rowOf(2, 1), rowOf(3, 2)];
    const ledger = ledgerOf(rowOf(1), three);
    gaps.note(ledger, three, 0);
    ledger.known.set(two.commitHash, two);
    gaps.note(ledger, two, 0);
    expect(gaps.complete(ledger, 99_000)).toEqual([]);
  });

  it("is kept of so many and no more", () => {
    const gaps = new Gaps();
    const ledger = ledgerOf();
    for (let number = 1; number < 1000; number++) gaps.note(ledger, rowOf(number, number + 5000), 0);
    expect(gaps.complete(ledger, 99_000)).toHaveLength(256);
  });
});
