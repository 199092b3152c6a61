/** Views of many documents that are opened again: what is gone by, and that nobody sees a difference. */
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";
import type { Env } from "../src/std/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import { category, sorted, total, View, type ShownRow, type ViewDefinitionInput } from "../src/view/index.ts";
import type { ViewMessage, WorkerEvent } from "./api.ts";
import {
  closeDevices,
  createTabsEnv,
  draft,
  env,
  newSubscription,
  people,
  startDevice,
  withLocks,
  type Device,
} from "./device-fixtures.ts";

let building: MockInstance<View["build"]>;
beforeEach(() => {
  building = vi.spyOn(View.prototype, "build");
});
afterEach(async () => {
  await closeDevices();
  building.mockRestore();
});

const definition: ViewDefinitionInput = {
  columns: [category("team"), sorted("name"), total("n", "sum"), total("*", "count")],
  locale: "en",
};
const state = { version: 1, expandedTo: 9, flipped: [], selected: [] } as const;
const documentCount = 2500;
const teams = ["sea", "red", "sky", "ash"];
const valueOf = (index: number) => ({
  team: teams[index % 4] ?? "",
  name: `name ${(index * 7919) % documentCount}`,
  n: index,
});

type ViewEvent = Extract<WorkerEvent, { readonly kind: "view" }>;

/** One run of the application with a view over databases of its tenants. */
class Run {
  readonly device: Device;
  readonly view = newSubscription();
  readonly databases: number[] = [];

  private constructor(device: Device) {
    this.device = device;
  }

  static async start(storage: Storage, world: Env = env): Promise<Run> {
    return new Run(await startDevice(storage, world));
  }

  async found(tenantName: string): Promise<string> {
    const { id } = await this.device.api.createTenant({ ...people, tenantName });
    await this.#openDatabase(id);
    return id;
  }

  async reopen(tenantId: string): Promise<void> {
    const password = people.userPassword;
    await this.device.api.openTenant(tenantId, { userName: undefined, password, keepSession: false });
    await this.#openDatabase(tenantId);
  }

  async #openDatabase(tenantId: string): Promise<void> {
    const database = newSubscription();
    await this.device.api.openDatabase(tenantId, "people", database);
    this.databases.push(database);
  }

  async fill(database: number): Promise<readonly string[]> {
    const values = Array.from({ length: documentCount }, (_, index) => valueOf(index));
    const ids: string[] = [];
    for (let from = 0; from < documentCount; from += 250)
      ids.push(...(await this.device.api.createDocuments(database, values.slice(from, from + 250))));
    return ids;
  }

  async open(more: Partial<ViewMessage> = {}): Promise<void> {
    const sources = this.databases.map((database, index) => ({
      origin: `o${index}`,
      database,
      filter: undefined,
    }));
    const message = { sources, definition, state, window: { from: 0, count: 50 }, ...more };
    await this.device.api.openView(message, this.view);
    await this.device.until(() => {
      const last = this.#events.at(-1);
      return last?.status === "ready" && last.progress === undefined;
    });
  }

  get #events(): readonly ViewEvent[] {
    return this.device.events.filter(
      (event): event is ViewEvent => event.kind === "view" && event.subscription === this.view,
    );
  }

  get rowCount(): number | undefined {
    return this.#events.at(-1)?.delta?.rowCount;
  }

  /** Everything that the view shows. */
  async shown(): Promise<readonly ShownRow[]> {
    const rows: ShownRow[] = [];
    for (;;) {
      const more = await this.device.api.askView(this.view, { ask: "read", from: rows.length, count: 1000 });
      if (!Array.isArray(more) || more.length === 0) return rows;
      rows.push(...(more as readonly ShownRow[]));
    }
  }

  /** The same, by a view that nothing is kept of: its name is another one. */
  async shownAfresh(): Promise<readonly ShownRow[]> {
    const other = new Run(this.device);
    other.databases.push(...this.databases);
    const filter = { op: "exists" as const, args: [{ op: "field" as const, path: ["name"] }] };
    await other.open({ definition: { ...definition, filter } });
    expect(other.knownCount).toBe(0);
    const rows = await other.shown();
    await this.device.api.closeView(other.view);
    return rows;
  }

  /** How many documents the view that was built last took from what was kept. */
  get knownCount(): number {
    const known = building.mock.lastCall?.[1] ?? [];
    return known.reduce((sum, { rows }) => sum + rows.length, 0);
  }
}

