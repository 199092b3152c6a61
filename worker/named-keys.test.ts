import { expect, it } from "vitest";
import { CofferError } from "../src/std/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import { total } from "../src/view/index.ts";
import type { TenantSnapshot } from "./api.ts";
import { draft, env, newSubscription, people, startDevice, type Device } from "./device-fixtures.ts";
import { serveEachTest } from "./server-fixtures.ts";

const server = serveEachTest();

const password = { userName: undefined, password: people.userPassword, keepSession: false };
const sharePassword = "lusab-babad-gutih-tugad";

async function founded(storage: Storage = createMemoryStorage(env)) {
  const device = await startDevice(storage);
  const tenant = await device.api.createTenant(people);
  const database = newSubscription();
  await device.api.openDatabase(tenant.id, "contacts", database);
  return { device, storage, tenant, tenantId: tenant.id, database };
}

const tenantOf = ({ events }: Device): TenantSnapshot | undefined => {
  const event = events.findLast((one) => one.kind === "tenant");
  return event?.kind === "tenant" ? event.snapshot : undefined;
};

it("a key is made under a name, kept, and listed after every opening", async () => {
  const { device, storage, tenantId, tenant, database } = await founded();
  expect(tenant.keys).toEqual([]);
  await device.api.createKey(tenantId, "salaries");
  await device.api.createKey(tenantId, "cafe\u0301");
  await expect.poll(() => tenantOf(device)?.keys).toEqual(["caf\u00e9", "salaries"]);
  const [id = ""] = await device.api.createDocuments(database, [{ pay: 1 }], { keyName: "salaries" });
  await device.api.lock(tenantId);
  await expect.poll(() => tenantOf(device)?.keys).toBeUndefined();
  const fresh = await startDevice(storage);
  expect((await fresh.api.openTenant(tenantId, password)).keys).toEqual(["caf\u00e9", "salaries"]);
  const again = newSubscription();
  await fresh.api.openDatabase(tenantId, "contacts", again);
  const doc = newSubscription();
  const { value, heads } = await fresh.api.openDocument(again, id, doc);
  expect(value).toEqual({ pay: 1 });
  await fresh.api.changeDocument(doc, draft([{ op: "set", path: ["pay"], value: 2 }], heads));
  expect((await fresh.api.readDocuments(again, [id]))[0]?.snapshot.value).toEqual({ pay: 2 });
});

it("a name is taken once, whatever it is spelled like, and some are the tenant's own", async () => {
  const { device, tenantId, database } = await founded();
  await device.api.createKey(tenantId, "\ufb01nance");
  const refused = [
    "\ufb01nance",
    "finance",
    "default",
    "\uff44efault",
    "$x",
    "\uff04publicinfos",
    "",
    " a",
    "a\u0000",
  ];
  for (const name of [...refused, "x".repeat(129), "\ud800"])
    await expect(device.api.createKey(tenantId, name), name).rejects.toMatchObject({ code: "input/invalid" });
  await device.api.createKey(tenantId, "x".repeat(128));
  await expect.poll(() => tenantOf(device)?.keys).toEqual(["x".repeat(128), "\ufb01nance"]);
  const create = device.api.createDocuments(database, [{ n: 1 }], { keyName: "nobody's" });
  await expect(create).rejects.toMatchObject({ code: "key/missing" });
  expect(await device.api.documentIds(database)).toEqual([]);
});

/** A view that sums up a database's numbers; gives what it last came to. */
async function openTotals({ api, events }: Device, database: number): Promise<() => unknown> {
  const view = newSubscription();
  const definition = { columns: [total("n", "sum"), total("pay", "sum"), total("*", "count")] };
  const sources = [{ origin: "own", database, filter: undefined }];
  await api.openView({ sources, definition, state: undefined, window: { from: 0, count: 9 } }, view);
  return () => {
    const event = events.findLast((one) => one.kind === "view" && one.subscription === view);
    return event?.kind === "view" ? event.delta?.totals : undefined;
  };
}

