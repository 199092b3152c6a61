/** Indexes through a worker's life: declared, used, kept, found again, damaged. */
import { afterEach, expect, it } from "vitest";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import {
  closeDevices,
  draft,
  env,
  newSubscription,
  people,
  rowsBy,
  startDevice,
  type Device,
} from "./device-fixtures.ts";

afterEach(closeDevices);

const shape = { version: 0, defaults: {}, migrations: [], indexes: [["city"]] };
const inBergen = { filter: "city = 'Bergen' and n < 100", sort: [{ field: "n" }], limit: 3 };

async function slotsOf(storage: Storage, tenantId: string) {
  const store = await storage.openStore(`coffer/tenant/${tenantId}`);
  const slots = await store.readSlots("indexes/");
  store.close();
  return slots;
}

async function reopened(storage: Storage, tenantId: string): Promise<{ device: Device; database: number }> {
  const device = await startDevice(storage);
  await device.api.openTenant(tenantId, {
    userName: undefined,
    password: people.userPassword,
    keepSession: false,
  });
  const database = newSubscription();
  await device.api.openDatabase(tenantId, "people", database, shape);
  return { device, database };
}

it("are kept sealed, found again, and answer as without them, damaged or not", async () => {
  const storage = createMemoryStorage(env);
  const first = await startDevice(storage);
  const { id: tenantId } = await first.api.createTenant(people);
  const database = newSubscription();
  await first.api.openDatabase(tenantId, "people", database, shape);
  const cities = ["Oslo", "Bergen", "Narvik"];
  await first.api.createDocuments(
    database,
    Array.from({ length: 500 }, (_, n) => ({ n, city: cities[n % 3] ?? "" })),
  );
  const shown = async ({ api, events }: Device, of: number): Promise<unknown> => {
    const query = newSubscription();
    await api.openQuery(of, inBergen, query);
    await expect.poll(() => rowsBy(events, query).length).toBe(3);
    return rowsBy(events, query).map(({ value }) => value["n"]);
  };
  expect(await shown(first, database)).toEqual([1, 4, 7]);
  await expect.poll(async () => (await slotsOf(storage, tenantId)).length).toBe(1);
  await first.api.closeTenant(tenantId);
  const [kept] = await slotsOf(storage, tenantId);
  expect(Buffer.from(kept?.value as Uint8Array).toString("latin1")).not.toMatch(/city|Bergen/);
  for (const isDamaged of [false, true]) {
    const store = await storage.openStore(`coffer/tenant/${tenantId}`);
    if (isDamaged && kept !== undefined)
      await store.write({ slots: [{ name: kept.name, value: new Uint8Array(40) }] });
    store.close();
    const { device, database: again } = await reopened(storage, tenantId);
    expect(await shown(device, again)).toEqual([1, 4, 7]);
    expect(await shown(device, again)).toEqual([1, 4, 7]);
    const [made = ""] = await device.api.createDocuments(again, [{ n: 2, city: "Bergen" }]);
    const query = newSubscription();
    await device.api.openQuery(again, inBergen, query);
    await expect.poll(() => rowsBy(device.events, query).map(({ value }) => value["n"])).toEqual([1, 2, 4]);
    const doc = newSubscription();
    const { heads } = await device.api.openDocument(again, made, doc);
    await device.api.changeDocument(doc, draft([{ op: "set", path: ["city"], value: "Oslo" }], heads));
    await expect.poll(() => rowsBy(device.events, query).map(({ value }) => value["n"])).toEqual([1, 4, 7]);
    await device.api.lock(tenantId);
    await expect.poll(() => rowsBy(device.events, query)).toEqual([]);
    await device.api.unlock(tenantId, { password: people.userPassword });
    await expect.poll(() => rowsBy(device.events, query).map(({ value }) => value["n"])).toEqual([1, 4, 7]);
    await device.api.closeTenant(tenantId);
  }
});

it("are refused where they are no fields", async () => {
  const device = await startDevice(createMemoryStorage(env));
  const { id } = await device.api.createTenant(people);
  const open = (indexes: unknown): Promise<unknown> =>
    device.api.openDatabase(id, "people", newSubscription(), { ...shape, indexes } as never);
  for (const indexes of [[[]], ["city"], [[1]], 5, [["a".repeat(2000)]]])
    await expect(open(indexes)).rejects.toMatchObject({ code: "input/invalid" });
  await expect(open(Array.from({ length: 17 }, () => ["a"]))).rejects.toMatchObject({
    code: "input/too-large",
  });
});
