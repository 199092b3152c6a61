/** Views from the page's API to a real worker's service and back, over a real channel. */
import { effect } from "@preact/signals-core";
import { expose, transferHandlers, type Endpoint } from "comlink";
import { afterEach, describe, expect, it } from "vitest";
import { env, people, startDevice } from "../../worker/device-fixtures.ts";
import { gt } from "../expr/index.ts";
import { createMemoryStorage, type Storage } from "../store/index.ts";
import { category, display, sorted, total, type ShownRow } from "../view/index.ts";
import { openCofferWith } from "./coffer.ts";
import { installErrorTransfer, isCofferError } from "../std/index.ts";
import type { WorkerSource } from "./connect.ts";
import type { Coffer, Database, Tenant } from "./types.ts";
import type { View } from "./view-types.ts";

interface Person {
  team: string;
  name: string;
  n: number;
}

installErrorTransfer(transferHandlers as never);

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** A page with a real worker's service, which `kill` replaces by another one. */
async function openPage(
  storage: Storage = createMemoryStorage(env),
): Promise<{ coffer: Coffer; kill: () => void }> {
  let die = (): void => undefined;
  const spawn: WorkerSource["spawn"] = () => {
    const { port1, port2 } = new MessageChannel();
    const device = startDevice(storage, env, undefined, (events) => port2.postMessage({ events }));
    const api = device.then(({ api: own }) => own);
    const calls = new Proxy(
      {},
      {
        get:
          (_, name: string) =>
          async (...args: unknown[]) =>
            name === "start"
              ? undefined
              : (((await api) as never)[name] as (...all: unknown[]) => unknown)(...args),
      },
    );
    expose(calls, port2 as unknown as Endpoint);
    return {
      endpoint: port1 as unknown as Endpoint,
      onError: (listener) => (die = listener),
      end: () => {
        port1.close();
        port2.close();
      },
    };
  };
  const pageEnv = { ...env, withLock: () => new Promise<never>(() => undefined) };
  const coffer = await openCofferWith({ env: pageEnv, source: { spawn, again: true } });
  closing.push(() => coffer.close());
  return { coffer, kill: () => die() };
}

async function open(coffer: Coffer, tenantId = "acme"): Promise<{ tenant: Tenant; db: Database<Person> }> {
  const { tenant } = await coffer.createTenant({ ...people, tenantId });
  return { tenant, db: await tenant.openDB<Person>("people") };
}

const columns = [category("team"), sorted("name"), display("n"), total("n", "sum"), total("*", "count")];
const all = { version: 1, expandedTo: 9, flipped: [], selected: [] } as const;

const outline = (rows: readonly ShownRow[] | undefined): readonly string[] | undefined =>
  rows?.map(
    (row) =>
      "  ".repeat(row.level) + (row.kind === "category" ? String(row.value) : String(row.values["name"])),
  );

async function shows(view: View, wanted: readonly string[] | undefined): Promise<void> {
  await expect.poll(() => outline(view.rows.value)).toEqual(wanted);
}

const ada: Person = { team: "red", name: "ada", n: 1 };
const bob: Person = { team: "red", name: "bob", n: 2 };
const cyd: Person = { team: "sea", name: "cyd", n: 4 };

