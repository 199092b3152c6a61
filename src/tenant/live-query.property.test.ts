/** A live query kept up to date by deltas shows what the same query shows when it is evaluated afresh, whatever the definition. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { QueryEvent, QueryGroup, SummaryRow } from "../../worker/api.ts";
import {
  createComparator,
  evaluate,
  kindOf,
  matches,
  parseDefinition,
  type Cursor,
  type Definition,
} from "../expr/index.ts";
import { bytesToId, exactSum } from "../std/index.ts";
import type { DocValue } from "../draft/index.ts";
import type { QueryNews } from "./live-query.ts";
import type { Row, RowDelta } from "./row-feed.ts";
import { RowIndexes } from "./row-indexes.ts";
import { RowTable } from "./row-table.ts";

const runs = Number(process.env["COFFER_RUNS"] ?? 300);
const author = bytesToId("AuthorKey", new Uint8Array(32));
const docIdOf = (n: number) => bytesToId("DocId", new Uint8Array(16).fill(n & 255).fill(n >> 8, 0, 1));

const scalar = fc.constantFrom<DocValue>(
  null,
  true,
  false,
  0,
  -0,
  1,
  2,
  0.1,
  0.2,
  1e300,
  -1e300,
  Number.NaN,
  Infinity,
  "",
  "a",
  "A",
  "b",
  "ä",
  "file 9",
  "file 10",
  "z",
  new Date(0),
  new Date(86_400_000),
  new Date(Number.NaN),
  new Uint8Array([1]),
  new Uint8Array([2]),
);
const fields = fc.dictionary(
  fc.constantFrom("a", "b", "n", "tags"),
  fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }), fc.record({ c: scalar })),
  { noNullPrototype: true },
);
const expression = fc.constantFrom(
  "a = 'a'",
  "n > 0",
  "n >= 0.1 and n < 2",
  "exists(b)",
  "not exists(a) or a != null",
  "contains(tags, 'a')",
  "a in ('a', 'b', 1)",
  "kind(n) = 'number'",
  "n = 1",
  "b < 'b'",
  "a = null",
  "a = 'a' and n > 0",
  "a = 'a' and n >= 0.1 and n < 2",
  "n = 1 and a in ('a', 'b', 1)",
  "n = 1 and exists(b) and a >= 'A'",
  "tags = tags",
  "b.c = 1",
);
const sortKey = fc.record(
  {
    field: fc.constantFrom("a", "b", "n", "tags", "b.c"),
    order: fc.constantFrom("asc" as const, "desc" as const),
  },
  { requiredKeys: ["field"] },
);
const computed = fc.constantFrom("a", "n", "b", "kind(a)", "tags", "b.c", "n + 1", "total(tags)", "lower(b)");
const named = fc.dictionary(fc.constantFrom("x", "y"), computed, { minKeys: 1 });
const fn = fc.constantFrom(
  "sum" as const,
  "average" as const,
  "count" as const,
  "min" as const,
  "max" as const,
  "distinct" as const,
);
const definition = fc.record(
  {
    filter: expression,
    sort: fc.array(sortKey, { maxLength: 3 }),
    locale: fc.constantFrom("de", "en", "sv"),
    limit: fc.nat(4),
    offset: fc.nat(2),
    select: fc.oneof(named, fc.constant(["a", "b.c"])),
    distinct: fc.constantFrom(true, false, false, false),
    group: fc.record(
      { by: named, totals: fc.dictionary(fc.constantFrom("p", "q", "r"), fc.record({ fn, of: computed })) },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ["locale"] },
);

/** Documents to be written (or deleted), a batch at a time; a few batches are long. */
const edit = fc.record({ doc: fc.nat(24), value: fc.option(fields, { freq: 3, nil: undefined }) });
const batch = fc.oneof(
  { weight: 9, arbitrary: fc.array(edit, { minLength: 1, maxLength: 4 }) },
  { weight: 1, arbitrary: fc.array(edit, { minLength: 60, maxLength: 90 }) },
);

const many = fc.array(edit, { minLength: 1, maxLength: 40 });

