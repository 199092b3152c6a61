import { describe, expect, it } from "vitest";
import { bytesToId, type AuthorKey, type CommitHash, type DbId } from "../std/index.ts";
import { Ledger, ledgerPageSize, type KnownCommit } from "./ledger.ts";

const author: AuthorKey = bytesToId("AuthorKey", new Uint8Array(32).fill(1));
const dbId: DbId = bytesToId("DbId", new Uint8Array(16).fill(2));

function hashOf(n: number): CommitHash {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, n);
  return bytesToId("CommitHash", bytes);
}

function row(n: number, predecessors: readonly number[] = []): KnownCommit {
  return {
    commitHash: hashOf(n),
    position: n,
    dbId,
    author,
    writerNonce: "00".repeat(16),
    writerSeq: n,
    predecessors: predecessors.map(hashOf),
    directoryHead: n % 3 === 0 ? undefined : hashOf(1000 + (n % 3)),
    role: n % 2 === 0 ? undefined : "editor",
    verdict: "waiting",
    pending: [],
    reason: "",
    refused: "",
    judgedAtMs: 0,
  };
}

const accepted = {
  verdict: "accepted",
  pending: [],
  reason: "",
  refused: "",
  atMs: 5,
} as const;

describe("ledger", () => {
  it("lists what waits and what was quarantined, also single entries of accepted commits", () => {
    const ledger = new Ledger();
    for (const n of [1, 2, 3]) ledger.add(row(n));
    expect(ledger.waiting().map((known) => known.position)).toEqual([1, 2, 3]);
    ledger.judge(hashOf(1), accepted);
    ledger.judge(hashOf(2), { ...accepted, verdict: "quarantined", reason: "actor" });
    ledger.judge(hashOf(3), { ...accepted, refused: "limit" });
    expect(ledger.waiting()).toEqual([]);
    expect(ledger.quarantined().map((known) => known.reason || known.refused)).toEqual(["actor", "limit"]);
  });

  it("counts apart what is sealed for others, and not at all what was erased by its author", () => {
    const ledger = new Ledger();
    for (const n of [1, 2, 3]) ledger.add(row(n));
    const waiting = { ...accepted, verdict: "waiting" } as const;
    ledger.judge(hashOf(1), { ...waiting, reason: "key" });
    ledger.judge(hashOf(2), { ...waiting, reason: "purged" });
    ledger.judge(hashOf(3), { ...waiting, reason: "dependency" });
    expect(ledger.counts).toEqual({ waiting: 1, sealed: 1, quarantined: 0 });
    ledger.judge(hashOf(1), accepted);
    expect(ledger.counts).toEqual({ waiting: 1, sealed: 0, quarantined: 0 });
  });

  it("keeps each author's graph of all commits, so that a cut leads through those that were refused", () => {
    const ledger = new Ledger();
    for (const n of [1, 2, 3]) ledger.add(row(n, n === 1 ? [] : [n - 1]));
    ledger.judge(hashOf(1), accepted);
    ledger.judge(hashOf(2), { ...accepted, verdict: "quarantined", reason: "actor" });
    const graph = ledger.graph(dbId, author);
    expect(graph.heads()).toEqual([hashOf(3)]);
    expect(graph.isCovered(hashOf(1), [hashOf(3)])).toBe(true);
  });

  it("knows the commits of one writer nonce, and who wrote what stands at a position", () => {
    const ledger = new Ledger();
    ledger.add(row(1));
    const twin = { ...row(2), writerSeq: 1 };
    ledger.add(twin);
    ledger.add({ ...row(3), writerNonce: "11".repeat(16) });
    expect(ledger.line(twin).map((known) => known.position)).toEqual([1, 2]);
    expect(ledger.at(2)).toBe(twin);
    expect([row(1), twin].map((known) => ledger.hasTwin(known))).toEqual([false, true]);
  });

  it("comes back from its pages, whatever their number", () => {
    const ledger = new Ledger();
    for (let n = 1; n <= ledgerPageSize + 3; n++) {
      ledger.add(row(n, n === 1 ? [] : [n - 1]));
      if (n % 5 !== 0) ledger.judge(hashOf(n), accepted);
    }
    const copy = new Ledger();
    for (let page = 0; page < ledger.pageCount; page++)
      expect(copy.loadPage(ledger.encodePage(page))).toBe(true);
    expect(copy.rows()).toEqual(ledger.rows());
    expect(copy.waiting()).toEqual(ledger.waiting());
    expect(copy.graph(dbId, author).heads()).toEqual(ledger.graph(dbId, author).heads());
  });

  it("refuses a damaged page", () => {
    const ledger = new Ledger();
    ledger.add(row(1));
    const page = ledger.encodePage(0);
    for (let end = 0; end < page.length; end++) expect(new Ledger().loadPage(page.slice(0, end))).toBe(false);
  });
});
