import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { bytesToId } from "../std/index.ts";
import type { AcceptedEntry, CatalogDoc } from "./catalog.ts";
import {
  encodeSnapshot,
  entriesBehind,
  isSnapshotDue,
  parseSnapshot,
  type LocalSnapshot,
} from "./local-snapshots.ts";

const hashOf = (n: number): string => n.toString(16).padStart(64, "0");

/** A document of entries that depend on these indexes. */
function docOf(dependencies: readonly (readonly number[])[]): CatalogDoc {
  const entries = dependencies.map((indexes, n): AcceptedEntry => ({
    position: n + 1,
    entryIndex: 0,
    entryHash: bytesToId("EntryHash", new Uint8Array(32).fill(n)),
    changeHash: hashOf(n),
    dependencies: indexes,
    entryType: n === 0 ? "doc_create" : "doc_change",
    actor: "aa",
    seq: n + 1,
    note: "",
    atMs: n,
    isEmpty: false,
  }));
  return {
    docId: bytesToId("DocId", new Uint8Array(16)),
    number: 0,
    keyId: bytesToId("KeyId", new Uint8Array(16)),
    createdBy: bytesToId("AuthorKey", new Uint8Array(32)),
    createdAtMs: 0,
    changedBy: bytesToId("AuthorKey", new Uint8Array(32)),
    changedAtMs: 0,
    entries,
    heads: [],
    isDeleted: false,
    isBranched: false,
    summary: undefined,
  };
}

/** The past of some entries, themselves included, by the definition. */
function pastOf(doc: CatalogDoc, from: readonly number[]): ReadonlySet<number> {
  const past = new Set<number>();
  const visit = (index: number): void => {
    past.add(index);
    for (const dependency of doc.entries[index]?.dependencies ?? []) visit(dependency);
  };
  for (const index of from) visit(index);
  return past;
}

const graph = fc
  .array(fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), { minLength: 0, maxLength: 11 })
  .map((picks) => [[], ...picks.map((pick, index) => [...new Set(pick.map((one) => one % (index + 1)))])]);

describe("local snapshots", () => {
  it("leave exactly what is not in the past of their heads, and fit only where the count does", () => {
    fc.assert(
      fc.property(
        graph,
        fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
        fc.integer(),
        (edges, picks, off) => {
          const doc = docOf(edges);
          const heads = picks.map((pick) => pick % doc.entries.length);
          const past = pastOf(doc, heads);
          const snapshot = { heads: heads.map(hashOf), covered: past.size };
          const behind = doc.entries.filter((_, index) => !past.has(index));
          expect([...(entriesBehind(doc, snapshot) ?? [])]).toEqual(behind);
          expect(entriesBehind(doc, { ...snapshot, covered: past.size + (off % 5 || 1) })).toBeUndefined();
          expect(
            entriesBehind(doc, { ...snapshot, heads: [...snapshot.heads, hashOf(999)] }),
          ).toBeUndefined();
        },
      ),
    );
  });

  it("are due after 64 changes, and of long documents after a share", () => {
    expect([isSnapshotDue(63, 0), isSnapshotDue(64, 0), isSnapshotDue(128, 65)]).toEqual([
      false,
      true,
      false,
    ]);
    expect([isSnapshotDue(10_311, 10_000), isSnapshotDue(10_400, 10_000)]).toEqual([false, true]);
  });

  it("keep their format", () => {
    const snapshot: LocalSnapshot = {
      heads: [hashOf(1), hashOf(2)],
      covered: 300,
      saved: Uint8Array.of(7, 8, 9),
    };
    const hex = `01ac0202${hashOf(1)}${hashOf(2)}070809`;
    expect(Buffer.from(encodeSnapshot(snapshot)).toString("hex")).toBe(hex);
    expect(parseSnapshot(Uint8Array.from(Buffer.from(hex, "hex")))).toEqual(snapshot);
    for (const refused of ["", "01", `02${hex.slice(2)}`, hex.slice(0, 60), "01ac02ffffffffff7f"])
      expect(parseSnapshot(Uint8Array.from(Buffer.from(refused, "hex")))).toBeUndefined();
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void parseSnapshot(bytes)));
  });
});
