/** Full text through the worker's calls: found, kept, sealed, followed, and gone when it has to be. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket as NodeWebSocket } from "ws";
import { afterEach, describe, expect, it, vi } from "vitest";
import { startServer } from "../server/src/index.ts";
import { eq, field } from "../src/expr/index.ts";
import { bytesToHex, type Env } from "../src/std/index.ts";
import { createMemoryStorage, type Slot, type Storage, type Store } from "../src/store/index.ts";
import type { SearchMessage, SearchRow, WorkerEvent } from "./api.ts";
import {
  closeDevices,
  createTabsEnv,
  draft,
  env,
  newSubscription,
  people,
  startDevice,
  type Device,
  withLocks,
} from "./device-fixtures.ts";

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= NodeWebSocket as unknown as typeof WebSocket;

afterEach(closeDevices);

const byPassword = { userName: undefined, password: people.userPassword, keepSession: false };
const plain: SearchMessage = {
  text: "",
  fields: undefined,
  prefix: "last",
  fuzzy: 0,
  filter: undefined,
  sort: [],
  locale: undefined,
  limit: 50,
  offset: 0,
  highlight: false,
  excerptLength: undefined,
};

interface Opened {
  readonly device: Device;
  readonly storage: Storage;
  readonly tenantId: string;
  readonly database: number;
}

async function founded(storage: Storage = createMemoryStorage(env), world: Env = env): Promise<Opened> {
  const device = await startDevice(storage, world);
  const { id: tenantId } = await device.api.createTenant(people);
  const database = newSubscription();
  await device.api.openDatabase(tenantId, "notes", database);
  return { device, storage, tenantId, database };
}

/** The same tenant in another worker. */
async function reopened({ storage, tenantId }: Opened, world: Env = env): Promise<Opened> {
  const device = await startDevice(storage, world);
  await device.api.openTenant(tenantId, byPassword);
  const database = newSubscription();
  await device.api.openDatabase(tenantId, "notes", database);
  return { device, storage, tenantId, database };
}

/** A search as a page shows it. */
class Shown {
  readonly subscription = newSubscription();
  readonly #opened: Opened;

  constructor(opened: Opened) {
    this.#opened = opened;
  }

  get #events(): readonly Extract<WorkerEvent, { kind: "search" }>[] {
    return this.#opened.device.events.filter(
      (event) => event.kind === "search" && event.subscription === this.subscription,
    ) as never;
  }

  get last() {
    return this.#events.at(-1);
  }

  get phase(): string | undefined {
    return this.last?.status.phase;
  }

  get rows(): readonly SearchRow[] {
    const known = new Map<string, SearchRow>();
    for (const { changed } of this.#events) for (const row of changed) known.set(row.id, row);
    return (this.last?.order ?? []).map((id) => {
      const row = known.get(id);
      if (row === undefined) throw new Error("a row was told before its place");
      return row;
    });
  }

  get ids(): readonly string[] {
    return this.rows.map(({ id }) => id);
  }
}

async function search(opened: Opened, asked: Partial<SearchMessage>): Promise<Shown> {
  const shown = new Shown(opened);
  await opened.device.api.openSearch(opened.database, { ...plain, ...asked }, shown.subscription);
  await expect.poll(() => shown.phase).toBe("ready");
  return shown;
}

const storeOf = ({ storage, tenantId }: Opened): Promise<Store> =>
  storage.openStore(`coffer/tenant/${tenantId}`);

async function pagesOf(opened: Opened): Promise<readonly string[]> {
  const store = await storeOf(opened);
  const slots = await store.readSlots("text/");
  store.close();
  return slots.map(({ name }) => name.split("/")[2] ?? "");
}

async function edit({ database, device }: Opened, id: string, path: string, value: string): Promise<void> {
  const doc = newSubscription();
  const { heads } = await device.api.openDocument(database, id, doc);
  await device.api.changeDocument(doc, draft([{ op: "set", path: [path], value }], heads));
  await device.api.closeDocument(doc);
}

