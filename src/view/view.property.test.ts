import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileFilter, type Expression } from "../expr/index.ts";
import { findByKey, findByPosition, positionOf } from "./navigate.ts";
import { parseViewDefinition } from "./parse-definition.ts";
import type { ViewRow } from "./plan.ts";
import { rowOf, type ShownRow } from "./rows.ts";
import { parseViewState, type ViewState } from "./state.ts";
import { View } from "./view.ts";
import { definitionInput, documentValue, dullView, type DullSource } from "./view-fixtures.ts";
import { applyDelta, ViewWindow } from "./window.ts";
import { runsOf } from "../std/runs-fixtures.ts";

const sourceFilter: Expression = { op: "exists", args: [{ op: "field", path: ["b"] }] };
const origins = [
  { origin: "eu", filter: undefined },
  { origin: "u/s", filter: sourceFilter },
];

type Step =
  | { readonly do: "write"; readonly origin: number; readonly id: number; readonly value: ViewRow["value"] }
  | { readonly do: "delete"; readonly origin: number; readonly id: number }
  | { readonly do: "replace"; readonly origin: number; readonly values: readonly ViewRow["value"][] }
  | { readonly do: "expand"; readonly row: number; readonly isExpanded: boolean }
  | { readonly do: "expandTo"; readonly level: number }
  | { readonly do: "select"; readonly row: number; readonly isSelected: boolean }
  | { readonly do: "move"; readonly from: number; readonly count: number };

const origin = fc.nat(1);
const id = fc.nat(7);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("write" as const), origin, id, value: documentValue }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("delete" as const), origin, id }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("replace" as const),
      origin,
      values: fc.array(documentValue, { maxLength: 5 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("expand" as const), row: fc.nat(20), isExpanded: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("expandTo" as const), level: fc.nat(4) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("select" as const), row: fc.nat(20), isSelected: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("move" as const), from: fc.nat(20), count: fc.nat(12) }),
  },
);

let clock = 0;
function rowOfValue(number: number, value: ViewRow["value"]): ViewRow {
  clock += 1;
  return { docId: `doc${number}`, value, author: "ada", createdAtMs: number, changedAtMs: clock };
}

/** Takes the same steps as a view does, and knows only what is there. */
class World {
  readonly rows = origins.map(() => new Map<string, ViewRow>());
  readonly view: View;
  count = 5;
  readonly window = new ViewWindow(this.count);
  page: readonly ShownRow[] = [];
  readonly #definition: View["plan"]["definition"];

  constructor(input: unknown) {
    const verdict = parseViewDefinition(input);
    if (verdict.kind === "malformed") throw new Error(`malformed at ${verdict.at}`);
    this.#definition = verdict.definition;
    this.view = new View(verdict.definition, this.#plans());
  }

  #plans(): { origin: string; matches: (value: unknown) => boolean }[] {
    return origins.map(({ origin: name, filter }) => ({ origin: name, matches: compileFilter(filter) }));
  }

  take(one: Step): void {
    const { view } = this;
    if (one.do === "write") {
      const row = rowOfValue(one.id, one.value);
      this.rows[one.origin]?.set(row.docId, row);
      view.apply([{ origin: one.origin, id: row.docId, row }]);
    } else if (one.do === "delete") {
      this.rows[one.origin]?.delete(`doc${one.id}`);
      view.apply([{ origin: one.origin, id: `doc${one.id}`, row: undefined }]);
    } else if (one.do === "replace") {
      const rows = one.values.map((value, index) => rowOfValue(index, value));
      this.rows[one.origin]?.clear();
      for (const row of rows) this.rows[one.origin]?.set(row.docId, row);
      view.replaceSource(one.origin, rows);
    } else if (one.do === "expand") {
      const [place] = view.places(one.row, 1);
      if (place !== undefined && !("held" in place)) view.expand([place], one.isExpanded);
    } else if (one.do === "expandTo") view.expandTo(one.level);
    else if (one.do === "select") {
      const [place] = view.places(one.row, 1);
      if (place !== undefined) view.select([view.keyOf(place)], one.isSelected);
    } else {
      this.count = one.count;
      this.window.move(one.from, one.count);
    }
  }

