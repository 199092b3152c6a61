/** Views that are opened again: what is shown before the catalogs are there, and when it is not. */
import { afterEach, describe, expect, it } from "vitest";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import {
  applyDelta,
  category,
  sorted,
  total,
  type ShownRow,
  type ViewDefinitionInput,
} from "../src/view/index.ts";
import type { ViewMessage, WorkerEvent } from "./api.ts";
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
  columns: [category("team"), sorted("name"), total("n", "sum"), total("*", "count")],
  locale: "en",
};
const state = { version: 1, expandedTo: 9, flipped: [], selected: [] } as const;
const ada = { team: "red", name: "ada", n: 1 };
const bob = { team: "red", name: "bob", n: 2 };
const cyd = { team: "sea", name: "cyd", n: 4 };

type ViewEvent = Extract<WorkerEvent, { readonly kind: "view" }>;

/** One run of the application: a device over a storage, with the tenant open and the view on screen. */
class Run {
  readonly device: Device;
  readonly tenantId: string;
  readonly database = newSubscription();
  view = newSubscription();

  private constructor(device: Device, tenantId: string) {
    this.device = device;
    this.tenantId = tenantId;
  }

  static async found(storage: Storage): Promise<Run> {
    const device = await startDevice(storage);
    const { id } = await device.api.createTenant({ ...people });
    const run = new Run(device, id);
    await device.api.openDatabase(id, "people", run.database);
    return run;
  }

  static async reopen(storage: Storage, tenantId: string, more: Partial<ViewMessage> = {}): Promise<Run> {
    const device = await startDevice(storage);
    await device.api.openTenant(tenantId, {
      userName: undefined,
      password: people.userPassword,
      keepSession: false,
    });
    const run = new Run(device, tenantId);
    await device.api.openDatabase(tenantId, "people", run.database);
    await run.open(more);
    return run;
  }

  async open(more: Partial<ViewMessage> = {}): Promise<void> {
    const sources = [{ origin: "o", database: this.database, filter: undefined }];
    await this.device.api.openView(
      { sources, definition, state, window: { from: 0, count: 50 }, ...more },
      this.view,
    );
  }

  get events(): readonly ViewEvent[] {
    return this.device.events.filter(
      (event): event is ViewEvent => event.kind === "view" && event.subscription === this.view,
    );
  }

  get outline(): readonly string[] | undefined {
    let rows: readonly ShownRow[] | undefined;
    for (const { delta } of this.events) rows = delta && applyDelta(rows ?? [], delta);
    return rows?.map((row) => (row.kind === "category" ? String(row.value) : String(row.values["name"])));
  }

  async built(): Promise<void> {
    await this.device.until(() => {
      const last = this.events.at(-1);
      return last?.status === "ready" && last.progress === undefined;
    });
  }

  /** the first event with rows; `progress` is set in those that were kept */
  get first(): ViewEvent | undefined {
    return this.events.find(({ delta }) => delta !== undefined);
  }
}

async function filled(): Promise<{ storage: Storage; run: Run; ids: readonly string[] }> {
  const storage = createMemoryStorage(env);
  const run = await Run.found(storage);
  const ids = await run.device.api.createDocuments(run.database, [ada, bob, cyd]);
  await run.open();
  await run.built();
  return { storage, run, ids };
}

const all = ["red", "ada", "bob", "sea", "cyd"];

describe("a view that is opened again", () => {
  it("shows what it showed before the catalogs are read, and then lives", async () => {
    const { storage, run } = await filled();
    await closeDevices();
    const again = await Run.reopen(storage, run.tenantId);
    await again.device.until(() => again.first !== undefined);
    expect(again.first).toMatchObject({ status: "ready", locked: [], progress: 0 });
    expect(again.outline).toEqual(all);
    expect(again.first?.delta).toMatchObject({ documentCount: 3, totals: { "sum(n)": 7, "count(*)": 3 } });
    await again.built();
    expect(again.outline).toEqual(all);
    await again.device.api.createDocuments(again.database, [{ team: "red", name: "abe", n: 1 }]);
    await again.device.until(() => again.outline?.length === 6);
    expect(again.outline).toEqual(["red", "abe", "ada", "bob", "sea", "cyd"]);
  });

  it("answers only when all of it is there", async () => {
    const { storage, run } = await filled();
    await closeDevices();
    const again = await Run.reopen(storage, run.tenantId);
    const { api } = again.device;
    const [read, turned] = await Promise.all([
      api.askView(again.view, { ask: "read", from: 0, count: 9 }),
      api.turnView(again.view, { turn: "expand", categories: [["red"]], isExpanded: false }),
    ]);
    expect(again.first?.progress).toBe(0);
    expect(read).toHaveLength(5);
    expect(turned.flipped).toEqual(["/0sred"]);
    await again.device.until(() => again.outline?.length === 3);
    expect(again.outline).toEqual(["red", "sea", "cyd"]);
  });

  it("is kept as it is looked at, by each definition for itself", async () => {
    const { storage, run } = await filled();
    const looked = await run.device.api.turnView(run.view, {
      turn: "expand",
      categories: [["red"]],
      isExpanded: false,
    });
    await closeDevices();
    const other = await Run.reopen(storage, run.tenantId, { definition: { columns: [sorted("name")] } });
    await other.built();
    expect(other.first?.progress).toBeUndefined();
    await closeDevices();
    const again = await Run.reopen(storage, run.tenantId, { state: looked });
    await again.device.until(() => again.first !== undefined);
    expect(again.first?.progress).toBe(0);
    expect(again.outline).toEqual(["red", "sea", "cyd"]);
  });

  it("shows nothing of before once something else was written", async () => {
    const { storage, run, ids } = await filled();
    const { api } = run.device;
    const doc = newSubscription();
    const { heads } = await api.openDocument(run.database, ids[0] ?? "", doc);
    await api.changeDocument(doc, draft([{ op: "set", path: ["name"], value: "zoe" }], heads));
    await closeDevices();
    const again = await Run.reopen(storage, run.tenantId);
    await again.device.until(() => again.first !== undefined);
    expect(again.outline).toEqual(["red", "bob", "zoe", "sea", "cyd"]);
    await again.built();
    expect(again.outline).toEqual(["red", "bob", "zoe", "sea", "cyd"]);
  });

  it("shows nothing of a document that was purged", async () => {
    const { storage, run, ids } = await filled();
    await run.device.api.closeView(run.view);
    await run.device.api.purgeDocument(run.database, ids[0] ?? "");
    await closeDevices();
    const again = await Run.reopen(storage, run.tenantId);
    await again.built();
    for (const { delta } of again.events) expect(JSON.stringify(delta?.splices ?? [])).not.toContain("ada");
    expect(again.outline).toEqual(["red", "bob", "sea", "cyd"]);
  });

  it("is taken away by locking, also while nothing but what was kept is there", async () => {
    const { storage, run } = await filled();
    await closeDevices();
    const again = await Run.reopen(storage, run.tenantId);
    await again.device.until(() => again.first !== undefined);
    await again.device.api.lock(again.tenantId);
    expect(again.events.at(-1)).toMatchObject({ status: "locked", locked: ["o"], delta: undefined });
    await again.device.api.unlock(again.tenantId, { password: people.userPassword });
    await again.built();
    expect(again.outline).toEqual(all);
  });
});