/** A database of plain rows, and a page that shows one query of it. */
class World {
  readonly rows = new Map<string, Row>();
  /** Rows are spared so sparely that they run out, and become too many. */
  readonly table = new RowTable(
    new RowIndexes(() => [...this.rows.values()].toSorted((one, other) => one.number - other.number), {
      leastRows: 1,
      env: { monotonicMs: () => (this.#clock += 1000), setTimer: (_afterMs, run) => this.#setTimer(run) },
    }),
    1,
  );
  readonly #timers: (() => void)[] = [];
  shown: SummaryRow[] = [];
  groups: QueryGroup[] = [];
  total = 0;
  cursor: Cursor | undefined;
  isTold = false;
  #clock = 0;

  #setTimer(run: () => void): () => void {
    this.#timers.push(run);
    return () => undefined;
  }

  /** Indexes are made a slice further. */
  async pass(): Promise<void> {
    for (let turn = 0; turn < 4; turn++) await Promise.resolve();
    for (const run of this.#timers.splice(0)) run();
  }

  hear(news: QueryNews | undefined): void {
    this.isTold = true;
    if (news === undefined) {
      this.shown = [];
      this.groups = [];
      return;
    }
    const known = new Map(this.shown.map((row) => [row.id, row]));
    for (const { at, put, remove } of news.splices) {
      expect(at).toBeLessThanOrEqual(this.shown.length);
      const rows = put.map((row) => (typeof row === "string" ? known.get(row) : row));
      expect(rows).not.toContain(undefined);
      this.shown.splice(at, remove, ...rows.filter((row) => row !== undefined));
    }
    for (const { at, put, remove } of news.groups) this.groups.splice(at, remove, ...put);
    this.total = news.total;
    this.cursor = news.cursor;
  }

  write(edits: readonly { readonly doc: number; readonly value: Row["value"] | undefined }[]): void {
    const deltas = new Map<string, RowDelta>();
    for (const { doc, value } of edits) {
      const docId = docIdOf(doc);
      const now = this.rows.get(docId);
      const before = deltas.has(docId) ? deltas.get(docId)?.before : now;
      this.#clock += 1;
      const number = now?.number ?? this.#clock;
      const after = value && {
        docId,
        number,
        value,
        author,
        isWhole: true,
        createdAtMs: number,
        changedAtMs: this.#clock,
      };
      if (after === undefined) this.rows.delete(docId);
      else this.rows.set(docId, after);
      deltas.set(docId, { docId, before, after });
    }
    this.table.apply([...deltas.values()].filter(({ before, after }) => before !== after));
  }
}

/** The dull twin: the whole of a query, from all rows, by sorting all that match. */
function afresh(rows: Iterable<Row>, of: Definition) {
  const found = [...rows].filter(({ value }) => of.filter === undefined || matches(of.filter, value));
  const compare = createComparator(of.sort, of.locale);
  const byId = (one: string, other: string): number => (one === other ? 0 : one < other ? -1 : 1);
  const ordered = found.toSorted((one, other) =>
    of.sort.length === 0
      ? one.number - other.number
      : compare(one.value, other.value) || byId(one.docId, other.docId),
  );
  const show = ({ value }: Row): unknown => {
    if (of.select === undefined) return value;
    const shown = of.select.map(({ name, of: one }) => [name, evaluate(one, value)] as const);
    return Object.fromEntries(shown.filter(([, one]) => one !== undefined));
  };
  const listed = of.distinct
    ? ordered.filter((row, index) => !ordered.slice(0, index).some((one) => isEqual(show(one), show(row))))
    : ordered;
  const { after } = of;
  const rest = listed.filter((row) => {
    if (after === undefined) return true;
    const keys = of.sort.map(({ field: path }) =>
      evaluate({ op: "field", path: String(path).split(".") }, row.value),
    );
    const byKeys = createComparator(
      of.sort.map((key, index) => ({ ...key, field: [`${index}`] })),
      of.locale,
    );
    const order = of.sort.length === 0 ? row.number - Number(after.keys[0]) : byKeys(keys, after.keys);
    return (order || byId(row.docId, after.id)) > 0;
  });
  const window = rest.slice(of.offset, of.limit === undefined ? undefined : of.offset + of.limit);
  return {
    total: listed.length,
    rows: window.map((row) => ({ id: row.docId, value: show(row), changedAtMs: row.changedAtMs })),
    groups: of.group === undefined ? [] : groupsOf(found, of),
  };
}

const isEqual = (one: unknown, other: unknown): boolean =>
  evaluate(
    {
      op: "eq",
      args: [
        { op: "field", path: ["one"] },
        { op: "field", path: ["other"] },
      ],
    },
    { one, other },
  ) === true;

function groupsOf(found: readonly Row[], { group, locale }: Definition) {
  const sets: { keys: unknown[]; rows: Row[] }[] = [];
  for (const row of found) {
    const keys = (group?.by ?? []).map(({ of }) => evaluate(of, row.value));
    const set = sets.find((one) => isEqual(one.keys, keys));
    if (set === undefined) sets.push({ keys, rows: [row] });
    else set.rows.push(row);
  }
  const compare = createComparator(
    (group?.by ?? []).map((_, index) => ({ field: [`${index}`] })),
    locale,
  );
  const named = (names: readonly { name: string }[], values: readonly unknown[]): object =>
    Object.fromEntries(
      names.map(({ name }, at) => [name, values[at]]).filter(([, one]) => one !== undefined),
    );
  return sets
    .map(({ keys, rows }) => ({
      keys,
      count: rows.length,
      by: named(group?.by ?? [], keys),
      totals: named(
        group?.totals ?? [],
        (group?.totals ?? []).map(({ fn: name, of }) => totalOf(name, rows, of)),
      ),
    }))
    .toSorted((one, other) => compare(one.keys, other.keys))
    .map(({ count, by, totals }) => ({ count, by, totals }));
}

function totalOf(
  name: string,
  rows: readonly Row[],
  of: Parameters<typeof evaluate>[0] | undefined,
): unknown {
  const values = rows.map(({ value }) => (of === undefined ? true : evaluate(of, value)));
  const present = values.filter((one) => one !== null && kindOf(one) !== "missing");
  const numbers = values.filter((one) => typeof one === "number" && Number.isFinite(one)) as number[];
  if (name === "sum") return exactSum(numbers);
  if (name === "average") return numbers.length === 0 ? undefined : exactSum(numbers) / numbers.length;
  if (name === "count") return present.length;
  if (name === "distinct")
    return present.filter((one, at) => !present.slice(0, at).some((two) => isEqual(one, two))).length;
  const compared = present.filter(
    (one) =>
      !["bytes", "list", "map"].includes(kindOf(one)) &&
      !Number.isNaN(Number(kindOf(one) === "string" ? 0 : one)),
  );
  return evaluate(
    { op: name === "min" ? "min" : "max", args: [{ op: "field", path: ["of"] }] },
    { of: compared },
  );
}

/** Without an order among equals, and without the sign of nothing. */
const plain = (of: unknown): unknown =>
  JSON.parse(
    JSON.stringify(of, (_key, one: unknown) =>
      typeof one === "number" ? `n${one + 0}` : one instanceof Uint8Array ? `b${one.join()}` : one,
    ),
  );
const inAnyOrder = (groups: readonly unknown[]): unknown =>
  groups.map((one) => JSON.stringify(plain(one))).toSorted();

function expectAfresh(world: World, of: Definition): void {
  const expected = afresh(world.rows.values(), of);
  const shown = world.shown.map(({ id, value, changedAtMs }) => ({ id, value, changedAtMs }));
  expect(plain(shown)).toEqual(plain(expected.rows));
  expect(world.total).toBe(expected.total);
  const groups = world.groups.map(({ count, by, totals }) => ({ count, by, totals }));
  expect(inAnyOrder(groups)).toEqual(inAnyOrder(expected.groups));
  // Groups stand in the order of their values; of those without an order among them any order will do.
  const compare = createComparator(
    (of.group?.by ?? []).map(({ name }) => ({ field: [name] })),
    of.locale,
  );
  for (const [index, { by }] of world.groups.entries())
    if (index > 0) expect(compare(world.groups[index - 1]?.by, by)).toBeLessThanOrEqual(0);
}

const judged = (input: object): Definition => {
  const verdict = parseDefinition(input);
  if (verdict.kind === "malformed") throw new Error(verdict.at);
  return verdict.definition;
};

describe("a live query", () => {
  it("shows what it would show afresh, after any edits, for any definition", async () => {
    const answered = { any: 0, ordered: 0, counted: 0 };
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant({ again: true }) },
      { weight: 6, arbitrary: batch.map((edits) => ({ edits })) },
      { weight: 1, arbitrary: definition.map((next) => ({ next })) },
      { weight: 1, arbitrary: fc.constant({ page: true }) },
      { weight: 1, arbitrary: fc.constant({ lock: true }) },
    );
    await fc.assert(
      fc.asyncProperty(definition, many, fc.array(step, { maxLength: 16 }), async (first, initial, steps) => {
        const world = new World();
        const find = world.table.indexes.find.bind(world.table.indexes);
        world.table.indexes.find = (plan) => {
          const found = find(plan);
          answered[found.kind] += 1;
          if (found.kind === "ordered" && found.total !== undefined) answered.counted += 1;
          return found;
        };
        world.table.start();
        world.write(initial);
        let input: object = first;
        const asked = world.table.ask(judged(input), (news) => world.hear(news));
        expectAfresh(world, judged(input));
        for (const one of steps) {
          await world.pass();
          for (let time = 0; "again" in one && time < 3; time++) {
            asked.update(judged(input));
            await world.pass();
          }
          if ("again" in one) asked.update(judged(input));
          else if ("edits" in one) world.write(one.edits);
          else if ("lock" in one) {
            world.table.stop();
            expect([world.shown, world.groups]).toEqual([[], []]);
            world.table.start();
          } else if ("next" in one || world.cursor !== undefined) {
            input = "next" in one ? one.next : { ...input, after: structuredClone(world.cursor) };
            asked.update(judged(input));
          }
          expectAfresh(world, judged(input));
        }
      }),
      { numRuns: runs },
    );
    // Indexes had their part in it, those that count by places too.
    expect(answered.ordered).toBeGreaterThan(runs / 10);
    expect(answered.counted).toBeGreaterThan(runs / 30);
  });

  it("tells a page what changed and nothing else", () => {
    const world = new World();
    world.table.start();
    world.write(Array.from({ length: 300 }, (_, doc) => ({ doc, value: { n: doc * 2 } })));
    const told: QueryNews[] = [];
    const of = judged({
      filter: "n >= 100",
      sort: [{ field: "n" }],
      limit: 10,
      group: { totals: { sum: { fn: "sum", of: "n" } } },
    });
    world.table.ask(of, (news) => void (news && told.push(news)));
    const sizes = (): unknown =>
      told
        .splice(0)
        .map(({ splices, total, groups }) => [
          splices.map(({ at, put, remove }) => [
            at,
            remove,
            put.map((row) => (typeof row === "string" ? row : row.value["n"])),
          ]),
          total,
          groups.length,
        ]);
    told.splice(0);
    world.write([{ doc: 52, value: { n: 104, x: 1 } }]);
    expect(sizes()).toEqual([[[[2, 1, [104]]], 250, 1]]);
    world.write([{ doc: 52, value: { n: 109 } }]);
    expect(sizes()).toEqual([
      [
        [
          [2, 1, []],
          [4, 0, [109]],
        ],
        250,
        1,
      ],
    ]);
    world.write([{ doc: 10, value: { n: 21 } }]);
    expect(sizes()).toEqual([]);
    world.write([{ doc: 299, value: { n: 599 } }]);
    expect(sizes()).toEqual([[[], 250, 1]]);
    world.write([{ doc: 50, value: undefined }]);
    expect(sizes()).toEqual([
      [
        [
          [0, 1, []],
          [9, 0, [120]],
        ],
        249,
        1,
      ],
    ]);
  });

  it("reads all rows again only when what it keeps is used up", () => {
    const rows = new Map<number, Row>();
    let scans = 0;
    const scan = (): readonly Row[] => {
      scans += 1;
      return [...rows.values()];
    };
    const table = new RowTable(new RowIndexes(scan));
    const rowOf = (doc: number): Row => ({
      docId: docIdOf(doc),
      number: doc,
      value: { n: doc },
      isWhole: true,
      author,
      createdAtMs: 0,
      changedAtMs: 0,
    });
    for (let doc = 0; doc < 2000; doc++) rows.set(doc, rowOf(doc));
    table.start();
    let shown = 0;
    table.ask(
      judged({ sort: [{ field: "n" }], limit: 20 }),
      (news: Pick<QueryEvent, "total"> | undefined) => {
        shown = news?.total ?? 0;
      },
    );
    expect([scans, shown]).toEqual([1, 2000]);
    for (let doc = 0; doc < 1000; doc++) {
      const before = rows.get(doc);
      rows.delete(doc);
      table.apply([{ docId: docIdOf(doc), before, after: undefined }]);
    }
    expect(shown).toBe(1000);
    expect(scans).toBeLessThan(10);
  });
});
