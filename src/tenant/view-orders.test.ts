/** What is gathered of a view's order to be kept: documents by their numbers, and none that another tab purged. */
import { expect, test } from "vitest";
import { createWebCrypto } from "../crypto/index.ts";
import { bytesToId, createSystemEnv, type DocId } from "../std/index.ts";
import { category, parseViewDefinition, sorted, View, type ViewRow } from "../view/index.ts";
import type { SourceRows } from "./kept-window.ts";
import type { ViewOrder } from "./view-order.ts";
import { ViewOrders } from "./view-orders.ts";
import type { GatherOrder } from "./view-pages.ts";

const documentCount = 2100;
const nameOf = (index: number): string => `name ${String((index * 7919) % documentCount).padStart(4, "0")}`;

/** what was gathered for documents of which these are on the list of those that were purged */
async function gathered(purged: readonly string[], present = documentCount): Promise<ViewOrder | undefined> {
  const rows = Array.from({ length: documentCount }, (_, index) => ({
    docId: `doc${index}`,
    number: 3 * index,
    value: { team: index % 2 === 0 ? "red" : "sea", name: nameOf(index) },
    author: "ada",
    createdAtMs: 1,
    changedAtMs: 1,
  }));
  const verdict = parseViewDefinition({ columns: [category("team"), sorted("name")], locale: "en" });
  if (verdict.kind === "malformed") throw new Error(verdict.at);
  const view = new View(verdict.definition, [{ origin: "own", matches: () => true }]);
  for (const _ of view.build(rows.map((row: ViewRow) => ({ origin: 0, row }))));
  const known = new Map(rows.slice(0, present).map((row) => [row.docId, row]));
  let order: ViewOrder | undefined;
  const source = {
    orders: {
      users: new Set(),
      write: async (gather: GatherOrder) => {
        order = gather(new Set(purged as readonly DocId[]));
        return order !== undefined;
      },
    },
    scan: () => rows,
    flush: () => undefined,
    catalog: () => ({
      pageCount: 1,
      unread: () => [],
      page: () => [],
      stamps: { of: () => "01".repeat(12) },
      get: (docId: string) => known.get(docId),
    }),
    storeName: "tenant",
    dbId: bytesToId("DbId", new Uint8Array(16).fill(7)),
    shape: undefined,
    crypto: createWebCrypto(),
  } as unknown as SourceRows;
  const orders = new ViewOrders(
    createSystemEnv(),
    [{ origin: "own", database: 1, filter: undefined }],
    () => view,
  );
  orders.attach(0, source);
  await orders.save();
  orders.close();
  return order;
}

test("documents are gathered by their numbers, each in its category, in the order of the view", async () => {
  const order = await gathered([]);
  const numbers = (rest: number): readonly number[] =>
    Array.from({ length: documentCount }, (_, index) => index)
      .filter((index) => index % 2 === rest)
      .map((index) => ({ index, name: nameOf(index) }))
      .toSorted((one, other) => (one.name < other.name ? -1 : 1))
      .map(({ index }) => 3 * index);
  expect(order?.categories).toEqual([
    { parent: undefined, step: undefined, documents: [] },
    { parent: 0, step: { column: 0, value: "red" }, documents: numbers(0) },
    { parent: 0, step: { column: 0, value: "sea" }, documents: numbers(1) },
  ]);
});

test("nothing is gathered while a document is here that another tab purged", async () => {
  expect(await gathered(["doc2099"])).toBeUndefined();
  expect(await gathered(["of another database"])).toBeDefined();
  // It is gone from the catalog.
  expect(await gathered(["doc2099"], documentCount - 1)).toBeDefined();
});