describe("a view on the page", () => {
  it("has rows and totals as signals, that change only where something did", async () => {
    const { coffer } = await openPage();
    const { db } = await open(coffer);
    await db.createDocuments([bob, cyd]);
    const view = await coffer.view({ sources: [{ origin: "eu", db }], columns, state: all });
    await shows(view, ["red", "  bob", "sea", "  cyd"]);
    expect(view.total.value).toEqual({
      rowCount: 4,
      documentCount: 2,
      totals: { "sum(n)": 6, "count(*)": 2 },
    });
    expect(view.status.value).toBe("ready");
    const before = view.rows.value;
    const heard: unknown[] = [];
    const stop = effect(() => void heard.push(view.rows.value));
    const [id = ""] = await db.createDocuments([ada]);
    await shows(view, ["red", "  ada", "  bob", "sea", "  cyd"]);
    expect(view.rows.value?.[2]).toBe(before?.[1]);
    expect(view.rows.value?.[3]).toBe(before?.[2]);
    expect(heard).toHaveLength(2);
    stop();
    const doc = await db.getDocument(id);
    await db.changeDoc(doc, (draft) => {
      draft.team = "sea";
    });
    await shows(view, ["red", "  bob", "sea", "  ada", "  cyd"]);
    view.dispose();
    await expect(view.find("/0sred")).rejects.toMatchObject({ code: "store/closed" });
  });

  it("has the very rows of before where what is searched for marks the same words", async () => {
    const { coffer } = await openPage();
    const { db } = await open(coffer);
    await db.createDocuments([ada, bob, cyd]);
    const view = await coffer.view({
      sources: [{ origin: "eu", db }],
      columns,
      state: all,
      search: { text: "ad" },
    });
    await shows(view, ["red", "  ada"]);
    const before = view.rows.value;
    expect(before?.[1]).toMatchObject({ marks: [{ column: "name", from: 0, to: 3 }] });
    const heard: unknown[] = [];
    const stop = effect(() => void heard.push(view.rows.value));
    await view.search("ada");
    await view.search("ada", { fields: ["name"] });
    expect(heard).toEqual([before]);
    expect(view.rows.value).toBe(before);
    await view.search("c");
    await shows(view, ["sea", "  cyd"]);
    await view.search(" ");
    await shows(view, ["red", "  ada", "  bob", "sea", "  cyd"]);
    expect(view.rows.value?.some((row) => "marks" in row)).toBe(false);
    stop();
    view.dispose();
  });

  it("is expanded, selected, read and asked", async () => {
    const { coffer } = await openPage();
    const { db } = await open(coffer);
    await db.createDocuments([ada, bob, cyd]);
    const view = await coffer.view({
      sources: [{ origin: "eu", db }],
      columns,
      window: { from: 0, count: 3 },
    });
    await shows(view, ["red", "sea"]);
    await view.expand(["red"]);
    expect(outline(view.rows.value)).toEqual(["red", "  ada", "  bob"]);
    await view.window({ from: 1, count: 3 });
    expect(view.from.value).toBe(1);
    expect(outline(view.rows.value)).toEqual(["  ada", "  bob", "sea"]);
    await view.collapse("/0sred");
    expect(outline(view.rows.value)).toEqual(["red", "sea"]);
    await view.expandAll();
    expect(view.state.value.expandedTo).toBeGreaterThan(1);
    await view.collapseAll();
    await view.reveal({ values: ["red", "bob"] });
    const found = await view.find({ values: ["red", "bob"] });
    expect(found).toMatchObject({ index: 2, position: "1.2", parents: [{ value: "red", expanded: true }] });
    await view.select(found?.row.key ?? "");
    expect(view.state.value.selected).toEqual([found?.row.key]);
    expect((await view.range("/0sred", "/0ssea")).map(({ selected }) => selected)).toEqual([
      false,
      false,
      true,
      false,
    ]);
    expect(outline(await view.children("/0ssea"))).toEqual(["  cyd"]);
    expect(outline(await view.read({ from: 3, count: 9 }))).toEqual(["sea"]);
    const { state } = view;
    const kept = JSON.parse(JSON.stringify(state.value)) as typeof state.value;
    await view.expandTo(0);
    await view.restore(kept);
    expect(outline(view.rows.value)).toEqual(["red", "  ada", "  bob"]);
  });

  it("says where a definition is wrong, and what is no database", async () => {
    const { coffer } = await openPage();
    const { db } = await open(coffer);
    const codeOf = async (call: Promise<unknown>): Promise<unknown> =>
      call.then(
        () => "fulfilled",
        (cause: unknown) => (isCofferError(cause) ? [cause.code, cause.details["at"]] : cause),
      );
    const sources = [{ origin: "eu", db }];
    expect(await codeOf(coffer.view({ sources, columns: [] }))).toEqual(["input/invalid", "columns"]);
    const nothing = { name: "x", dispose: () => undefined };
    const wrong = coffer.view({ sources: [{ origin: "eu", db: nothing }], columns });
    expect(await codeOf(wrong)).toEqual(["input/invalid", "sources.0.db"]);
    db.dispose();
    expect(await codeOf(coffer.view({ sources, columns }))).toEqual(["store/closed", undefined]);
  });

  it("shows nothing while locked, and everything again afterwards", async () => {
    const { coffer } = await openPage();
    const { db, tenant } = await open(coffer);
    await db.createDocuments([ada]);
    const view = await coffer.view({ sources: [{ origin: "eu", db }], columns });
    await shows(view, ["red"]);
    await view.expand(["red"]);
    await shows(view, ["red", "  ada"]);
    const { state } = view;
    const looked = state.value;
    expect(JSON.stringify(looked)).toContain("red");
    await tenant.lock();
    expect(view.rows.value).toBeUndefined();
    expect(view.total.value).toBeUndefined();
    expect(view.status.value).toBe("locked");
    // The names of categories are content too.
    expect(JSON.stringify(state.value)).not.toContain("red");
    await tenant.unlock({ password: people.userPassword });
    await shows(view, ["red", "  ada"]);
    expect(state.value).toEqual(looked);
  });

  it("goes on in a new worker, as it was looked at, locked or not", async () => {
    const { coffer, kill } = await openPage();
    const { db, tenant } = await open(coffer);
    const other = await open(coffer, "other");
    await db.createDocuments([ada, cyd]);
    await other.db.createDocuments([bob]);
    const sources = [
      { origin: "eu", db },
      { origin: "us", db: other.db },
    ];
    const view = await coffer.view({ sources, columns });
    await shows(view, ["red", "sea"]);
    await view.expand(["red"]);
    kill();
    await expect.poll(() => coffer.status.value.worker).toBe("ready");
    await db.createDocuments([{ team: "red", name: "eve", n: 8 }]);
    await shows(view, ["red", "  ada", "  bob", "  eve", "sea"]);
    await tenant.lock();
    await shows(view, ["red", "  bob"]);
    kill();
    await shows(view, ["red", "  bob"]);
    expect(view.locked.value).toEqual(["eu"]);
    await tenant.unlock({ password: people.userPassword });
    await shows(view, ["red", "  ada", "  bob", "  eve", "sea"]);
  });

  it("shows another definition once it is built, unless that is given up", async () => {
    const { coffer } = await openPage();
    const { db } = await open(coffer);
    await db.createDocuments([ada, bob, cyd]);
    const view = await coffer.view({ sources: [{ origin: "eu", db }], columns, state: all });
    await shows(view, ["red", "  ada", "  bob", "sea", "  cyd"]);
    const progress: number[] = [];
    await view.update(
      { columns: [sorted("name", { order: "desc" })], filter: gt("n", 1) },
      {
        onProgress: (done) => progress.push(done),
      },
    );
    expect(outline(view.rows.value)).toEqual(["cyd", "bob"]);
    expect(progress[0]).toBe(0);
    const end = new AbortController();
    const given = view.update({ columns }, { signal: end.signal });
    end.abort();
    await expect(given).rejects.toMatchObject({ code: "aborted" });
    expect(outline(view.rows.value)).toEqual(["cyd", "bob"]);
    await expect(view.update({ columns: [] })).rejects.toMatchObject({ code: "input/invalid" });
    expect(view.progress.value).toBeUndefined();
  });
});
