import { afterEach, describe, expect, it } from "vitest";
import {
  closeDevices,
  draft,
  env,
  newSubscription,
  people,
  startDevice,
} from "../../worker/device-fixtures.ts";
import { createMemoryStorage, type Storage, type Store } from "../store/index.ts";

afterEach(closeDevices);

const count = 300;
const open = { userName: undefined, password: people.userPassword, keepSession: false };

/** A tenant whose pages are written: some documents, one of them with a history. */
async function fill() {
  const storage = createMemoryStorage(env);
  const first = await startDevice(storage);
  const tenant = await first.api.createTenant(people);
  const database = newSubscription();
  await first.api.openDatabase(tenant.id, "notes", database);
  // The first is too long for its summary to show it whole.
  const values = Array.from({ length: count }, (_, index) => {
    return { index, born: new Date(index), text: index === 0 ? "long ".repeat(1000) : "" };
  });
  const ids = [
    ...(await first.api.createDocuments(database, values.slice(0, 200))),
    ...(await first.api.createDocuments(database, values.slice(200))),
  ];
  const doc = newSubscription();
  let { heads } = await first.api.openDocument(database, ids[0] ?? "", doc);
  for (let edit = 1; edit <= 100; edit++) {
    const message = draft([{ op: "set", path: ["edits"], value: edit }], heads);
    ({ heads } = await first.api.changeDocument(doc, message));
  }
  await first.api.deleteDocument(database, ids[1] ?? "");
  await first.api.closeTenant(tenant.id);
  return { storage, tenant, ids };
}

type Filled = Awaited<ReturnType<typeof fill>>;

/** What happens to the tenant's store while it is open in a new thread. */
interface Watched {
  readonly positions: number[];
  readonly slots: string[];
}

/** The storage, with the records that are read one by one and the pages that are written. */
function watch(storage: Storage): { storage: Storage; seen: Watched } {
  const seen: Watched = { positions: [], slots: [] };
  const openStore: Storage["openStore"] = async (name) => {
    const store = await storage.openStore(name);
    const { readRecords, readLog, write } = {
      readRecords: store.readRecords.bind(store),
      readLog: store.readLog.bind(store),
      write: store.write.bind(store),
    };
    store.readRecords = (positions) => {
      seen.positions.push(...positions);
      return readRecords(positions);
    };
    store.readLog = async (range) => {
      const records = await readLog(range);
      seen.positions.push(...records.map(({ position }) => position));
      return records;
    };
    store.write = (batch) => {
      seen.slots.push(...(batch.slots ?? []).map(({ name: slot }) => slot));
      return write(batch);
    };
    return store;
  };
  return { storage: { ...storage, openStore }, seen };
}

/** Open the tenant in a new thread and tell what it shows and what it read for that. */
async function reopen({ storage, tenant, ids }: Filled) {
  const { storage: watched, seen } = watch(storage);
  const device = await startDevice(watched);
  await device.api.openTenant(tenant.id, open);
  const database = newSubscription();
  await device.api.openDatabase(tenant.id, "notes", database);
  const query = newSubscription();
  await device.api.openQuery(
    database,
    { filter: undefined, sort: [{ field: "index", order: "desc" }], limit: 5, offset: 0 },
    query,
  );
  const answers = () =>
    device.events.filter((event) => event.kind === "query" && event.subscription === query);
  await device.until(() => answers().some((event) => event.kind === "query" && event.total === count - 1));
  const [answer] = answers();
  const readForQuery = seen.positions.length;
  const first = await device.api.openDocument(database, ids[0] ?? "", newSubscription());
  const living = await device.api.documentIds(database);
  await device.api.closeTenant(tenant.id);
  return { answer, readForQuery, first, living, seen };
}

async function tenantStore(storage: Storage): Promise<Store> {
  for (const name of await storage.listStores()) {
    const store = await storage.openStore(name);
    if ((await store.readSlots("derived/")).length > 0) return store;
    store.close();
  }
  throw new Error("no tenant has pages");
}

const sees = (shown: Awaited<ReturnType<typeof reopen>>): void => {
  expect(shown.first.value).toMatchObject({ index: 0, edits: 100 });
  expect(shown.first.value?.["born"]).toEqual(new Date(0));
  expect(shown.living.length).toBe(count - 1);
};