const keptSlots = async (storage: Storage, tenantId: string): Promise<readonly string[]> => {
  const store = await storage.openStore(`coffer/tenant/${tenantId}`);
  const slots = await store.readSlots("views/");
  store.close();
  return slots.map(({ name }) => name).filter((name) => !name.endsWith("/state"));
};

async function untilKept(storage: Storage, tenantId: string): Promise<void> {
  while ((await keptSlots(storage, tenantId)).length === 0)
    await new Promise((resolve) => void setTimeout(resolve, 20));
}

async function filled(): Promise<{ storage: Storage; tenantId: string; ids: readonly string[] }> {
  const storage = createMemoryStorage(env);
  const run = await Run.start(storage);
  const tenantId = await run.found("acme");
  const ids = await run.fill(run.databases[0] ?? 0);
  await run.open();
  await untilKept(storage, tenantId);
  await closeDevices();
  return { storage, tenantId, ids };
}

async function change(run: Run, id: string, path: string, value: string | number): Promise<void> {
  const doc = newSubscription();
  const { heads } = await run.device.api.openDocument(run.databases[0] ?? 0, id, doc);
  await run.device.api.changeDocument(doc, draft([{ op: "set", path: [path], value }], heads));
  await run.device.api.closeDocument(doc);
}

describe("a view of many documents that is opened again", () => {
  it("asks for no category and sorts nothing, and then lives", async () => {
    const { storage, tenantId, ids } = await filled();
    const run = await Run.start(storage);
    await run.reopen(tenantId);
    await run.open();
    expect(run.knownCount).toBe(documentCount);
    const rows = await run.shown();
    expect(rows).toHaveLength(documentCount + teams.length);
    expect(rows).toEqual(await run.shownAfresh());
    await change(run, ids[3] ?? "", "team", "new");
    await run.device.api.deleteDocument(run.databases[0] ?? 0, ids[4] ?? "");
    await run.device.api.createDocuments(run.databases[0] ?? 0, [{ team: "red", name: "a first one", n: 1 }]);
    await run.device.until(() => run.rowCount === documentCount + 5);
    expect(await run.shown()).toEqual(await run.shownAfresh());
  });

  it("looks anew at what was written while it was closed, and at little else", async () => {
    const { storage, tenantId, ids } = await filled();
    const between = await Run.start(storage);
    await between.reopen(tenantId);
    await change(between, ids[0] ?? "", "team", "new");
    await change(between, ids[1] ?? "", "n", 1e6);
    await between.device.api.deleteDocument(between.databases[0] ?? 0, ids[2] ?? "");
    await between.device.api.createDocuments(between.databases[0] ?? 0, [{ team: "ash", name: "a", n: 2 }]);
    await closeDevices();
    const run = await Run.start(storage);
    await run.reopen(tenantId);
    await run.open();
    expect(run.knownCount).toBeGreaterThan(documentCount / 2);
    expect(run.knownCount).toBeLessThan(documentCount);
    const rows = await run.shown();
    expect(rows).toEqual(await run.shownAfresh());
    expect(rows.filter(({ kind }) => kind === "category")).toHaveLength(5);
  });

  it("is built of several tenants, each of which keeps its own", async () => {
    const storage = createMemoryStorage(env);
    const first = await Run.start(storage);
    const tenants = [await first.found("acme"), await first.found("other")];
    for (const database of first.databases) await first.fill(database);
    await first.open();
    for (const tenantId of tenants) await untilKept(storage, tenantId);
    await closeDevices();
    const run = await Run.start(storage);
    for (const tenantId of tenants) await run.reopen(tenantId);
    await run.open();
    expect(run.knownCount).toBe(2 * documentCount);
    expect(await run.shown()).toEqual(await run.shownAfresh());
    await run.device.api.lock(tenants[0] ?? "");
    await run.device.until(() => run.rowCount === documentCount + teams.length);
    expect(run.knownCount).toBe(documentCount);
    expect(await run.shown()).toHaveLength(documentCount + teams.length);
  });

  it.each(["tampered with", "put in the place of another", "gone"])(
    "is built afresh where what was kept is %s",
    async (how) => {
      const { storage, tenantId } = await filled();
      const store = await storage.openStore(`coffer/tenant/${tenantId}`);
      const [name = ""] = await keptSlots(storage, tenantId);
      const slot = await store.readSlot(name);
      if (!(slot?.value instanceof Uint8Array)) throw new Error("Nothing was kept");
      const damaged = slot.value.slice();
      damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] ?? 0) ^ 1;
      const other = (await store.readSlots("derived/catalog/"))[0]?.value;
      const value = how === "gone" ? undefined : how === "tampered with" ? damaged : other;
      await store.write({ slots: [{ name, value }] });
      store.close();
      const run = await Run.start(storage);
      await run.reopen(tenantId);
      await run.open();
      expect(run.knownCount).toBe(0);
      expect(await run.shown()).toEqual(await run.shownAfresh());
    },
  );

  it("keeps nothing of a document that is purged, and no word that can be read", async () => {
    const { storage, tenantId, ids } = await filled();
    const store = await storage.openStore(`coffer/tenant/${tenantId}`);
    for (const { value } of await store.readSlots("views/"))
      expect(value instanceof Uint8Array && Buffer.from(value).includes("sky")).toBe(false);
    store.close();
    const run = await Run.start(storage);
    await run.reopen(tenantId);
    await run.device.api.purgeDocument(run.databases[0] ?? 0, ids[0] ?? "");
    expect(await keptSlots(storage, tenantId)).toEqual([]);
    await run.open();
    expect(run.knownCount).toBe(0);
    expect(await run.shown()).toHaveLength(documentCount - 1 + teams.length);
  });
});