describe("a search", () => {
  it("finds documents by their words, marks them, and goes with filter, order and window", async () => {
    const opened = await founded();
    const [a = "", b = "", c = ""] = await opened.device.api.createDocuments(opened.database, [
      { title: "Solar panels", tags: ["roof", { deep: "Sólar water" }], kind: "a", rank: 2 },
      { title: "Water pump", body: "runs on solar power", kind: "b", rank: 1 },
      { title: "Solarium", kind: "a", rank: 3 },
    ]);
    const words = await search(opened, { text: "SOLAR", prefix: "none", highlight: true });
    expect(words.ids.toSorted()).toEqual([a, b].toSorted());
    const marks = words.rows.find(({ id }) => id === a)?.marks ?? [];
    expect(marks.toSorted((x, y) => (x.field < y.field ? -1 : 1))).toEqual([
      { field: "tags", path: ["tags", 1, "deep"], from: 0, to: 5 },
      { field: "title", path: ["title"], from: 0, to: 5 },
    ]);
    expect(words.last?.scores.length).toBe(2);
    expect(words.last?.scores.toSorted((x, y) => y - x)).toEqual(words.last?.scores);
    expect((await search(opened, { text: "sol" })).last?.total).toBe(3);
    expect((await search(opened, { text: "solar pump" })).ids).toEqual([b]);
    expect((await search(opened, { text: "sular", fuzzy: "auto", prefix: "none" })).last?.total).toBe(2);
    expect((await search(opened, { text: "solar", fields: ["body"] })).ids).toEqual([b]);
    expect((await search(opened, { text: "" })).last?.total).toBe(0);
    const filtered = await search(opened, { text: "sol", filter: eq(field("kind"), "a") });
    expect(filtered.ids.toSorted()).toEqual([a, c].toSorted());
    const sorted = await search(opened, { text: "sol", sort: [{ field: "rank" }], limit: 2, offset: 1 });
    expect(sorted.ids).toEqual([a, c]);
    expect(sorted.last?.total).toBe(3);
    await opened.device.api.updateSearch(sorted.subscription, { ...plain, text: "water" });
    await expect.poll(() => sorted.ids.toSorted()).toEqual([a, b].toSorted());
  });

  it("follows edits, deletions and documents that come back", async () => {
    const opened = await founded();
    const { api } = opened.device;
    const [a = "", b = ""] = await api.createDocuments(opened.database, [{ title: "one" }, { title: "two" }]);
    const shown = await search(opened, { text: "two", prefix: "none" });
    expect(shown.ids).toEqual([b]);
    await edit(opened, a, "title", "one, two");
    await expect.poll(() => shown.ids.toSorted()).toEqual([a, b].toSorted());
    await edit(opened, b, "title", "three");
    await expect.poll(() => shown.ids).toEqual([a]);
    await api.deleteDocument(opened.database, a);
    await expect.poll(() => shown.ids).toEqual([]);
    await api.undeleteDocument(opened.database, a);
    await expect.poll(() => shown.ids).toEqual([a]);
    const [c = ""] = await api.createDocuments(opened.database, [{ title: "two" }]);
    await expect.poll(() => shown.ids.toSorted()).toEqual([a, c].toSorted());
    await api.closeSearch(shown.subscription);
    const count = opened.device.events.length;
    await api.createDocuments(opened.database, [{ title: "two" }]);
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
    expect(opened.device.events.slice(count).some(({ kind }) => kind === "search")).toBe(false);
  });

  it("knows the whole text of a document, however long, without Automerge where it was never edited", async () => {
    const storage = createMemoryStorage(env);
    const opened = await founded(storage);
    const long = (last: string) => `${"filler ".repeat(2_000)}${last}`;
    const [a = "", b = ""] = await opened.device.api.createDocuments(opened.database, [
      { body: long("needle"), more: "x" },
      { body: long("haystack") },
    ]);
    await opened.device.api.closeTenant(opened.tenantId);
    const loadEngine = vi.fn(() => Promise.reject(new Error("not needed")));
    const device = await startDevice(storage, env, loadEngine);
    await device.api.openTenant(opened.tenantId, byPassword);
    const database = newSubscription();
    await device.api.openDatabase(opened.tenantId, "notes", database);
    const bare: Opened = { device, storage, tenantId: opened.tenantId, database };
    const found = await search(bare, { text: "needle", highlight: true });
    expect(found.rows).toMatchObject([{ id: a, isWhole: false }]);
    expect(found.rows[0]?.marks).toEqual([{ field: "body", path: ["body"], from: 14_000, to: 14_006 }]);
    expect(found.rows[0]?.excerpts).toEqual([]);
    const cut = await search(bare, { text: "needle", excerptLength: 24 });
    expect(cut.rows[0]?.marks).toEqual([]);
    const place = { field: "body", path: ["body"], from: 13_986, wholeLength: 14_006 };
    expect(cut.rows[0]?.excerpts).toEqual([
      { ...place, text: "filler filler needle", marks: [{ from: 14, to: 20 }] },
    ]);
    await device.api.updateSearch(cut.subscription, { ...plain, text: "needle", excerptLength: 16 });
    await expect.poll(() => cut.rows[0]?.excerpts[0]?.text).toBe("filler needle");
    expect(loadEngine).not.toHaveBeenCalled();
    await device.api.closeTenant(opened.tenantId);
    const third = await reopened(opened);
    const changed = await search(third, { text: "needle" });
    expect(changed.ids).toEqual([a]);
    const doc = newSubscription();
    const { heads } = await third.device.api.openDocument(third.database, b, doc);
    await third.device.api.changeDocument(
      doc,
      draft([{ op: "spliceText", path: ["body"], index: 14_000, remove: 0, insert: "needle " }], heads),
    );
    await expect.poll(() => changed.ids.toSorted()).toEqual([a, b].toSorted());
  });

  it("shows nothing while locked, and what there is after unlocking", async () => {
    const opened = await founded();
    const [a = ""] = await opened.device.api.createDocuments(opened.database, [{ title: "secret" }]);
    const shown = await search(opened, { text: "secret" });
    expect(shown.ids).toEqual([a]);
    await opened.device.api.lock(opened.tenantId);
    await expect.poll(() => shown.last).toMatchObject({ status: { phase: "locked" }, total: 0, order: [] });
    await expect(
      opened.device.api.openSearch(opened.database, { ...plain, text: "secret" }, newSubscription()),
    ).resolves.toBeUndefined();
    await opened.device.api.unlock(opened.tenantId, { password: people.userPassword });
    await expect.poll(() => shown.phase).toBe("ready");
    expect(shown.ids).toEqual([a]);
  });

  it("does not know documents whose key is missing, until it comes", async () => {
    const folder = await mkdtemp(join(tmpdir(), "coffer-test-"));
    const server = await startServer({ dataFolder: folder, port: 0 });
    try {
      const owner = await founded();
      const { api } = owner.device;
      const tenant = (await api.resumeTenant(owner.tenantId, undefined)).adminUser;
      const proof = { adminKey: tenant?.key ?? "", adminPassword: people.adminPassword };
      const other = await startDevice(createMemoryStorage(env));
      const bring = async (documents: boolean): Promise<void> => {
        const password = "marble tunnel saffron";
        const exporting = await api.openExport(owner.tenantId, { password, documents, resume: undefined });
        const importing = await other.api.openImport(password);
        for (;;) {
          const piece = await api.readExport(exporting);
          if (piece === undefined) break;
          await other.api.writeImport(importing, piece);
        }
        await other.api.finishImport(importing);
      };
      await bring(true);
      await other.api.openTenant(owner.tenantId, byPassword);
      const database = newSubscription();
      await other.api.openDatabase(owner.tenantId, "notes", database);
      const copy: Opened = { device: other, storage: owner.storage, tenantId: owner.tenantId, database };
      for (const one of [api, other.api]) {
        if (one === api) await one.publish(owner.tenantId, server.url, proof);
        await one.connect(owner.tenantId, server.url);
      }
      await api.createKey(owner.tenantId, "salaries");
      const [secret = "", typed = ""] = await api.createDocuments(
        owner.database,
        [{ pay: "plenty" }, { pay: "" }],
        { keyName: "salaries" },
      );
      for (const pay of ["p", "ple", "plenty"]) await edit(owner, typed, "pay", pay);
      const [open = ""] = await api.createDocuments(owner.database, [{ n: "plenty" }]);
      const shown = await search(copy, { text: "plenty" });
      await expect.poll(() => shown.ids).toEqual([open]);
      await expect
        .poll(() => other.events.findLast(({ kind }) => kind === "tenant"))
        .toMatchObject({
          snapshot: { status: { sealedCount: 4 } },
        });
      expect(shown.ids).toEqual([open]);
      await bring(false);
      await expect.poll(() => shown.ids.toSorted()).toEqual([secret, typed, open].toSorted());
    } finally {
      await closeDevices();
      await server.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

const hexOf = ({ value }: Slot): string => (value instanceof Uint8Array ? bytesToHex(value) : "a key");

/** Counts what a worker reads of the log, document by document. */
function counting(storage: Storage): { readonly storage: Storage; readonly reads: { count: number } } {
  const reads = { count: 0 };
  const openStore: Storage["openStore"] = async (name) => {
    const store = await storage.openStore(name);
    return new Proxy(store, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          if (key === "readRecords") reads.count += (args[0] as readonly number[]).length;
          return (value as (...all: unknown[]) => unknown).apply(target, args);
        };
      },
    });
  };
  return { storage: { ...storage, openStore, listStores: () => storage.listStores() }, reads };
}

describe("an index", () => {
  const long = (word: string) => ({ body: `${"filler ".repeat(1_000)}${word}` });

  /** A database of long documents that was searched, and closed. */
  async function kept(): Promise<Opened & { readonly ids: readonly string[] }> {
    const opened = await founded();
    const words = ["alpha", "beta", "gamma", ...Array.from({ length: 30 }, (_, at) => `other${at}`)];
    const ids = await opened.device.api.createDocuments(opened.database, words.map(long));
    await search(opened, { text: "alpha" });
    await expect.poll(() => pagesOf(opened)).toEqual(["0", "state"]);
    await opened.device.api.closeTenant(opened.tenantId);
    return { ...opened, ids };
  }

  it("is not made of a database that nobody searches", async () => {
    const opened = await founded();
    await opened.device.api.createDocuments(opened.database, [{ title: "one" }]);
    await opened.device.api.closeTenant(opened.tenantId);
    expect(await pagesOf(opened)).toEqual([]);
  });

  it("is kept: after a restart only what changed is read again", async () => {
    const before = await kept();
    const [a = "", b = "", c = ""] = before.ids;
    const { storage, reads } = counting(before.storage);
    const opened = await reopened({ ...before, storage });
    await opened.device.api.documentIds(opened.database);
    reads.count = 0;
    const shown = await search(opened, { text: "beta" });
    expect(shown.ids).toEqual([b]);
    expect(reads.count).toBe(0);
    await opened.device.api.closeTenant(opened.tenantId);
    // A worker in which nobody searches changes one, and deletes one.
    const silent = await reopened(before);
    await edit(silent, a, "body", long("delta").body);
    await silent.device.api.deleteDocument(silent.database, c);
    await silent.device.api.closeTenant(silent.tenantId);
    const last = await reopened({ ...before, storage });
    await last.device.api.documentIds(last.database);
    reads.count = 0;
    expect((await search(last, { text: "delta" })).ids).toEqual([a]);
    // Its two entries, and what opening looks at.
    expect(reads.count).toBeGreaterThanOrEqual(2);
    expect(reads.count).toBeLessThan(6);
    expect((await search(last, { text: "alpha" })).ids).toEqual([]);
    expect((await search(last, { text: "gamma" })).ids).toEqual([]);
    expect((await search(last, { text: "beta" })).ids).toEqual([b]);
  });

  it.each(["state", "0"])("is built again when its page %s is damaged", async (page) => {
    const before = await kept();
    for (const value of [new Uint8Array(40), new Uint8Array(0), undefined]) {
      const store = await storeOf(before);
      const slots = await store.readSlots("text/");
      const name = slots.find((slot) => slot.name.endsWith(`/${page}`))?.name ?? "";
      await store.write({ slots: [{ name, value }] });
      store.close();
      const opened = await reopened(before);
      expect((await search(opened, { text: "gamma" })).ids).toEqual([before.ids[2]]);
      await expect
        .poll(
          async () => {
            const looked = await storeOf(before);
            const now = await looked.readSlot(name);
            looked.close();
            return now?.value instanceof Uint8Array && now.value.length > 40;
          },
          { timeout: 10_000 },
        )
        .toBe(true);
      await opened.device.api.closeTenant(opened.tenantId);
    }
  });

  it("loses purged documents in every tab, page and opening", async () => {
    const world = createTabsEnv();
    const opened = await founded(createMemoryStorage(env), world);
    const [a = "", b = ""] = await opened.device.api.createDocuments(opened.database, [
      { title: "common quixotic" },
      { title: "common" },
    ]);
    const shown = await search(opened, { text: "common" });
    await expect.poll(() => pagesOf(opened)).toEqual(["0", "state"]);
    const tab = await reopened(opened, world);
    const there = await search(tab, { text: "common" });
    expect(there.ids.toSorted()).toEqual([a, b].toSorted());
    const store = await storeOf(opened);
    const before = await store.readSlots("text/");
    await tab.device.api.purgeDocument(tab.database, a);
    // The page that held it is gone, or another one, when the promise resolves.
    const after = await store.readSlots("text/");
    const values = new Set(before.map(hexOf));
    expect(after.filter((slot) => values.has(hexOf(slot)))).toEqual([]);
    store.close();
    await expect.poll(() => shown.ids).toEqual([b]);
    await expect.poll(() => there.ids).toEqual([b]);
    for (const one of [opened, tab]) await one.device.api.closeTenant(one.tenantId);
    const last = await reopened(opened);
    expect((await search(last, { text: "quixotic" })).ids).toEqual([]);
    expect((await search(last, { text: "common" })).ids).toEqual([b]);
  });

  it("is built by one tab, while others wait for what it writes", async () => {
    const world = withLocks(createTabsEnv());
    const { storage, reads } = counting(createMemoryStorage(env));
    const opened = await founded(storage, world);
    const count = 300;
    const values = Array.from({ length: count }, (_, at) => ({ ...long(`w${at}`) }));
    await opened.device.api.createDocuments(opened.database, values);
    const tab = await reopened(opened, world);
    await expect.poll(async () => (await tab.device.api.documentIds(tab.database)).length).toBe(count);
    reads.count = 0;
    const both = await Promise.all([search(opened, { text: "w7" }), search(tab, { text: "w7" })]);
    // w7 and w70 to w79, whoever was asked; each document was read once.
    expect(both.map(({ last }) => last?.total)).toEqual([11, 11]);
    expect(reads.count).toBeGreaterThanOrEqual(count);
    expect(reads.count).toBeLessThan(count + 20);
  });
});