describe("opening from pages", () => {
  it("judges nothing again, and writes nothing when nothing changed", async () => {
    const filled = await fill();
    const shown = await reopen(filled);
    sees(shown);
    expect(shown.answer).toMatchObject({ total: count - 1, splices: [{ put: { length: 5 } }] });
    // The directory's commits, and the last one that was judged.
    expect(shown.readForQuery).toBeLessThan(10);
    // The thread that wrote them may not have judged its own last commit; now that is noted too.
    expect(shown.seen.slots.filter((name) => name.startsWith("derived/ca"))).toEqual([]);
    const again = await reopen(filled);
    sees(again);
    expect(again.seen.slots.filter((name) => name.startsWith("derived/"))).toEqual([]);
  });

  it.each(["state", "ledger/0", "catalog", "entries"])(
    "judges the log again when %s is damaged, missing, older or another one",
    async (which) => {
      const filled = await fill();
      const store = await tenantStore(filled.storage);
      const slots = await store.readSlots("derived/");
      const slot = slots.find(({ name }) => name.startsWith(`derived/${which}`));
      const other = slots.find(({ name }) => name !== slot?.name);
      if (!(slot?.value instanceof Uint8Array) || !(other?.value instanceof Uint8Array))
        throw new Error(which);
      const flipped = slot.value.slice();
      flipped[20] = (flipped[20] ?? 0) ^ 1;
      for (const value of [flipped, undefined, other.value, slot.value.slice(0, 11)]) {
        await store.write({ slots: [{ name: slot.name, value }] });
        const shown = await reopen(filled);
        sees(shown);
        expect(shown.readForQuery).toBeGreaterThan(50);
        // They are mended by that.
        expect(shown.seen.slots).toContain("derived/state");
        const mended = await reopen(filled);
        sees(mended);
        expect(mended.readForQuery).toBeLessThan(10);
      }
    },
    20_000,
  );
});

describe("a document with a long history", () => {
  it("opens from its snapshot and the entries behind it", async () => {
    const filled = await fill();
    const store = await tenantStore(filled.storage);
    const [kept] = await store.readSlots("snapshots/");
    if (kept === undefined) throw new Error("there is no snapshot");
    await store.write({ slots: [{ name: kept.name, value: undefined }] });
    // Whoever opens it keeps it.
    const cold = await reopen(filled);
    expect(cold.seen.positions.length - cold.readForQuery).toBeGreaterThan(90);
    expect(cold.seen.slots.some((name) => name.startsWith("snapshots/"))).toBe(true);
    const warm = await reopen(filled);
    sees(warm);
    expect(warm.first).toEqual(cold.first);
    expect(warm.seen.positions.length - warm.readForQuery).toBeLessThan(10);
    expect(warm.seen.slots.some((name) => name.startsWith("snapshots/"))).toBe(false);
  });

  it("opens from the log when the snapshot is damaged, gone, or another document's", async () => {
    const filled = await fill();
    await reopen(filled);
    const store = await tenantStore(filled.storage);
    const [slot] = await store.readSlots("snapshots/");
    if (!(slot?.value instanceof Uint8Array)) throw new Error("there is no snapshot");
    const flipped = slot.value.slice();
    flipped[30] = (flipped[30] ?? 0) ^ 1;
    for (const value of [flipped, undefined, new Uint8Array(5)]) {
      await store.write({ slots: [{ name: slot.name, value }] });
      const shown = await reopen(filled);
      sees(shown);
      expect(shown.seen.slots).toContain(slot.name);
    }
    const moved = slot.name.replace(filled.ids[0] ?? "", filled.ids[2] ?? "");
    await store.write({ slots: [{ name: moved, value: slot.value }] });
    sees(await reopen(filled));
  });

  it("leaves no snapshot behind when it is purged", async () => {
    const filled = await fill();
    await reopen(filled);
    const store = await tenantStore(filled.storage);
    expect((await store.readSlots("snapshots/")).length).toBe(1);
    const device = await startDevice(filled.storage);
    await device.api.openTenant(filled.tenant.id, open);
    const database = newSubscription();
    await device.api.openDatabase(filled.tenant.id, "notes", database);
    await device.api.openDocument(database, filled.ids[0] ?? "", newSubscription());
    await device.api.purgeDocument(database, filled.ids[0] ?? "");
    await device.api.closeTenant(filled.tenant.id);
    expect(await store.readSlots("snapshots/")).toEqual([]);
  });
});
