/** A view that is built by what was known of its documents equals the one built afresh, whatever was edited meanwhile. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { compileFilter, type Expression } from "../expr/index.ts";
import { readOrder, type KnownOrder } from "./known-order.ts";
import { parseViewDefinition } from "./parse-definition.ts";
import type { SourcePlan, ViewRow } from "./plan.ts";
import type { ShownRow } from "./rows.ts";
import type { ViewState } from "./state.ts";
import { View } from "./view.ts";
import { definitionInput, documentValue, dullView, type DullSource } from "./view-fixtures.ts";
import { runsOf } from "../std/runs-fixtures.ts";

const sourceFilter: Expression = { op: "exists", args: [{ op: "field", path: ["b"] }] };
const origins = [
  { origin: "eu", filter: undefined },
  { origin: "u/s", filter: sourceFilter },
];
const plans: readonly SourcePlan[] = origins.map(({ origin, filter }) => ({
  origin,
  matches: compileFilter(filter),
}));
const state: ViewState = { version: 1, expandedTo: 9, flipped: [], selected: [] };

const docs = fc.dictionary(fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h"), documentValue);
const edit = fc.record({
  origin: fc.nat(1),
  id: fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h", "new"),
  value: fc.option(documentValue, { nil: undefined }),
});

type Rows = Map<string, ViewRow>;

const rowOf = (docId: string, value: ViewRow["value"], changedAtMs: number): ViewRow => ({
  docId,
  value,
  author: "ada",
  createdAtMs: 1,
  changedAtMs,
});

const rowsOf = (view: View): readonly ShownRow[] =>
  view.places(0, view.rowCount).map((place) => view.show(place));

function run(steps: Generator<number, void>): void {
  for (const done of steps) {
    expect(done).toBeGreaterThanOrEqual(0);
    expect(done).toBeLessThanOrEqual(1);
  }
}

/** What is known of a source, of the documents that are as they were. */
function recall(view: View, origin: number, rows: Rows, isKnown: (id: string) => boolean): KnownOrder {
  const known = [...rows.values()].filter(({ docId }) => isKnown(docId));
  const categories = readOrder(view.tree.whole, origin, (row) => row).map(({ documents, ...category }) => ({
    ...category,
    documents: documents.flatMap(({ docId }) => {
      const place = known.findIndex((row) => row.docId === docId);
      return place < 0 ? [] : [place];
    }),
  }));
  return { origin, rows: known, categories };
}

const dullSources = (sources: readonly Rows[]): readonly DullSource[] =>
  origins.map((origin, index) => ({ ...origin, rows: sources[index] ?? new Map<string, ViewRow>() }));

it("a view that is built by what is known equals the one built afresh, and stays so", () => {
  fc.assert(
    fc.property(
      definitionInput,
      fc.tuple(docs, docs),
      fc.array(edit, { maxLength: 8 }),
      fc.array(edit, { maxLength: 8 }),
      fc.func(fc.boolean()),
      (input, began, closed, later, isForgotten) => {
        const verdict = parseViewDefinition(input);
        if (verdict.kind === "malformed") throw new Error(verdict.at);
        const { definition } = verdict;
        const sources = began.map(
          (all): Rows => new Map(Object.entries(all).map(([id, value]) => [id, rowOf(id, value, 1)])),
        );
        const all = (): { origin: number; row: ViewRow }[] =>
          sources.flatMap((rows, origin) => [...rows.values()].map((row) => ({ origin, row })));
        const before = new View(definition, plans, state);
        run(before.build(all()));

        const changed = sources.map(() => new Set<string>());
        for (const { origin, id, value } of closed) {
          changed[origin]?.add(id);
          if (value === undefined) sources[origin]?.delete(id);
          else sources[origin]?.set(id, rowOf(id, value, 2));
        }
        const isKnown = (origin: number, id: string): boolean =>
          changed[origin]?.has(id) === false && !isForgotten(origin, id);
        const known = sources.map((rows, origin) =>
          recall(before, origin, rows, (id) => isKnown(origin, id)),
        );
        const view = new View(definition, plans, state);
        run(
          view.build(
            all().filter(({ origin, row }) => !isKnown(origin, row.docId)),
            known,
          ),
        );

        const equals = (): void => {
          const { rows, totals, documentCount } = dullView(definition, dullSources(sources), state);
          expect(rowsOf(view)).toEqual(rows);
          expect(view.total).toEqual({ totals, documentCount });
        };
        equals();
        for (const { origin, id, value } of later) {
          const row = value && rowOf(id, value, 3);
          if (row === undefined) sources[origin]?.delete(id);
          else sources[origin]?.set(id, row);
          view.apply([{ origin, id, row }]);
          equals();
        }
      },
    ),
    { numRuns: runsOf(400) },
  );
});

it("what is told of a source names no category that only others are in, and each category behind the one around it", () => {
  fc.assert(
    fc.property(definitionInput, docs, docs, (input, one, other) => {
      const verdict = parseViewDefinition(input);
      if (verdict.kind === "malformed") throw new Error(verdict.at);
      const rowsOfAll = (all: typeof one): readonly ViewRow[] =>
        Object.entries(all).map(([id, value]) => rowOf(id, value, 1));
      const both = new View(verdict.definition, plans, state);
      run(
        both.build([
          ...rowsOfAll(one).map((row) => ({ origin: 0, row })),
          ...rowsOfAll(other).map((row) => ({ origin: 1, row })),
        ]),
      );
      const alone = new View(verdict.definition, plans, state);
      run(alone.build(rowsOfAll(one).map((row) => ({ origin: 0, row }))));
      const told = readOrder(both.tree.whole, 0, (row) => row);
      const names = (categories: typeof told): readonly string[] =>
        categories.map(({ step }) => JSON.stringify(step ?? null)).toSorted();
      expect(names(told)).toEqual(names(readOrder(alone.tree.whole, 0, (row) => row)));
      for (const [index, { parent }] of told.entries())
        if (index === 0) expect(parent).toBeUndefined();
        else expect(parent).toBeLessThan(index);
    }),
    { numRuns: runsOf(200) },
  );
});
