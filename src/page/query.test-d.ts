import type { ReadonlySignal } from "@preact/signals-core";
import { describe, expectTypeOf, it } from "vitest";
import {
  category,
  display,
  eq,
  field,
  gt,
  openCoffer,
  total,
  year,
  type Coffer,
  type Database,
  type DocumentRow,
  type Query,
  type QueryCursor,
  type QueryGroup,
  type ShownRow,
  type Tenant,
  type View,
  type ViewState,
  type ViewTotal,
} from "../index.ts";

interface Task {
  title: string;
  amount: number;
  team?: string;
}

declare const db: Database<Task>;
declare const tenant: Tenant;
declare const coffer: Coffer;
declare const view: View;

describe("a query's type", () => {
  it("shows what the application says that a selection shows", () => {
    const names = db.query<{ title: string; big: boolean }>({
      select: { title: "title", big: gt("amount", 100) },
    });
    expectTypeOf(names).toEqualTypeOf<Query<{ title: string; big: boolean }>>();
    expectTypeOf(names.rows.value[0]?.data.big).toEqualTypeOf<boolean | undefined>();
    expectTypeOf(db.query({ select: ["title"] })).toEqualTypeOf<Query<Task>>();
    // @ts-expect-error a name without what it shows
    db.query({ select: { title: undefined } });
    // @ts-expect-error a function cannot cross
    db.query({ select: { big: (task: Task) => task.amount > 100 } });
    // @ts-expect-error fields are named by text
    db.query({ select: [5] });
  });

  it("groups, and knows what groups are", () => {
    const live = db.query({
      group: { by: { team: "team", year: year(field("due")) }, totals: { sum: { fn: "sum", of: "amount" } } },
    });
    expectTypeOf(live.groups).toEqualTypeOf<ReadonlySignal<readonly QueryGroup[]>>();
    expectTypeOf<QueryGroup["count"]>().toEqualTypeOf<number>();
    db.query({ group: { totals: { all: { fn: "count" } } } });
    // @ts-expect-error no such total
    db.query({ group: { totals: { all: { fn: "median" } } } });
    // @ts-expect-error a total has a function
    db.query({ group: { totals: { all: { of: "amount" } } } });
    // @ts-expect-error groups are read, not written
    live.groups.value = [];
  });

  it("goes on behind a cursor, and behind nothing else", () => {
    const first = db.query({ sort: [{ field: "title" }], limit: 50 });
    expectTypeOf(first.cursor).toEqualTypeOf<ReadonlySignal<QueryCursor | undefined>>();
    first.update({ sort: [{ field: "title" }], limit: 50, after: first.cursor.value });
    // @ts-expect-error a number is no place
    first.update({ after: 50 });
    // @ts-expect-error a place without its row
    first.update({ after: { keys: ["a"] } });
  });

  it("takes indexes by fields or paths", () => {
    expectTypeOf(tenant.openDB<Task>("tasks", { indexes: ["team", ["a.b", "c"]] })).resolves.toEqualTypeOf<
      Database<Task>
    >();
    // @ts-expect-error a list of fields
    void tenant.openDB<Task>("tasks", { indexes: "team" });
    // @ts-expect-error an index is of a field
    void tenant.openDB<Task>("tasks", { indexes: [eq("team", "red")] });
  });
});

describe("a view's type", () => {
  it("tells categories from documents", () => {
    const row: ShownRow | undefined = view.rows.value?.[0];
    if (row?.kind === "document") {
      expectTypeOf(row).toEqualTypeOf<DocumentRow>();
      expectTypeOf(row.id).toEqualTypeOf<string>();
      // @ts-expect-error documents have no totals
      void row.totals;
    } else if (row !== undefined) {
      expectTypeOf(row.documentCount).toEqualTypeOf<number>();
      // @ts-expect-error categories are no documents
      void row.id;
    }
    expectTypeOf(view.total.value).toEqualTypeOf<ViewTotal | undefined>();
    expectTypeOf(view.progress.value).toEqualTypeOf<number | undefined>();
  });

  it("names rows by keys, values or positions", () => {
    void view.find("/0sred");
    void view.find({ values: ["red", 2024, null, new Date(0)] });
    void view.reveal({ position: "1.2" });
    void view.expand(["red", 2024], "/0ssea");
    // @ts-expect-error a number is no row
    void view.find(5);
    // @ts-expect-error an object is no category
    void view.expand([{ team: "red" }]);
    // @ts-expect-error a window begins somewhere
    void view.window({ count: 60 });
  });

  it("is opened with columns of known roles, and a state that was read from one", () => {
    const columns = [category("team"), display("by", { meta: "author" }), total("amount", "average")];
    const state: ViewState = view.state.value;
    expectTypeOf(
      coffer.view({ sources: [{ origin: "o", db }], columns, state }),
    ).resolves.toEqualTypeOf<View>();
    void view.update({ columns, filter: gt("amount", 1) }, { signal: new AbortController().signal });
    // @ts-expect-error nothing is known of that name
    display("by", { meta: "owner" });
    // @ts-expect-error no such place for them
    void view.update({ columns, uncategorised: "middle" });
    // @ts-expect-error a state has a version
    void view.restore({ expandedTo: 1, flipped: [], selected: [] });
    // @ts-expect-error a source has a name
    void coffer.view({ sources: [{ db }], columns });
    expectTypeOf(openCoffer).returns.resolves.toHaveProperty("view");
  });
});
