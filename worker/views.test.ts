/** Views over the databases of real tenants, in the worker: what a page puts together from the deltas. */
import { afterEach, describe, expect, it } from "vitest";
import { compileFilter, exists, gt } from "../src/expr/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import {
  applyDelta,
  category,
  display,
  parseViewDefinition,
  sorted,
  total,
  View,
  type ShownRow,
  type ViewDefinitionInput,
} from "../src/view/index.ts";
import type { ViewMessage, WorkerApi, WorkerEvent } from "./api.ts";
import {
  closeDevices,
  draft,
  env,
  newSubscription,
  people,
  startDevice,
  type Device,
} from "./device-fixtures.ts";

afterEach(closeDevices);

const definition: ViewDefinitionInput = {
  columns: [category("team"), sorted("name"), display("n"), total("n", "sum"), total("*", "count")],
  locale: "en",
};

type ViewEvent = Extract<WorkerEvent, { readonly kind: "view" }>;

function eventsOf(device: Device, view: number): readonly ViewEvent[] {
  return device.events.filter(
    (event): event is ViewEvent => event.kind === "view" && event.subscription === view,
  );
}

/** What a page shows by the events so far; `undefined` while there are no rows. */
function rowsOf(device: Device, view: number): readonly ShownRow[] | undefined {
  let rows: readonly ShownRow[] | undefined;
  for (const { delta } of eventsOf(device, view)) rows = delta && applyDelta(rows ?? [], delta);
  return rows;
}

const outline = (rows: readonly ShownRow[] | undefined): readonly string[] | undefined =>
  rows?.map(
    (row) =>
      "  ".repeat(row.level) + (row.kind === "category" ? String(row.value) : String(row.values["name"])),
  );

interface Opened {
  readonly device: Device;
  readonly api: WorkerApi;
  readonly tenantId: string;
  readonly database: number;
}

async function openDatabase(
  storage: Storage = createMemoryStorage(env),
  tenantName = "acme",
): Promise<Opened> {
  const device = await startDevice(storage);
  const { id } = await device.api.createTenant({ ...people, tenantName });
  const database = newSubscription();
  await device.api.openDatabase(id, "people", database);
  return { device, api: device.api, tenantId: id, database };
}

async function openView(
  { device, api }: Pick<Opened, "device" | "api">,
  databases: readonly number[],
  more: Partial<ViewMessage> = {},
): Promise<number> {
  const view = newSubscription();
  const sources = databases.map((database, index) => ({ origin: `o${index}`, database, filter: undefined }));
  const state = { version: 1, expandedTo: 9, flipped: [], selected: [] } as const;
  await api.openView({ sources, definition, state, window: { from: 0, count: 50 }, ...more }, view);
  await device.until(() => eventsOf(device, view).at(-1)?.progress === undefined);
  return view;
}

const ada = { team: "red", name: "ada", n: 1 };
const bob = { team: "red", name: "bob", n: 2 };
const cyd = { team: "sea", name: "cyd", n: 4 };

async function isOutline(device: Device, view: number, wanted: readonly string[] | undefined): Promise<void> {
  const isThere = (): boolean => JSON.stringify(outline(rowsOf(device, view))) === JSON.stringify(wanted);
  await device.until(isThere);
}

