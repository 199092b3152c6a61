import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  compileFilter,
  createComparator,
  compareKeys,
  keyReader,
  takeFirst,
  evaluate,
  matches,
  parseDefinition,
  judgeExpression,
} from "./index.ts";
import { arity, type Expression, type Literal, type Operator, type SortKey } from "./expression.ts";
import { runsOf } from "../std/runs-fixtures.ts";

const anything = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withTypedArray: true,
  withNullPrototype: true,
});
const key = fc.constantFrom("a", "b", "0", "__proto__", "constructor", "length", "");
const path = fc.array(key, { minLength: 1, maxLength: 3 });
const literal: fc.Arbitrary<Literal> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.double(),
  fc.string(),
  fc.date({ noInvalidDate: false }),
);
const expression: fc.Arbitrary<Expression> = fc.letrec<{ expression: Expression }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4 },
    literal.map((of): Expression => ({ op: "value", value: of })),
    path.map((steps): Expression => ({ op: "field", path: steps })),
    fc
      .tuple(tie("expression"), fc.array(literal, { maxLength: 4 }))
      .map(([of, values]): Expression => ({ op: "in", args: [of], values })),
    fc
      .constantFrom(...(Object.keys(arity) as Operator[]))
      .chain((op) =>
        fc
          .array(tie("expression"), { minLength: arity[op][0], maxLength: Math.min(3, arity[op][1]) })
          .map((args): Expression => ({ op, args })),
      ),
  ),
})).expression;
const row: fc.Arbitrary<unknown> = fc.oneof(
  fc.dictionary(
    key,
    fc.oneof(literal, fc.uint8Array({ maxLength: 3 }), fc.array(literal), fc.dictionary(key, literal)),
  ),
  anything,
);
const sortKey: fc.Arbitrary<SortKey> = fc.record({
  field: path,
  order: fc.constantFrom("asc" as const, "desc" as const),
});

describe("expressions", () => {
  it("evaluate over anything without throwing, and agree with their filter", () => {
    fc.assert(
      fc.property(expression, row, (of, data) => {
        const found = evaluate(of, data);
        expect(matches(of, data)).toBe(found === true);
        expect(compileFilter(of)(data)).toBe(found === true);
      }),
    );
  });

  it("survive parsing unchanged", () => {
    fc.assert(
      fc.property(expression, (of) => {
        expect(judgeExpression(of)).toEqual({ kind: "expression", expression: of });
      }),
    );
  });

  it("keep not, neq and eq apart", () => {
    fc.assert(
      fc.property(expression, expression, row, (left, right, data) => {
        const same = matches({ op: "eq", args: [left, right] }, data);
        expect(matches({ op: "neq", args: [left, right] }, data)).toBe(!same);
        expect(matches({ op: "eq", args: [right, left] }, data)).toBe(same);
        expect(matches({ op: "eq", args: [left, left] }, data)).toBe(true);
      }),
    );
  });
});

describe("the comparator", () => {
  it("is a total preorder over anything", () => {
    fc.assert(
      fc.property(fc.array(sortKey, { maxLength: 3 }), row, row, row, (sort, one, two, three) => {
        const compare = createComparator(sort, "en");
        expect(compare(one, one)).toBe(0);
        expect(Math.sign(compare(one, two)) + Math.sign(compare(two, one))).toBe(0);
        if (compare(one, two) <= 0 && compare(two, three) <= 0)
          expect(compare(one, three)).toBeLessThanOrEqual(0);
      }),
      { numRuns: runsOf(500) },
    );
  });

  it("gives the first rows as sorting all of them does", () => {
    fc.assert(
      fc.property(
        fc.array(sortKey, { maxLength: 3 }),
        fc.array(row, { maxLength: 40 }),
        fc.nat(45),
        (sort, values, count) => {
          const compare = createComparator(sort, "en");
          const rows = values.map((value, id) => ({ value, id }));
          const all = rows.toSorted((one, two) => compare(one.value, two.value) || one.id - two.id);
          const read = keyReader(sort);
          const order = compareKeys(sort, "en");
          const keyed = rows.map((row) => ({ row, keys: read(row.value) }));
          const first = takeFirst(
            keyed,
            (one, two) => order(one.keys, two.keys) || one.row.id - two.row.id,
            count,
          ).map(({ row }) => row);
          expect(first).toEqual(all.slice(0, count));
        },
      ),
      { numRuns: runsOf(500) },
    );
  });

  it("is a total order over scalars that differ", () => {
    fc.assert(
      fc.property(fc.array(literal), (values) => {
        const compare = createComparator([{ field: "of" }], "en");
        const rows = values.map((of) => ({ of }));
        const forwards = rows.toSorted(compare);
        const backwards = rows.toReversed().toSorted(compare);
        const known = (of: Literal): string | Literal =>
          of instanceof Date ? String(of.getTime()) : of === 0 ? 0 : of;
        expect(forwards.map((one) => known(one.of))).toEqual(backwards.map((one) => known(one.of)));
      }),
    );
  });
});

describe("parseDefinition", () => {
  it("gives a verdict for anything", () => {
    fc.assert(
      fc.property(
        anything,
        fc.dictionary(fc.constantFrom("filter", "sort", "limit", "offset"), anything),
        (one, other) => {
          expect(["definition", "malformed"]).toContain(parseDefinition(one).kind);
          expect(["definition", "malformed"]).toContain(parseDefinition(other).kind);
        },
      ),
    );
  });
});
