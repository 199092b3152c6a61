/** A query answered from an index finds what a scan finds, whatever is asked, and whatever order the index began with. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createWebCrypto } from "../crypto/index.ts";
import { bytesToId, createSystemEnv } from "../std/index.ts";
import type { DocValue } from "../draft/index.ts";
import { matches, parseDefinition, type Definition, type Expression } from "../expr/index.ts";
import { createMemoryStorage } from "../store/index.ts";
import { encodeOrder, IndexPages, parseOrder } from "./index-pages.ts";
import { createPageSealer } from "./pages.ts";
import { planQuery } from "./query-plan.ts";
import type { Row, RowDelta } from "./row-feed.ts";
import { indexKey, probesOf, restOf, RowIndex } from "./row-index.ts";
import { RowIndexes, type KeptOrders } from "./row-indexes.ts";
import { runsOf } from "../std/runs-fixtures.ts";

const runs = Number(process.env["COFFER_RUNS"] ?? 500);
const author = bytesToId("AuthorKey", new Uint8Array(32));
const docIdOf = (n: number) => bytesToId("DocId", new Uint8Array(16).fill(n & 255).fill(n >> 8, 0, 1));
const rowOf = (n: number, value: Row["value"]): Row => ({
  docId: docIdOf(n),
  number: n,
  value,
  isWhole: true,
  author,
  createdAtMs: 0,
  changedAtMs: 0,
});

const dates = [new Date(0), new Date(86_400_000), new Date(Number.NaN)];
const words = ["", "a", "ab", "abc", "b", "ä", "\uffff", "a\uffff", "\ud83d\ude00"];
const numbers = [0, -0, 1, 1.5, -3, 1e300, Number.NaN, Infinity, -Infinity];
const scalar = fc.constantFrom<null | boolean | number | string | Date>(
  null,
  true,
  false,
  ...numbers,
  ...words,
  ...dates,
);
const value: fc.Arbitrary<Row["value"]> = fc.dictionary(
  fc.constantFrom("a", "b"),
  fc.oneof<fc.Arbitrary<DocValue>[]>(
    scalar,
    fc.array(scalar, { maxLength: 2 }),
    fc.constant(new Uint8Array(1)),
  ),
  { noNullPrototype: true },
);
const path = fc.constantFrom(["a"], ["b"], ["c"]);
const field = path.map((of): Expression => ({ op: "field", path: of }));
const literal = scalar.map((of): Expression => ({ op: "value", value: of }));
const comparison = fc
  .tuple(
    fc.constantFrom(
      "eq" as const,
      "neq" as const,
      "lt" as const,
      "lte" as const,
      "gt" as const,
      "gte" as const,
      "startsWith" as const,
    ),
    fc.oneof(field, literal),
    fc.oneof(field, literal),
  )
  .map(([op, left, right]): Expression => ({ op, args: [left, right] }));
const part = fc.oneof(
  { weight: 4, arbitrary: comparison },
  fc
    .tuple(field, fc.array(scalar, { maxLength: 4 }))
    .map(([of, values]): Expression => ({ op: "in", args: [of], values })),
  comparison.map((of): Expression => ({ op: "not", args: [of] })),
  fc.array(comparison, { maxLength: 2 }).map((args): Expression => ({ op: "or", args })),
);
const filter = fc.oneof(
  part,
  fc.array(part, { maxLength: 4 }).map((args): Expression => ({ op: "and", args })),
);

describe("an index", () => {
  it("gives each row that matches, once, after any changes, from any order", () => {
    const change = fc.record({ n: fc.nat(30), value: fc.option(value, { nil: undefined, freq: 3 }) });
    fc.assert(
      fc.property(
        fc.array(value, { maxLength: 30 }),
        fc.array(change, { maxLength: 30 }),
        fc.array(filter, { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat(40)),
        (values, changes, filters, order) => {
          const rows = new Map(values.map((of, n) => [docIdOf(n), rowOf(n, of)] as const));
          const indexes = [["a"], ["b"], ["c"]].map((of) => built(of, rows.values(), order));
          for (const { n, value: of } of changes) {
            const before = rows.get(docIdOf(n));
            const after = of && rowOf(n, of);
            if (before === undefined && after === undefined) continue;
            if (after === undefined) rows.delete(docIdOf(n));
            else rows.set(docIdOf(n), after);
            const delta: RowDelta = { docId: docIdOf(n), before, after };
            for (const index of indexes) index.apply([delta]);
          }
          for (const of of filters) {
            const expected = [...rows.values()].filter((row) => matches(of, row.value));
            for (const [key, probe] of probesOf(of)) {
              const index = indexes.find((one) => indexKey(one.path) === key) ?? expect.unreachable();
              const found = [...index.rows(probe)];
              expect(index.count(probe)).toBe(found.length);
              expect(new Set(found).size).toBe(found.length);
              const rest = restOf(of, probe);
              expect(
                found.filter((row) => rest === undefined || matches(rest, row.value)).toSorted(byNumber),
              ).toEqual(expected.toSorted(byNumber));
            }
          }
        },
      ),
      { numRuns: runs },
    );
  });

  it("answers equality and ranges without a scan", () => {
    const rows = Array.from({ length: 1000 }, (_, n) => rowOf(n, { a: n, b: `word ${n % 10}` }));
    const looked = (text: string): readonly [string, number][] =>
      [...probesOf(judged(text).filter)].map(([key, probe]) => [key, built(probe.path, rows).count(probe)]);
    expect(looked("a = 7")).toEqual([['["a"]', 1]]);
    expect(looked("a >= 10 and 20 > a and b != 'x'")).toEqual([['["a"]', 10]]);
    expect(looked("a in (1, 2, 2) and b = 'word 3'")).toEqual([
      ['["a"]', 2],
      ['["b"]', 100],
    ]);
    expect(looked("startsWith(b, 'word 4')")).toEqual([['["b"]', 100]]);
    expect(looked("a = 7 or b = 'word 3'")).toEqual([]);
    expect(looked("a < null and a > nan")).toEqual([]);
  });
});

describe("the indexes of a database", () => {
  const kept = new Map<string, readonly number[]>();
  const orders: KeptOrders = { read: async (of) => kept.get(indexKey(of)), due: () => undefined };

  it("are made for fields that are asked for again, and used where they save work", async () => {
    const rows = Array.from({ length: 1000 }, (_, n) => rowOf(n, { a: n % 100, b: n }));
    const indexes = new RowIndexes(() => rows, { declared: [["b"]], kept: orders });
    const asked = (text: string): number => [...indexes.candidates(judged(text))].length;
    indexes.start();
    expect(asked("b < 100")).toBe(1000);
    await settled();
    // Declared: there from the beginning; made: after the second time.
    expect(asked("b < 100")).toBe(100);
    expect([asked("a = 1"), asked("a = 2")]).toEqual([1000, 1000]);
    await settled();
    expect([asked("a = 1"), asked("a = 1 and b < 5")]).toEqual([10, 5]);
    expect(asked("b >= 0")).toBe(1000);
    const [first] = [...indexes.takeOrders()];
    expect(first?.order.length).toBe(1000);
    expect([...indexes.takeOrders()]).toEqual([]);
    indexes.stop();
    expect([...indexes.takeOrders()]).toEqual([]);
    indexes.start();
    await settled();
    expect(asked("b < 100")).toBe(100);
  });

  it("are made a slice at a time, and have what changed meanwhile", async () => {
    const rows = Array.from({ length: 20_000 }, (_, n) => rowOf(n, { a: n % 10, b: n, c: `${n}` }));
    const slices: (() => void)[] = [];
    let nowMs = 0;
    const env = {
      monotonicMs: () => (nowMs += 5),
      setTimer: (_afterMs: number, run: () => void) => {
        slices.push(run);
        return () => undefined;
      },
    };
    const indexes = new RowIndexes(() => rows, { env });
    indexes.start();
    const found = (text: string): ReturnType<typeof indexes.find> =>
      indexes.find(
        planQuery({ ...judged(text), limit: 10, sort: [{ field: "c", order: "asc" }], locale: "en" }),
      );
    expect([found("a = 1 and b < 1000").kind, found("a = 1 and b < 100").kind]).toEqual(["any", "any"]);
    await settled();
    const before = rows[7] ?? expect.unreachable();
    const after = rowOf(7, { a: 1, b: 7, c: "" });
    rows[7] = after;
    let sliceCount = 0;
    for (let run = slices.shift(); run !== undefined; run = slices.shift()) {
      if (sliceCount === 3) indexes.apply([{ docId: before.docId, before, after }]);
      sliceCount += 1;
      run();
    }
    expect(sliceCount).toBeGreaterThan(20);
    const first = found("a = 1 and b < 1000");
    for (let run = slices.shift(); run !== undefined; run = slices.shift()) run();
    await settled();
    for (let run = slices.shift(); run !== undefined; run = slices.shift()) run();
    const ordered = found("a = 1 and b < 1000");
    if (first.kind !== "ordered" || ordered.kind !== "ordered") return expect.unreachable();
    // Counted by places: 100 of the first thousand, and the one that came.
    expect(ordered.total).toBe(101);
    const [one, two] = [...ordered.rows].map(({ row }) => row.number);
    expect([one, two]).toEqual([7, 1]);
  });

  it("are bounded in number, however many fields are asked for", async () => {
    const rows = Array.from({ length: 300 }, (_, n) => rowOf(n, { a: n }));
    const indexes = new RowIndexes(() => rows);
    indexes.start();
    for (let n = 0; n < 50; n++)
      for (let time = 0; time < 3; time++) void [...indexes.candidates(judged(`f${n} = 1`))];
    await settled();
    expect([...indexes.takeOrders()].length).toBeLessThanOrEqual(8);
  });
});

describe("the pages of indexes", () => {
  it("come back, sealed; what is damaged, moved or of another version is not there", async () => {
    const env = createSystemEnv();
    const crypto = createWebCrypto(env);
    const store = await createMemoryStorage(env).openStore("coffer/tenant/x");
    const deviceKey = await crypto.importDerivationKey(new Uint8Array(32).fill(1));
    const tenantId = bytesToId("TenantId", new Uint8Array(32));
    const dbId = bytesToId("DbId", new Uint8Array(16).fill(2));
    const open = (): IndexPages =>
      new IndexPages(
        { store, dbId },
        async () => createPageSealer(crypto, deviceKey, tenantId),
        () => undefined,
      );
    const pages = open();
    await pages.write({ path: ["salary"], order: [3, 1, 2] }, 7);
    await pages.write({ path: ["b", "c"], order: [] }, 7);
    await pages.write({ path: ["salary"], order: [3, 2, 1] }, 9);
    const fresh = open();
    expect(await fresh.read(["salary"])).toEqual([3, 2, 1]);
    expect(await fresh.read(["b", "c"])).toEqual([]);
    expect(await fresh.read(["d"])).toBeUndefined();
    const slots = await store.readSlots("indexes/");
    expect(slots).toHaveLength(2);
    const [one, two] = slots.map((slot) => slot.value as Uint8Array<ArrayBuffer>);
    for (const bytes of [one, two])
      expect(Buffer.from(bytes ?? []).toString("latin1")).not.toContain("salary");
    const [first, second] = slots.map((slot) => slot.name);
    if (first === undefined || second === undefined || one === undefined || two === undefined)
      return expect.unreachable();
    await store.write({
      slots: [
        { name: first, value: two },
        { name: second, value: one.fill(0, 20, 24) },
      ],
    });
    expect([await open().read(["salary"]), await open().read(["b", "c"])]).toEqual([undefined, undefined]);
    store.close();
  });

  it("are read from any bytes without throwing", () => {
    const order = fc.record({
      path: fc.array(fc.string({ maxLength: 5 }), { minLength: 1, maxLength: 3 }),
      order: fc.array(fc.nat(2 ** 31)),
    });
    fc.assert(
      fc.property(order, (of) => {
        expect(parseOrder(encodeOrder(of))).toEqual(of);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const found = parseOrder(bytes);
        if (found !== undefined) expect(parseOrder(encodeOrder(found))).toEqual(found);
      }),
      { numRuns: runsOf(2000) },
    );
    // The form, frozen.
    expect([...encodeOrder({ path: ["a"], order: [1, 256] })]).toEqual([
      1, 1, 1, 97, 2, 0, 0, 0, 1, 0, 0, 1, 0,
    ]);
    expect(parseOrder(new Uint8Array([2, 1, 1, 97, 0]))).toBeUndefined();
    expect(parseOrder(encodeOrder({ path: ["a"], order: [1] }).subarray(0, 7))).toBeUndefined();
  });
});

function built(path: readonly string[], rows: Iterable<Row>, order?: readonly number[]): RowIndex {
  const index = new RowIndex(path);
  expect([...index.build(rows, order)].length).toBeGreaterThan(0);
  return index;
}
const byNumber = (one: Row, other: Row): number => one.number - other.number;
const settled = async (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 5));

function judged(text: string): Definition {
  const verdict = parseDefinition({ filter: text });
  if (verdict.kind === "malformed") throw new Error(verdict.message);
  return verdict.definition;
}
