import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { bytesToId, type AuthorKey, type DocId, type EntryHash, type KeyId } from "../std/index.ts";
import {
  Catalog,
  catalogPageSize,
  type AcceptedEntry,
  type CatalogDoc,
  type DocumentEntryType,
} from "./catalog.ts";
import { isDeleted } from "./doc-fold.ts";
import { encodeCatalogPage, parseCatalogPage } from "./catalog-codec.ts";

const author: AuthorKey = bytesToId("AuthorKey", new Uint8Array(32).fill(7));
const keyId: KeyId = bytesToId("KeyId", new Uint8Array(16).fill(3));
const docIdOf = (n: number): DocId => bytesToId("DocId", new Uint8Array(16).fill(n & 255).fill(n >> 8, 0, 1));
const hashOf = (n: number): string => n.toString(16).padStart(64, "0");
const entryHashOf = (n: number): EntryHash => bytesToId("EntryHash", new Uint8Array(32).fill(n));

function accept(
  catalog: Catalog,
  entry: { doc?: number; hash: number; deps?: number[]; type?: DocumentEntryType; atMs?: number },
): void {
  catalog.accept({
    docId: docIdOf(entry.doc ?? 1),
    keyId,
    author,
    atMs: entry.atMs ?? entry.hash,
    entryType: entry.type ?? (entry.deps === undefined ? "doc_create" : "doc_change"),
    position: entry.hash,
    entryIndex: 0,
    entryHash: entryHashOf(entry.hash),
    changeHash: hashOf(entry.hash),
    dependencyHashes: (entry.deps ?? []).map(hashOf),
    actor: hashOf(entry.hash).slice(32),
    seq: 1,
    note: "",
    isEmpty: false,
  });
}