describe("tabs that open the same view", () => {
  async function withoutKept(): Promise<{ storage: Storage; tenantId: string }> {
    const { storage, tenantId } = await filled();
    const store = await storage.openStore(`coffer/tenant/${tenantId}`);
    const slots = await store.readSlots("views/");
    await store.write({ slots: slots.map(({ name }) => ({ name, value: undefined })) });
    store.close();
    return { storage, tenantId };
  }

  it("build it once: the second goes by what the first has kept", async () => {
    const { storage, tenantId } = await withoutKept();
    const world = withLocks(createTabsEnv());
    const tabs = [await Run.start(storage, world), await Run.start(storage, world)];
    for (const tab of tabs) await tab.reopen(tenantId);
    building.mockClear();
    await Promise.all(tabs.map((tab) => tab.open()));
    const counts = building.mock.calls.map(([, known = []]) =>
      known.reduce((sum, { rows }) => sum + rows.length, 0),
    );
    expect(counts).toEqual([0, documentCount]);
    const [one, other] = await Promise.all(tabs.map((tab) => tab.shown()));
    expect(one).toEqual(other);
  });

  it("wait for one that is frozen no longer than they must", async () => {
    const { storage, tenantId } = await withoutKept();
    const world = withLocks(createTabsEnv());
    let isAsked = false;
    const frozen: Env = {
      ...world,
      setTimer: (afterMs, run) => world.setTimer(afterMs === 3_000 ? 50 : afterMs, run),
      // Whoever has the turn does nothing, and does not end.
      withLock: (name, options, run) => {
        if (!name.startsWith("coffer-view/")) return world.withLock(name, options, run);
        isAsked = true;
        return new Promise((_, reject) => {
          options.signal?.addEventListener("abort", () => reject(new Error("aborted")));
        });
      },
    };
    const run = await Run.start(storage, frozen);
    await run.reopen(tenantId);
    await run.open();
    expect(isAsked).toBe(true);
    expect(run.knownCount).toBe(0);
    expect(await run.shown()).toHaveLength(documentCount + teams.length);
  });
});
