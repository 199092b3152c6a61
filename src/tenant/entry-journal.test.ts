import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { bytesToId, type DocId } from "../std/index.ts";
import type { AcceptedEntry } from "./catalog.ts";
import { chunkLength, EntryJournal, type ActorsAt } from "./entry-journal.ts";
import vectors from "./entry-journal.vectors.json" with { type: "json" };
import { runsOf } from "../std/runs-fixtures.ts";

function entryOf(n: number, over: Partial<AcceptedEntry> = {}): AcceptedEntry {
  // A commit has three entries.
  const commit = Math.floor(n / 3);
  return {
    position: commit,
    entryIndex: n % 256,
    entryHash: bytesToId("EntryHash", new Uint8Array(32).fill(n & 255)),
    changeHash: n.toString(16).padStart(64, "0"),
    dependencies: [],
    entryType: "doc_change",
    actor: "0a".repeat(16),
    seq: n + 1,
    note: "",
    atMs: 1_700_000_000_000 + commit,
    isEmpty: false,
    ...over,
  };
}

function docIdOf(number: number): DocId {
  return bytesToId("DocId", new Uint8Array(16).fill(number & 255));
}

/** What the writer of a commit is called in a document. Nobody knows the commit of position 77,777. */
const actorsAt: ActorsAt = (position) =>
  position === 77_777
    ? undefined
    : (docId) => Buffer.from(`${position}:${docId}`).toString("hex").slice(0, 64);

/** Documents as a catalog holds them, with what happens to them. */
function createWorld() {
  const journal = new EntryJournal(actorsAt);
  const docs = new Map<number, AcceptedEntry[]>();
  let count = 0;
  return {
    journal,
    docs,
    add(number: number): void {
      const entries = docs.get(number) ?? [];
      docs.set(number, entries);
      const last = entries.length - 1;
      const dependencies = last < 0 ? [] : [...new Set([last, count % (last + 1)])];
      const entry = entryOf(count++, { dependencies, note: count % 7 === 0 ? "{}" : "" });
      // Every fifth is by an actor of a form of its own.
      const derived = actorsAt(entry.position)?.(docIdOf(number)) ?? "";
      entries.push(
        count % 5 === 0 ? { ...entry, actor: `13b22309${derived.slice(8)}` } : { ...entry, actor: derived },
      );
      journal.add({ number, docId: docIdOf(number), entries });
    },
    /** Leave the first `kept` entries. */
    cut(number: number, kept: number): void {
      const before = docs.get(number) ?? [];
      const entries = before.slice(0, kept).map((entry) => ({ ...entry, dependencies: [] }));
      if (entries.length === before.length) return;
      journal.restart({ number, docId: docIdOf(number), entries }, before.length);
      if (entries.length === 0) docs.delete(number);
      else docs.set(number, entries);
    },
  };
}

/** The chunks as a store would hold them, kept up to date by what the journal calls dirty. */
function createShelf() {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  return {
    chunks,
    take(journal: EntryJournal): number {
      const dirty = journal.takeDirty();
      for (const { chunk, bytes } of dirty) chunks[chunk] = bytes;
      chunks.length = journal.chunkCount;
      return dirty.length;
    },
  };
}

const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant("add" as const), number: fc.nat(5) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("cut" as const), number: fc.nat(5), kept: fc.nat(9) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("flush" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reopen" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("many" as const), number: fc.nat(5) }) },
);