describe("catalog", () => {
  it("keeps the changes that nothing depends on as heads", () => {
    const catalog = new Catalog();
    accept(catalog, { hash: 1 });
    accept(catalog, { hash: 2, deps: [1] });
    accept(catalog, { hash: 3, deps: [1] });
    expect(catalog.get(docIdOf(1))?.heads).toEqual([hashOf(2), hashOf(3)]);
    accept(catalog, { hash: 4, deps: [2, 3] });
    expect(catalog.get(docIdOf(1))?.heads).toEqual([hashOf(4)]);
  });

  it("refuses a first entry that creates nothing, and a change whose past is not here", () => {
    const catalog = new Catalog();
    expect(() => accept(catalog, { hash: 2, deps: [1] })).toThrow("C1");
    accept(catalog, { hash: 1 });
    expect(() => accept(catalog, { hash: 3, deps: [9] })).toThrow("C1");
  });

  it("deletes a document until a change follows every deletion", () => {
    const catalog = new Catalog();
    accept(catalog, { hash: 1 });
    accept(catalog, { hash: 2, deps: [1], type: "doc_delete" });
    expect(catalog.get(docIdOf(1))?.isDeleted).toBe(true);
    expect(catalog.livingCount).toBe(0);
    // A change made elsewhere at the same time does not undo the deletion.
    accept(catalog, { hash: 3, deps: [1] });
    expect(catalog.get(docIdOf(1))?.isDeleted).toBe(true);
    accept(catalog, { hash: 4, deps: [2, 3] });
    expect(catalog.get(docIdOf(1))?.isDeleted).toBe(false);
  });

  it("agrees with the plain definition of deleted for any history", () => {
    const history = fc.array(
      fc.record({ isDelete: fc.boolean(), back: fc.array(fc.nat(4), { minLength: 1, maxLength: 3 }) }),
      {
        maxLength: 12,
      },
    );
    fc.assert(
      fc.property(history, (steps) => {
        const catalog = new Catalog();
        accept(catalog, { hash: 1 });
        steps.forEach((step, i) => {
          const deps = [...new Set(step.back.map((back) => Math.max(1, i + 1 - back)))];
          accept(catalog, { hash: i + 2, deps, type: step.isDelete ? "doc_delete" : "doc_change" });
        });
        const doc = catalog.get(docIdOf(1));
        expect(doc?.isDeleted).toBe(isDeletedPlainly(doc?.entries ?? []));
        expect(doc?.isDeleted).toBe(isDeleted(doc?.entries ?? []));
      }),
    );
  });

  it("takes entries out with all that depend on them, as if they had never come", () => {
    const history = fc.array(
      fc.record({ isDelete: fc.boolean(), back: fc.array(fc.nat(4), { minLength: 1, maxLength: 3 }) }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(history, fc.nat(12), (steps, victim) => {
        const whole = new Catalog();
        const without = new Catalog();
        const gone = new Set<number>();
        const add = (hash: number, deps: number[] | undefined, isDelete: boolean): void => {
          const entry = {
            hash,
            ...(deps === undefined ? {} : { deps }),
            ...(isDelete ? { type: "doc_delete" as const } : {}),
          };
          accept(whole, entry);
          if (hash === victim + 1 || (deps ?? []).some((dep) => gone.has(dep))) gone.add(hash);
          else accept(without, entry);
        };
        add(1, undefined, false);
        steps.forEach((step, i) => {
          add(i + 2, [...new Set(step.back.map((back) => Math.max(1, i + 1 - back)))], step.isDelete);
        });
        const withdrawn = whole.withdraw(docIdOf(1), new Set([entryHashOf(victim + 1)]));
        expect(new Set(withdrawn.map(({ position }) => position))).toEqual(gone);
        const [left, expected] = [whole, without].map((catalog) => catalog.get(docIdOf(1)));
        expect(left?.entries).toEqual(expected?.entries);
        expect(left?.heads).toEqual(expected?.heads);
        expect(left?.isDeleted).toBe(expected?.isDeleted);
        expect(whole.page(0).length).toBe(without.size);
      }),
    );
  });

  it("fills pages in order and marks only what changed", () => {
    const catalog = new Catalog();
    for (let i = 0; i < catalogPageSize + 1; i++) accept(catalog, { doc: i, hash: i + 1 });
    expect(catalog.pageCount).toBe(2);
    catalog.markClean();
    accept(catalog, { doc: 0, hash: 5000, deps: [1] });
    expect(catalog.dirtyPages()).toEqual([0]);
  });
});

/** The definition, word for word: some deletion has no change after it. */
function isDeletedPlainly(entries: readonly AcceptedEntry[]): boolean {
  const reaches = (from: number, to: number): boolean =>
    (entries[from]?.dependencies ?? []).some((dependency) => dependency === to || reaches(dependency, to));
  return entries.some(
    (entry, i) =>
      entry.entryType === "doc_delete" &&
      !entries.some((other, j) => other.entryType === "doc_change" && reaches(j, i)),
  );
}

describe("catalog pages", () => {
  const scalar = fc.oneof(
    fc.string(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array({ maxLength: 8 }),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: "small" },
      scalar,
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(fc.string(), tie("tree"), { maxKeys: 4 }),
    ),
  }));

  it("gives back any document value", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), tree, { maxKeys: 5 }), (value) => {
        const catalog = new Catalog();
        accept(catalog, { hash: 1 });
        catalog.setSummary(docIdOf(1), { value: value as never, isWhole: true });
        const back = reload(catalog).get(docIdOf(1))?.summary?.value;
        expect(normalize(back)).toEqual(normalize(value));
      }),
    );
  });

  it("gives back documents with entries, heads and summaries", () => {
    const catalog = new Catalog();
    accept(catalog, { hash: 1 });
    accept(catalog, { hash: 2, deps: [1] });
    accept(catalog, { hash: 3, deps: [1], type: "doc_delete" });
    accept(catalog, { doc: 2, hash: 4 });
    catalog.setSummary(docIdOf(1), { value: { name: "Ada" }, isWhole: false });
    const back = reload(catalog);
    expect([...back.values()].map(plainDoc)).toEqual([...catalog.values()].map(plainDoc));
    expect(back.unread()).toEqual([docIdOf(2)]);
    expect(back.livingCount).toBe(catalog.livingCount);
    expect([back.dirtyPages(), back.takeDirtyChunks()]).toEqual([[], []]);
  });

  it("judges any bytes without throwing", () => {
    const catalog = new Catalog();
    accept(catalog, { hash: 1 });
    catalog.setSummary(docIdOf(1), { value: { name: "Ada", born: new Date(5) }, isWhole: true });
    const page = encodeCatalogPage(catalog.page(0), () => true);
    fc.assert(
      fc.property(fc.nat(page.length - 1), fc.nat(255), fc.nat(page.length), (at, byte, end) => {
        const changed = page.slice(0, end);
        if (at < changed.length) changed[at] = byte;
        parseCatalogPage(changed);
      }),
    );
    expect(parseCatalogPage(new Uint8Array(0))).toBeUndefined();
  });
});

/** A catalog put back from what is kept of another one. */
function reload(catalog: Catalog): Catalog {
  const pages = Array.from({ length: catalog.pageCount }, (_, page) => {
    const bytes = encodeCatalogPage(catalog.page(page), (docId) => catalog.isRead(docId));
    return parseCatalogPage(bytes) ?? [];
  });
  catalog.journal.markAllDirty();
  const back = new Catalog();
  const chunks = catalog.takeDirtyChunks().map(({ bytes }) => bytes);
  expect(back.load(pages)?.(chunks)).toBe(true);
  back.markClean();
  return back;
}

function plainDoc({ docId, keyId, entries, heads, isDeleted, isBranched, summary, ...rest }: CatalogDoc) {
  const { createdBy, createdAtMs, changedBy, changedAtMs } = rest;
  const names = { docId, keyId, createdBy, createdAtMs, changedBy, changedAtMs };
  return { ...names, entries, heads, isDeleted, isBranched, summary };
}

/** Objects made by parsing and by the generator differ in prototypes only. */
function normalize(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (value instanceof Uint8Array) return [...value, "bytes"];
  if (Array.isArray(value)) return value.map(normalize);
  return new Map(Object.entries(value).map(([key, inner]) => [key, normalize(inner)]));
}