  sources(): readonly DullSource[] {
    return origins.map((source, index) => ({
      ...source,
      rows: this.rows[index] ?? new Map<string, ViewRow>(),
    }));
  }

  /** The same view, built of what is there now. */
  afresh(): View {
    const built = new View(this.#definition, this.#plans(), this.view.state);
    const rows = this.rows.flatMap((map, source) =>
      [...map.values()].map((row) => ({ origin: source, row })),
    );
    for (const done of built.build(rows)) expect(done).toBeLessThanOrEqual(1);
    return built;
  }

  dull(): ReturnType<typeof dullView> {
    return dullView(this.#definition, this.sources(), this.view.state);
  }
}

function rowsOf(view: View): readonly ShownRow[] {
  return view.places(0, view.rowCount).map((place) => view.show(place));
}

describe("a view", () => {
  it("equals, after any changes, the one built afresh and its dull twin", () => {
    fc.assert(
      fc.property(definitionInput, fc.array(step, { maxLength: 40 }), (input, steps) => {
        const world = new World(input);
        for (const one of steps) world.take(one);
        const { rows, totals, documentCount } = world.dull();
        expect(rowsOf(world.view)).toEqual(rows);
        expect(world.view.total).toEqual({ totals, documentCount });
        expect(world.view.rowCount).toBe(rows.length);
        const afresh = world.afresh();
        expect(rowsOf(afresh)).toEqual(rows);
        expect(afresh.total).toEqual({ totals, documentCount });
      }),
      { numRuns: runsOf(400) },
    );
  });

  it("tells a page in deltas what the window shows", () => {
    fc.assert(
      fc.property(definitionInput, fc.array(step, { maxLength: 40 }), (input, steps) => {
        const world = new World(input);
        for (const one of steps) {
          world.take(one);
          const delta = world.window.read(world.view);
          world.page = applyDelta(world.page, delta);
          const { rows, totals, documentCount } = world.dull();
          expect(world.page).toEqual(rows.slice(delta.from, delta.from + world.count));
          expect(world.page.length).toBe(Math.min(world.count, rows.length));
          expect(delta).toMatchObject({ rowCount: rows.length, totals, documentCount });
          expect(new ViewWindow(0).read(world.view).rowCount).toBe(rows.length);
          // nothing is told twice
          expect(world.window.read(world.view)).toMatchObject({ splices: [], changed: [] });
        }
      }),
      { numRuns: runsOf(200) },
    );
  });

  it("finds every row by its key, its number and its position", () => {
    fc.assert(
      fc.property(definitionInput, fc.array(step, { maxLength: 30 }), (input, steps) => {
        const world = new World(input);
        for (const one of steps) world.take(one);
        const { view } = world;
        for (const [index, place] of view.places(0, view.rowCount).entries()) {
          expect(findByKey(view, view.keyOf(place))).toBe(place);
          expect(rowOf(view.plan, place)).toBe(index);
          expect(findByPosition(view, positionOf(view, place))).toBe(place);
          expect(view.places(index, 1)).toEqual([place]);
        }
      }),
      { numRuns: runsOf(100) },
    );
  });

  it("reads any state and any definition without throwing", () => {
    fc.assert(
      fc.property(fc.anything(), (input) => {
        expect(["definition", "malformed"]).toContain(parseViewDefinition(input).kind);
        expect(["state", "malformed"]).toContain(parseViewState(input).kind);
      }),
    );
    fc.assert(
      fc.property(fc.record({ columns: fc.array(fc.anything()) }), (input) => {
        expect(["definition", "malformed"]).toContain(parseViewDefinition(input).kind);
      }),
    );
  });

  it("is, from its stored state, looked at as before", () => {
    fc.assert(
      fc.property(definitionInput, fc.array(step, { maxLength: 30 }), (input, steps) => {
        const world = new World(input);
        for (const one of steps) world.take(one);
        const verdict = parseViewState(JSON.parse(JSON.stringify(world.view.state)));
        const state: ViewState | undefined = verdict.kind === "state" ? verdict.state : undefined;
        expect(state).toEqual(world.view.state);
        const rows = rowsOf(world.view);
        world.view.expandTo(0);
        if (state !== undefined) world.view.restore(state);
        expect(rowsOf(world.view)).toEqual(rows);
      }),
      { numRuns: runsOf(100) },
    );
  });
});