it("tabs that make keys at the same time lose none, and each seals under the other's", async () => {
  const { device, storage, tenantId, database } = await founded();
  const tab = await startDevice(storage);
  await tab.api.openTenant(tenantId, password);
  const other = newSubscription();
  await tab.api.openDatabase(tenantId, "contacts", other);
  const totals = await openTotals(tab, other);
  const outcomes = await Promise.allSettled([
    device.api.createKey(tenantId, "a"),
    tab.api.createKey(tenantId, "b"),
    device.api.createKey(tenantId, "c"),
    tab.api.createKey(tenantId, "c"),
  ]);
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual([
    "fulfilled",
    "fulfilled",
    "fulfilled",
    "rejected",
  ]);
  const [id = ""] = await device.api.createDocuments(database, [{ n: 1 }], { keyName: "b" });
  const [back = ""] = await tab.api.createDocuments(other, [{ n: 2 }], { keyName: "a" });
  await expect.poll(() => tenantOf(tab)?.keys).toEqual(["a", "b", "c"]);
  await expect.poll(() => tenantOf(device)?.keys).toEqual(["a", "b", "c"]);
  await expect
    .poll(async () => (await tab.api.readDocuments(other, [id]))[0]?.snapshot.value)
    .toEqual({ n: 1 });
  await expect
    .poll(async () => (await device.api.readDocuments(database, [back]))[0]?.snapshot.value)
    .toEqual({ n: 2 });
  // What was sealed under a key that came later is in the view as soon as it can be read.
  await expect.poll(totals).toEqual({ "sum(n)": 3, "sum(pay)": 0, "count(*)": 2 });
});

it("who lacks the key has the commits and reads everything else; newcomers are given none", async () => {
  const owner = await founded();
  const proof = { adminKey: owner.tenant.adminUser?.key ?? "", adminPassword: people.adminPassword };
  await owner.device.api.publish(owner.tenantId, server.url, proof);
  await owner.device.api.connect(owner.tenantId, server.url);
  await owner.device.api.createKey(owner.tenantId, "salaries");
  const guest = await startDevice(createMemoryStorage(env));
  const { key } = await guest.api.createUserId("cn=guest/o=acme", "marble tunnel saffron");
  const response = await owner.device.api.approveJoinRequest(
    owner.tenantId,
    await guest.api.createJoinRequest(key),
    { ...proof, sharePassword, serverUrl: server.url, expiresInMs: 60_000 },
  );
  const joined = await guest.api.joinTenant(response, {
    key,
    password: "marble tunnel saffron",
    sharePassword,
  });
  expect(joined.keys).toEqual([]);
  const database = newSubscription();
  await guest.api.openDatabase(joined.id, "contacts", database);
  const totals = await openTotals(guest, database);
  const [secret = ""] = await owner.device.api.createDocuments(owner.database, [{ pay: 1 }], {
    keyName: "salaries",
  });
  const [open = ""] = await owner.device.api.createDocuments(owner.database, [{ n: 1 }]);
  await expect.poll(() => guest.api.documentIds(database)).toEqual([open]);
  await expect.poll(() => tenantOf(guest)?.status).toMatchObject({ unjudgedCount: 0, sealedCount: 1 });
  expect((await guest.api.readDocuments(database, [secret]))[0]?.snapshot.status).toBe("failed");
  await expect.poll(totals).toEqual({ "sum(n)": 1, "sum(pay)": 0, "count(*)": 1 });
  expect((await owner.device.api.readDocuments(owner.database, [secret]))[0]?.snapshot.value).toEqual({
    pay: 1,
  });
  const sealing = guest.api.createDocuments(database, [{ n: 1 }], { keyName: "salaries" });
  await expect(sealing).rejects.toMatchObject({ code: "key/missing" });
});

it.each([true, false])(
  "a key is made where the store does not say whether it wrote it, and wrote it: %s",
  async (isWritten) => {
    const storage = createMemoryStorage(env);
    let isSilent = false;
    const { device, tenantId, database } = await founded({
      ...storage,
      async openStore(name) {
        const store = await storage.openStore(name);
        const write = store.write.bind(store);
        store.write = async (batch) => {
          if (!isSilent || batch.slots?.some((slot) => slot.name === "bag") !== true) return write(batch);
          isSilent = false;
          if (isWritten) await write(batch);
          throw new CofferError("store/failed", { outcome: "unknown" });
        };
        return store;
      },
    });
    isSilent = true;
    await device.api.createKey(tenantId, "salaries");
    expect(isSilent).toBe(false);
    const [id = ""] = await device.api.createDocuments(database, [{ pay: 1 }], { keyName: "salaries" });
    const taken = device.api.createKey(tenantId, "salaries");
    await expect(taken).rejects.toMatchObject({ code: "input/invalid" });
    const fresh = await startDevice(storage);
    expect((await fresh.api.openTenant(tenantId, password)).keys).toEqual(["salaries"]);
    const again = newSubscription();
    await fresh.api.openDatabase(tenantId, "contacts", again);
    expect((await fresh.api.readDocuments(again, [id]))[0]?.snapshot.value).toEqual({ pay: 1 });
  },
);
