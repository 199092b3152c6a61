import { describe, expect, it } from "vitest";
import * as fc from "fast-check";
import { category, sorted } from "./builders.ts";
import { parseViewDefinition } from "./parse-definition.ts";
import { planView, type Plan, type ViewRow } from "./plan.ts";
import { rankFirstKeys, type Ranks } from "./ranks.ts";
import { View } from "./view.ts";

function planOf(order: "asc" | "desc", isOrdered = true): Plan {
  const columns = isOrdered ? [sorted("name", { order }), sorted("n")] : [category("team")];
  const verdict = parseViewDefinition({ columns, locale: "en" });
  if (verdict.kind !== "definition") throw new Error(verdict.at);
  return planView(verdict.definition, [{ origin: "o", matches: () => true }]);
}

function ranksOf(plan: Plan, firsts: readonly unknown[]): Ranks | undefined {
  const steps = rankFirstKeys(
    plan,
    firsts.map((first) => ({ keys: [first] })),
    16,
  );
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}

const anyKey = fc.oneof(
  fc.constantFrom("a", "A", "ä", "b", "a\u0308", "", "Zoë", "zoe"),
  fc.string({ maxLength: 2 }),
  fc.constantFrom(0, -0, Number.NaN, 1, 2.5, Number.POSITIVE_INFINITY),
  fc.constantFrom(true, false, null, undefined),
);

describe("ranks", () => {
  it("compare as the keys do", () => {
    fc.assert(
      fc.property(
        fc.array(anyKey, { minLength: 2, maxLength: 40 }),
        fc.constantFrom("asc", "desc"),
        (keys, order) => {
          const plan = planOf(order as "asc" | "desc");
          const ranks = ranksOf(
            plan,
            Array.from({ length: 12 }, () => keys)
              .flat()
              .concat(Array.from({ length: 256 }, () => keys[0])),
          );
          for (const left of keys)
            for (const right of keys)
              expect(Math.sign((ranks?.get(left) ?? 0) - (ranks?.get(right) ?? 0))).toBe(
                Math.sign(plan.compareKeys([left], [right])),
              );
        },
      ),
    );
  });

  it("are not made of few documents, of many values, or where nothing orders", () => {
    expect(ranksOf(planOf("asc"), ["a", "b"])).toBeUndefined();
    expect(
      ranksOf(
        planOf("asc"),
        Array.from({ length: 400 }, (_, index) => index),
      ),
    ).toBeUndefined();
    expect(
      ranksOf(
        planOf("asc", false),
        Array.from({ length: 400 }, () => "a"),
      ),
    ).toBeUndefined();
  });

  it("build the view that changes build, document by document", () => {
    const names = ["ada", "Ada", "ädel", "bob", undefined, 5];
    const rows = Array.from({ length: 600 }, (_, index): ViewRow => ({
      docId: `d${(index * 7919) % 600}`,
      value: { name: names[(index * 31) % names.length], n: (index * 17) % 23 },
      author: "",
      createdAtMs: 0,
      changedAtMs: 0,
    }));
    const sources = [{ origin: "o", matches: () => true }];
    const { definition } = planOf("desc");
    const built = new View(definition, sources);
    const progress = [...built.build(rows.map((row) => ({ origin: 0, row })))];
    const grown = new View(definition, sources);
    grown.apply(rows.map((row) => ({ origin: 0, id: row.docId, row })));
    const shown = (view: View): readonly unknown[] => view.places(0, 1000).map((place) => view.show(place));
    expect(shown(built)).toEqual(shown(grown));
    expect(progress).toEqual([...progress].sort((one, other) => one - other));
  });
});
