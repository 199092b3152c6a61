import type { ReadonlySignal } from "@preact/signals-core";
import { describe, expectTypeOf, it } from "vitest";
import {
  and,
  eq,
  isIn,
  openCoffer,
  splice,
  type ChangedDocument,
  type Coffer,
  type CofferError,
  type Database,
  type Doc,
  type QueryRow,
  type Search,
  type SearchHit,
  type StandardSchema,
  type Tenant,
  type View,
  type ViewState,
  category,
  display,
  sorted,
  total,
} from "../index.ts";

interface Contact {
  name: string;
  email?: string;
  tags: string[];
  address: { city: string };
}

declare const db: Database<Contact>;
declare const doc: Doc<Contact>;
declare const tenant: Tenant;

describe("the public types", () => {
  it("open", () => {
    expectTypeOf(openCoffer).returns.resolves.toEqualTypeOf<Coffer>();
    // @ts-expect-error a worker is no number
    void openCoffer({ worker: 5 });
  });

  it("let drafts write what readings forbid", () => {
    void db.changeDoc(doc, (draft) => {
      draft.address.city = "Oslo";
      draft.tags.push("vip");
      delete draft.email;
      splice(draft, ["name"], 0, 0, "Dr ");
      // @ts-expect-error no such field
      draft.phone = "1";
      // @ts-expect-error not a number
      draft.name = 5;
    });
    const data = doc.data.value;
    expectTypeOf(data?.address.city).toEqualTypeOf<string | undefined>();
    if (data === undefined) return;
    // @ts-expect-error readings are frozen
    data.name = "x";
    // @ts-expect-error lists too
    data.tags.push("x");
  });

  it("know what was selected", () => {
    expectTypeOf(doc.select((data) => data.tags.length)).toEqualTypeOf<ReadonlySignal<number | undefined>>();
  });

  it("take values of the database's type only", () => {
    expectTypeOf<Parameters<Database<Contact>["createDocument"]>>().toEqualTypeOf<[Contact]>();
    // @ts-expect-error tags and address are missing
    void db.createDocument({ name: "Ada" });
  });

  it("know what a schema describes, and what changed", () => {
    const schema = {} as StandardSchema<Contact>;
    expectTypeOf(tenant.openDB("contacts", { schema })).resolves.toEqualTypeOf<Database<Contact>>();
    // @ts-expect-error no such field
    void tenant.openDB("contacts", { schema, defaults: { phone: "1" } });
    expectTypeOf(db.iterateChangesSince()).toEqualTypeOf<
      AsyncIterable<{ readonly doc: ChangedDocument<Contact>; readonly cursor: string }>
    >();
    expectTypeOf(db.branch(doc, "draft")).resolves.toEqualTypeOf<Doc<Contact>>();
    expectTypeOf(tenant.exportBackup).returns.toEqualTypeOf<ReadableStream<Uint8Array>>();
    void db.changeDocs(["id"], (draft, id) => {
      draft.name = id;
      // @ts-expect-error no such field
      draft.phone = id;
    });
  });

  it("take views of several databases", () => {
    const coffer = {} as Coffer;
    const view = coffer.view({
      sources: [{ origin: "eu", db, filter: eq("type", "task") }],
      columns: [category("team"), sorted("name", { order: "desc" }), display("mail"), total("*", "count")],
      uncategorised: "hidden",
    });
    expectTypeOf(view).resolves.toEqualTypeOf<View>();
    expectTypeOf<View["state"]>().toEqualTypeOf<ReadonlySignal<ViewState>>();
    expectTypeOf<View["rows"]["value"]>().not.toEqualTypeOf<readonly unknown[]>();
    // @ts-expect-error no such total
    total("salary", "median");
    // @ts-expect-error no such order
    sorted("name", { order: "up" });
    // @ts-expect-error columns are missing
    void coffer.view({ sources: [{ origin: "eu", db }] });
    // @ts-expect-error a function cannot cross
    display("name", { expr: (row: Contact) => row.name });
  });

  it("take definitions of plain data", () => {
    const live = db.query({
      filter: and(eq("type", "task"), isIn("status", ["open", null])),
      sort: [{ field: "due" }],
    });
    expectTypeOf(live.rows.value).toEqualTypeOf<readonly QueryRow<Contact>[]>();
    expectTypeOf(live.error.value).toEqualTypeOf<CofferError | undefined>();
    // @ts-expect-error no such order
    live.update({ sort: [{ field: "due", order: "up" }] });
    // @ts-expect-error a function cannot cross
    live.update({ filter: (row: Contact) => row.name === "" });
  });

  it("know what a search finds, and how it may be asked", () => {
    const found = db.search("ada", { fuzzy: true, prefix: "last", filter: eq("name", "x"), highlight: true });
    expectTypeOf(found).resolves.toEqualTypeOf<Search<Contact>>();
    expectTypeOf<Search<Contact>["hits"]["value"]>().toEqualTypeOf<readonly SearchHit<Contact>[]>();
    expectTypeOf<SearchHit<Contact>["data"]>().toEqualTypeOf<QueryRow<Contact>["data"]>();
    // @ts-expect-error more than two letters wrong
    void db.search("ada", { fuzzy: 3 });
    // @ts-expect-error a function cannot cross
    void db.search("ada", { filter: () => true });
  });
});