describe("the journal of entries", () => {
  it("gives back the entries of every document, through any edits, withdrawals, flushes and reopenings", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let world = createWorld();
        const shelf = createShelf();
        for (const one of steps) {
          if (one.do === "add") world.add(one.number);
          if (one.do === "many") for (let i = 0; i < chunkLength; i++) world.add(one.number);
          if (one.do === "cut") world.cut(one.number, one.kept);
          if (one.do === "flush") shelf.take(world.journal);
          if (one.do === "reopen") {
            shelf.take(world.journal);
            const next = createWorld();
            const numbers = Math.max(-1, ...world.docs.keys()) + 1;
            expect(next.journal.load([...shelf.chunks], numbers)).toBe(true);
            for (const [number, entries] of world.docs) {
              expect(next.journal.loadedCount(number)).toBe(entries.length);
              const decoded = next.journal.decode(number, docIdOf(number));
              expect(decoded).toEqual(entries);
              next.docs.set(number, decoded);
            }
            world = next;
          }
        }
      }),
      { numRuns: runsOf(60) },
    );
  });

  it("writes the last chunk alone for an edit, however long the history is", () => {
    const world = createWorld();
    const shelf = createShelf();
    for (let i = 0; i < 10 * chunkLength + 5; i++) world.add(0);
    expect(shelf.take(world.journal)).toBe(11);
    expect(shelf.take(world.journal)).toBe(0);
    world.add(0);
    expect(shelf.take(world.journal)).toBe(1);
    const back = new EntryJournal(actorsAt);
    expect(back.load(shelf.chunks, 1)).toBe(true);
    expect(back.takeDirty()).toEqual([]);
    back.add({ number: 0, docId: docIdOf(0), entries: [...back.decode(0, docIdOf(0)), entryOf(9)] });
    expect(back.takeDirty().map(({ chunk }) => chunk)).toEqual([10]);
  });

  it("begins anew when most of it is void", () => {
    const world = createWorld();
    for (let i = 0; i < chunkLength; i++) world.add(0);
    world.add(1);
    expect(world.journal.isWasteful).toBe(false);
    for (let i = 0; i < 3 * chunkLength; i++) {
      world.add(2);
      world.cut(2, 0);
    }
    expect(world.journal.isWasteful).toBe(true);
    world.journal.rewrite(
      [...world.docs].map(([number, entries]) => ({ number, docId: docIdOf(number), entries })),
    );
    expect(world.journal.chunkCount).toBe(2);
    const shelf = createShelf();
    shelf.take(world.journal);
    const back = new EntryJournal(actorsAt);
    expect(back.load(shelf.chunks, 3)).toBe(true);
    for (const [number, entries] of world.docs) expect(back.decode(number, docIdOf(number))).toEqual(entries);
  });

  it("keeps no byte of an actor that can be derived, and takes no chunk whose commits are not known", () => {
    const bytesOf = (actor: string, position: number): Uint8Array<ArrayBuffer> => {
      const journal = new EntryJournal((at) => (at === 77_777 ? () => "0b".repeat(16) : actorsAt(at)));
      const [docId, entries] = [docIdOf(0), [entryOf(0, { position, actor })]];
      journal.add({ number: 0, docId, entries });
      return journal.takeDirty()[0]?.bytes ?? new Uint8Array();
    };
    const explicit = bytesOf("0a".repeat(16), 77_777);
    const derived = bytesOf("0b".repeat(16), 77_777);
    expect(explicit.length - derived.length).toBe(16);
    for (const bytes of [explicit, derived]) expect(new EntryJournal(actorsAt).load([bytes], 1)).toBe(false);
  });

  it("keeps its format", () => {
    const journal = new EntryJournal(actorsAt);
    const first = entryOf(1, { entryType: "doc_create", seq: 1 });
    const second = entryOf(2, { dependencies: [0], note: '{"branch":"b"}', isEmpty: true });
    const [third, fourth] = [docIdOf(3), docIdOf(4)];
    const derived = entryOf(5, { entryType: "doc_create", actor: actorsAt(1)?.(fourth) ?? "" });
    journal.add({ number: 3, docId: third, entries: [first] });
    journal.add({ number: 3, docId: third, entries: [first, second] });
    journal.add({ number: 4, docId: fourth, entries: [derived] });
    const [chunk] = journal.takeDirty();
    expect(Buffer.from(chunk?.bytes ?? []).toString("hex")).toBe(vectors.chunk);
    const back = new EntryJournal(actorsAt);
    expect(back.load([Uint8Array.from(Buffer.from(vectors.chunk, "hex"))], 5)).toBe(true);
    expect(back.decode(3, third)).toEqual([first, second]);
    expect(back.decode(4, fourth)).toEqual([derived]);
  });

  it("refuses chunks of another form, and never throws", () => {
    const sound = Uint8Array.from(Buffer.from(vectors.chunk, "hex"));
    const load = (bytes: Uint8Array<ArrayBuffer>): boolean => new EntryJournal().load([bytes], 5);
    expect(load(sound)).toBe(true);
    for (const hex of vectors.refused) expect(load(Uint8Array.from(Buffer.from(hex, "hex")))).toBe(false);
    expect(new EntryJournal().load([sound, sound], 5)).toBe(false);
    expect(new EntryJournal().load([sound], 1e9)).toBe(false);
    fc.assert(
      fc.property(fc.nat(sound.length), fc.nat(sound.length - 1), fc.nat(255), (end, at, byte) => {
        const changed = sound.slice(0, end);
        if (at < changed.length) changed[at] = byte;
        expect(typeof load(changed)).toBe("boolean");
      }),
    );
  });
});
