/**
 * Whatever happens to a catalog, followers of its rows stand where a fresh scan stands, and every delta fits onto what they had.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesToId, type Env, type Release } from "../std/index.ts";
import { eq, value } from "../expr/index.ts";
import { Catalog } from "./catalog.ts";
import { RowFeeds, type Row, type RowDelta, type RowFollower } from "./row-feed.ts";
import { compileShape, type CompiledShape } from "./shape.ts";

const author = bytesToId("AuthorKey", new Uint8Array(32).fill(7));
const keyId = bytesToId("KeyId", new Uint8Array(16).fill(3));
const docIdOf = (n: number) => bytesToId("DocId", new Uint8Array(16).fill(n + 1));
const hashOf = (n: number): string => n.toString(16).padStart(64, "0");
const entryHashOf = (n: number) =>
  bytesToId("EntryHash", new Uint8Array(32).fill(n & 255).fill(n >> 8, 0, 1));

/** A clock that stands until it is moved, and its timers. */
class Clock {
  nowMs = 0;
  readonly #timers = new Map<object, { atMs: number; run: () => void }>();

  get env(): Env {
    const setTimer = (afterMs: number, run: () => void): Release => {
      const key = {};
      this.#timers.set(key, { atMs: this.nowMs + afterMs, run });
      return () => void this.#timers.delete(key);
    };
    return { monotonicMs: () => this.nowMs, setTimer } as unknown as Env;
  }

  advance(byMs: number): void {
    this.nowMs += byMs;
    for (const [key, timer] of this.#timers) {
      if (timer.atMs > this.nowMs) continue;
      this.#timers.delete(key);
      timer.run();
    }
  }
}

/** Believes what it is told, and checks that it can be told so. */
class Believer implements RowFollower {
  readonly rows = new Map<string, Row>();
  readonly batches: (readonly RowDelta[])[] = [];
  isStarted = false;

  start(rows: readonly Row[]): void {
    expect(this.isStarted).toBe(false);
    this.isStarted = true;
    expect(rows.map(({ number }) => number)).toEqual(
      rows.map(({ number }) => number).toSorted((one, other) => one - other),
    );
    for (const row of rows) this.rows.set(row.docId, row);
  }

  apply(deltas: readonly RowDelta[]): void {
    expect(this.isStarted).toBe(true);
    expect(new Set(deltas.map(({ docId }) => docId)).size).toBe(deltas.length);
    this.batches.push(deltas);
    for (const { docId, before, after } of deltas) {
      expect(before).toBe(this.rows.get(docId));
      expect(after).not.toEqual(before);
      if (after === undefined) this.rows.delete(docId);
      else this.rows.set(docId, after);
    }
  }

  stop(): void {
    expect(this.isStarted).toBe(true);
    this.isStarted = false;
    this.rows.clear();
  }
}

/** The dull twin: what an application sees of a catalog, by looking at all of it. */
function scan(catalog: Catalog, shape: CompiledShape | undefined): readonly Row[] {
  const rows: Row[] = [];
  for (const doc of catalog.values()) {
    if (doc.isDeleted || doc.summary === undefined) continue;
    rows.push({
      docId: doc.docId,
      number: doc.number,
      value: shape?.readSummary(doc.summary) ?? doc.summary.value,
      isWhole: doc.summary.isWhole,
      author: doc.changedBy,
      createdAtMs: doc.createdAtMs,
      changedAtMs: doc.changedAtMs,
    });
  }
  return rows;
}

const shape = compileShape({
  version: 1,
  defaults: { tags: "none" },
  migrations: [{ to: 1, set: { isOdd: eq("n", value(1)) } }],
});