describe("a view in the worker", () => {
  it("shows documents as they are written, changed, deleted and brought back", async () => {
    const opened = await openDatabase();
    const { api, device, database } = opened;
    await api.createDocuments(database, [bob]);
    const view = await openView(opened, [database]);
    expect(outline(rowsOf(device, view))).toEqual(["red", "  bob"]);
    const [id = ""] = await api.createDocuments(database, [ada, cyd]);
    await isOutline(device, view, ["red", "  ada", "  bob", "sea", "  cyd"]);
    expect(eventsOf(device, view).at(-1)?.delta).toMatchObject({ totals: { "sum(n)": 7, "count(*)": 3 } });
    const doc = newSubscription();
    const { heads } = await api.openDocument(database, id, doc);
    await api.changeDocument(doc, draft([{ op: "set", path: ["team"], value: "sea" }], heads));
    await isOutline(device, view, ["red", "  bob", "sea", "  ada", "  cyd"]);
    await api.deleteDocument(database, id);
    await isOutline(device, view, ["red", "  bob", "sea", "  cyd"]);
    await api.undeleteDocument(database, id);
    await isOutline(device, view, ["red", "  bob", "sea", "  ada", "  cyd"]);
  });

  it("tells deltas of the window, not rows that the page has", async () => {
    const opened = await openDatabase();
    const { api, device, database } = opened;
    const many = Array.from({ length: 300 }, (_, index) => ({ team: "red", name: `n${index}`, n: index }));
    await api.createDocuments(database, many);
    const view = await openView(opened, [database], { window: { from: 0, count: 10 } });
    expect(eventsOf(device, view).at(-1)?.delta).toMatchObject({ rowCount: 301, documentCount: 300 });
    expect(rowsOf(device, view)).toHaveLength(10);
    await api.moveView(view, 150, 10);
    expect(outline(rowsOf(device, view))?.[0]).toBe("  n149");
    await api.moveView(view, 153, 10);
    const delta = eventsOf(device, view).at(-1)?.delta;
    expect(delta?.splices.flatMap(({ inserted }) => inserted)).toHaveLength(3);
    const before = eventsOf(device, view).length;
    await api.createDocuments(database, [{ team: "red", name: "a first one", n: 0 }]);
    await device.until(() => eventsOf(device, view).length > before);
    const after = eventsOf(device, view).at(-1)?.delta;
    expect(after?.splices.flatMap(({ inserted }) => inserted)).toHaveLength(1);
    expect(rowsOf(device, view)).toHaveLength(10);
  });

  it("forgets everything when the tenant is locked, and shows it again when it is unlocked", async () => {
    const opened = await openDatabase();
    const { api, device, database, tenantId } = opened;
    await api.createDocuments(database, [ada]);
    const view = await openView(opened, [database]);
    await api.lock(tenantId);
    expect(eventsOf(device, view).at(-1)).toMatchObject({
      status: "locked",
      locked: ["o0"],
      delta: undefined,
    });
    expect(await api.askView(view, { ask: "read", from: 0, count: 9 })).toEqual([]);
    expect(await api.askView(view, { ask: "find", where: { values: ["red"] } })).toBeUndefined();
    await api.unlock(tenantId, { password: people.userPassword });
    await isOutline(device, view, ["red", "  ada"]);
  });

  it("takes several tenants together, and is without those that are locked", async () => {
    const opened = await openDatabase();
    const { api, device, database } = opened;
    const other = await api.createTenant({ ...people, tenantName: "other" });
    const second = newSubscription();
    await api.openDatabase(other.id, "people", second);
    await api.createDocuments(database, [ada, cyd]);
    await api.createDocuments(second, [bob]);
    const view = await openView(opened, [database, second]);
    await isOutline(device, view, ["red", "  ada", "  bob", "sea", "  cyd"]);
    expect(rowsOf(device, view)?.map((row) => (row.kind === "document" ? row.origin : ""))).toEqual([
      "",
      "o0",
      "o1",
      "",
      "o0",
    ]);
    await api.lock(other.id);
    await isOutline(device, view, ["red", "  ada", "sea", "  cyd"]);
    expect(eventsOf(device, view).at(-1)).toMatchObject({ status: "ready", locked: ["o1"] });
    await api.unlock(other.id, { password: people.userPassword });
    await isOutline(device, view, ["red", "  ada", "  bob", "sea", "  cyd"]);
    await api.closeDatabase(database);
    await isOutline(device, view, ["red", "  bob"]);
    await api.closeTenant(other.id);
    expect(eventsOf(device, view).at(-1)?.status).toBe("locked");
  });

  it("may be opened before its database, as after a restart", async () => {
    const opened = await openDatabase();
    const { api, device, tenantId, database } = opened;
    await api.createDocuments(database, [ada]);
    const later = newSubscription();
    const view = await openView(opened, [later]);
    expect(eventsOf(device, view).at(-1)?.status).toBe("locked");
    await api.openDatabase(tenantId, "people", later);
    await isOutline(device, view, ["red", "  ada"]);
  });

  it("is looked at otherwise, and says how it is looked at", async () => {
    const opened = await openDatabase();
    const { api, device, database } = opened;
    await api.createDocuments(database, [ada, bob, cyd]);
    const view = await openView(opened, [database]);
    await api.turnView(view, { turn: "expandTo", level: 0 });
    expect(outline(rowsOf(device, view))).toEqual(["red", "sea"]);
    await api.turnView(view, { turn: "expand", categories: [["sea"]], isExpanded: true });
    expect(outline(rowsOf(device, view))).toEqual(["red", "sea", "  cyd"]);
    const state = await api.turnView(view, { turn: "select", keys: ["/0ssea"], isSelected: true });
    expect(rowsOf(device, view)?.map(({ selected }) => selected)).toEqual([false, true, false]);
    expect(state).toEqual({ version: 1, expandedTo: 0, flipped: ["/0ssea"], selected: ["/0ssea"] });
    expect(await api.askView(view, { ask: "find", where: { values: ["red", "bob"] } })).toMatchObject({
      index: undefined,
      position: "1.2",
      siblingCount: 2,
      parents: [{ value: "red" }],
    });
    await api.turnView(view, { turn: "reveal", where: { values: ["red", "bob"] } });
    expect(outline(rowsOf(device, view))).toEqual(["red", "  ada", "  bob", "sea", "  cyd"]);
    await api.turnView(view, { turn: "restore", state });
    expect(outline(rowsOf(device, view))).toEqual(["red", "sea", "  cyd"]);
    const other = await openView(opened, [database], { state });
    expect(outline(rowsOf(device, other))).toEqual(["red", "sea", "  cyd"]);
    expect(
      await api.askView(view, { ask: "children", where: { key: "/0sred" }, from: 1, count: 5 }),
    ).toMatchObject([{ values: { name: "bob" } }]);
    const range = { ask: "range", from: { position: "1" }, to: { position: "2.1" } } as const;
    expect(await api.askView(view, range)).toHaveLength(3);
  });

  it("changes its definition in the background; what was asked before is told that it is not shown", async () => {
    const opened = await openDatabase();
    const { api, device, database } = opened;
    await api.createDocuments(database, [ada, bob, cyd]);
    const view = await openView(opened, [database]);
    const byName = { columns: [sorted("name", { order: "desc" })] };
    const first = api.updateView(view, { columns: [sorted("name")] });
    const second = api.updateView(view, byName);
    await expect(first).rejects.toMatchObject({ code: "aborted" });
    await second;
    expect(outline(rowsOf(device, view))).toEqual(["cyd", "bob", "ada"]);
    const third = api.updateView(view, { columns: [sorted("name")] });
    await Promise.all([api.cancelView(view), expect(third).rejects.toMatchObject({ code: "aborted" })]);
    expect(outline(rowsOf(device, view))).toEqual(["cyd", "bob", "ada"]);
    expect(eventsOf(device, view).at(-1)?.progress).toBeUndefined();
    await api.updateView(view, { ...byName, filter: gt("n", 1) });
    expect(outline(rowsOf(device, view))).toEqual(["cyd", "bob"]);
  });

  it("equals the view built afresh after much was written while it was built", async () => {
    const opened = await openDatabase();
    const { api, device, database } = opened;
    const write = async (from: number, count: number): Promise<readonly string[]> =>
      api.createDocuments(
        database,
        Array.from({ length: count }, (_, index) => ({
          team: `t${(from + index) % 7}`,
          name: `n${from + index}`,
          n: (from + index) / 10,
        })),
      );
    const ids = [...(await write(0, 500)), ...(await write(500, 500))];
    const view = newSubscription();
    const sources = [{ origin: "eu", database, filter: exists("team") }];
    const opening = api.openView(
      { sources, definition, state: undefined, window: { from: 0, count: 1000 } },
      view,
    );
    const more = write(1000, 300);
    for (const id of ids.slice(100, 130)) await api.deleteDocument(database, id);
    await Promise.all([opening, more]);
    await api.turnView(view, { turn: "expandTo", level: 3 });
    await device.until(() => eventsOf(device, view).at(-1)?.delta?.documentCount === 1270);
    const verdict = parseViewDefinition(definition);
    if (verdict.kind === "malformed") throw new Error(verdict.at);
    const afresh = new View(verdict.definition, [{ origin: "eu", matches: compileFilter(undefined) }]);
    const documents = await api.documentIds(database);
    const rows: { origin: number; row: Parameters<View["replaceSource"]>[1][number] }[] = [];
    for (let at = 0; at < documents.length; at += 64)
      for (const { docId, snapshot } of await api.readDocuments(database, documents.slice(at, at + 64)))
        rows.push({
          origin: 0,
          row: { docId, value: snapshot.value ?? {}, author: "", createdAtMs: 0, changedAtMs: 0 },
        });
    for (const _ of afresh.build(rows)) continue;
    afresh.expandTo(3);
    const shown = afresh.places(0, 1000).map((place) => afresh.show(place));
    expect(rowsOf(device, view)).toEqual(shown);
    expect(eventsOf(device, view).at(-1)?.delta).toMatchObject(afresh.total);
  });
});