const step = fc.record({
  kind: fc.constantFrom(
    ...(["create", "create", "edit", "edit", "merge", "delete", "revive", "withdraw", "purge"] as const),
    ...(["read", "read", "branch", "pass", "pass", "follow", "leave", "lock", "reload"] as const),
  ),
  doc: fc.nat(5),
  back: fc.nat(3),
  n: fc.nat(3),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class World {
  readonly clock = new Clock();
  readonly feeds = new RowFeeds(this.clock.env);
  readonly source = { catalog: new Catalog() };
  readonly believers: { believer: Believer; shape: CompiledShape | undefined; release: Release }[] = [];
  #hash = 0;

  accept(entryType: "doc_create" | "doc_change" | "doc_delete", step: Step, dependencies: string[]): void {
    this.#hash += 1;
    this.source.catalog.accept({
      docId: docIdOf(step.doc),
      keyId,
      author,
      atMs: this.#hash,
      entryType,
      position: this.#hash,
      entryIndex: 0,
      entryHash: entryHashOf(this.#hash),
      changeHash: hashOf(this.#hash),
      dependencyHashes: dependencies,
      actor: hashOf(this.#hash).slice(32),
      seq: 1,
      note: step.kind === "branch" ? '{"branch":"b"}' : "",
      isEmpty: false,
    });
  }

  run(step: Step): void {
    const { catalog } = this.source;
    const docId = docIdOf(step.doc);
    const doc = catalog.get(docId);
    const back = doc?.entries.at(-1 - step.back)?.changeHash;
    switch (step.kind) {
      case "create":
        return doc === undefined ? this.accept("doc_create", step, []) : undefined;
      case "edit":
      case "branch":
        // Upon an older state where there is one: concurrent to what came since.
        return back === undefined ? undefined : this.accept("doc_change", step, [back]);
      case "merge":
      case "revive":
        return doc === undefined ? undefined : this.accept("doc_change", step, doc.heads);
      case "delete":
        return doc === undefined ? undefined : this.accept("doc_delete", step, doc.heads);
      case "withdraw": {
        const entry = doc?.entries.at(-1 - step.back);
        if (entry !== undefined) catalog.withdraw(docId, new Set([entry.entryHash]));
        return;
      }
      case "purge":
        catalog.withdraw(docId, new Set(doc?.entries.map(({ entryHash }) => entryHash)));
        return;
      case "read":
        // The summary came, or the key.
        return catalog.setSummary(docId, { value: { n: step.n }, isWhole: step.back > 0 });
      case "pass":
        return this.clock.advance(step.n * 8);
      case "follow": {
        const chosen = step.n % 2 === 0 ? undefined : shape;
        const believer = new Believer();
        const release = this.feeds.follow(this.source, chosen, believer);
        this.believers.push({ believer, shape: chosen, release });
        return this.agree(chosen);
      }
      case "leave":
        return this.believers.splice(step.n, 1)[0]?.release();
      case "lock":
        this.feeds.stop();
        for (const { believer } of this.believers) expect(believer.isStarted).toBe(false);
        this.source.catalog = new Catalog();
        return this.feeds.start();
      case "reload":
        return this.feeds.flush();
    }
  }

  /** Whoever follows one feed stands at one state; asked for anew, it is that of a scan. */
  agree(chosen: CompiledShape | undefined): void {
    const expected = scan(this.source.catalog, chosen);
    for (const { believer, shape: own } of this.believers) {
      if (own !== chosen) continue;
      const found = [...believer.rows.values()].toSorted((one, other) => one.number - other.number);
      expect(found).toEqual(expected);
    }
  }
}

describe("the row feed", () => {
  it("keeps its followers where a fresh scan stands, whatever happens to the catalog", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const world = new World();
        world.run({ kind: "follow", doc: 0, back: 0, n: 0 });
        world.run({ kind: "follow", doc: 0, back: 0, n: 1 });
        for (const one of steps) {
          world.run(one);
          if (one.kind === "reload") for (const chosen of [undefined, shape]) world.agree(chosen);
        }
        // Everything is told within a frame: nobody has to ask.
        world.clock.advance(16);
        for (const chosen of [undefined, shape]) world.agree(chosen);
      }),
      { numRuns: Number(process.env["COFFER_RUNS"] ?? 300) },
    );
  });

  it("tells a first change at once, and at most one batch in a frame", () => {
    const world = new World();
    const at = { doc: 0, back: 0, n: 0 };
    world.run({ kind: "follow", ...at });
    const [first] = world.believers;
    world.run({ kind: "create", ...at });
    world.run({ kind: "read", ...at });
    world.clock.advance(0);
    expect(first?.believer.batches.map((batch) => batch.length)).toEqual([1]);
    for (let n = 1; n <= 15; n++) {
      world.run({ kind: "read", ...at, n });
      world.clock.advance(1);
    }
    expect(first?.believer.batches).toHaveLength(1);
    world.clock.advance(1);
    expect(first?.believer.batches).toHaveLength(2);
    expect(first?.believer.batches.at(-1)?.[0]?.after?.value).toEqual({ n: 15 });
  });

  it("tells what is whole in the turn in which it is told so, unless followers are at rest", async () => {
    const world = new World();
    const at = { doc: 0, back: 0, n: 1 };
    world.run({ kind: "follow", ...at, n: 0 });
    const { believer } = world.believers[0] ?? expect.unreachable();
    world.feeds.hurry();
    world.run({ kind: "create", ...at });
    world.run({ kind: "read", ...at });
    world.feeds.hurry();
    // Whoever writes is done first.
    expect(believer.batches).toHaveLength(0);
    await Promise.resolve();
    expect(believer.batches).toHaveLength(1);
    world.run({ kind: "read", ...at, n: 2 });
    world.feeds.hurry();
    await Promise.resolve();
    expect(believer.batches).toHaveLength(1);
    world.clock.advance(16);
    expect(believer.batches).toHaveLength(2);
    world.clock.advance(16);
    world.run({ kind: "read", ...at, n: 3 });
    world.feeds.hurry();
    world.feeds.stop();
    await Promise.resolve();
    expect(believer.batches).toHaveLength(2);
  });

  it("tells nothing of what did not change, and nothing to who left", () => {
    const world = new World();
    const at = { doc: 0, back: 1, n: 2 };
    world.run({ kind: "follow", ...at });
    world.run({ kind: "create", ...at });
    world.clock.advance(20);
    const { believer, release } = world.believers[0] ?? expect.unreachable();
    // Without its key a document has no row.
    expect(believer.batches).toEqual([]);
    const summary = { value: { n: 1 }, isWhole: true };
    world.source.catalog.setSummary(docIdOf(0), summary);
    world.clock.advance(20);
    world.source.catalog.setSummary(docIdOf(0), { ...summary });
    world.clock.advance(20);
    // Read again, from a page that is kept say, it is another object.
    world.source.catalog.setSummary(docIdOf(0), { value: { n: 1 }, isWhole: true });
    world.source.catalog.touch(docIdOf(0));
    world.clock.advance(20);
    expect(believer.batches).toHaveLength(1);
    release();
    world.source.catalog.setSummary(docIdOf(0), { value: { n: 2 }, isWhole: true });
    world.clock.advance(20);
    expect(believer.batches).toHaveLength(1);
  });
});
