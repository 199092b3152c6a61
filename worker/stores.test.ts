import { describe, expect, it } from "vitest";
import type { DatabaseCore } from "../src/page/database.ts";
import { getStore, pullChangesFrom, pushChangesTo } from "../src/page/entry-store.ts";
import type { EntryReader, StoreEntryMetadata } from "../src/page/store-types.ts";
import { createMemoryStorage } from "../src/store/index.ts";
import { draft, env, newSubscription, people, startDevice, type Device } from "./device-fixtures.ts";
import { serveEachTest } from "./server-fixtures.ts";

/* The specification's calls, by the page's own functions over the worker: between two devices, and with a server. */

const guestPassword = "marble tunnel saffron";
const sharePassword = "lusab-babad-gutih-tugad";
const server = serveEachTest();

interface Party {
  readonly device: Device;
  readonly tenantId: string;
  readonly database: number;
  /** as the page has it */
  readonly core: DatabaseCore;
}
interface Owner extends Party {
  readonly proof: { readonly adminKey: string; readonly adminPassword: string };
}

async function openContacts(device: Device, tenantId: string): Promise<Party> {
  const database = newSubscription();
  await device.api.openDatabase(tenantId, "contacts", database);
  const call = async (run: (api: unknown) => Promise<unknown>): Promise<unknown> => run(device.api);
  const core = { call, subscription: database } as unknown as DatabaseCore;
  return { device, tenantId, database, core };
}

async function founded(): Promise<Owner> {
  const device = await startDevice(createMemoryStorage(env));
  const tenant = await device.api.createTenant(people);
  const proof = { adminKey: tenant.adminUser?.key ?? "", adminPassword: people.adminPassword };
  return { ...(await openContacts(device, tenant.id)), proof };
}

async function joined(owner: Owner, serverUrl?: string): Promise<Party & { readonly key: string }> {
  const device = await startDevice(createMemoryStorage(env));
  const { key } = await device.api.createUserId("cn=guest/o=acme", guestPassword);
  const request = await device.api.createJoinRequest(key);
  const response = await owner.device.api.approveJoinRequest(owner.tenantId, request, {
    ...owner.proof,
    sharePassword,
    serverUrl,
    expiresInMs: 60_000,
  });
  await device.api.joinTenant(response, { key, password: guestPassword, sharePassword });
  return { ...(await openContacts(device, owner.tenantId)), key };
}

const idsOf = async ({ device, database }: Party): Promise<readonly string[]> =>
  (await device.api.documentIds(database)).toSorted();
const add = ({ device, database }: Party, ...names: readonly string[]) =>
  device.api.createDocuments(
    database,
    names.map((name) => ({ name, notes: "" })),
  );

async function scanned(store: EntryReader): Promise<readonly StoreEntryMetadata[]> {
  const all: StoreEntryMetadata[] = [];
  let cursor: string | undefined;
  for (;;) {
    const { entries, hasMore, nextCursor } = await store.scanEntriesSince(cursor, 5);
    all.push(...entries);
    if (!hasMore) return all;
    cursor = nextCursor;
  }
}

describe("changes between two devices' stores", () => {
  it("are pulled and pushed, merged and shown when the call is over, and then there is nothing to bring", async () => {
    const owner = await founded();
    const guest = await joined(owner);
    const ids = [...(await add(owner, "a", "b", "c")), ...(await add(owner, "d"))];
    const [there, here] = [await getStore(owner.core), await getStore(guest.core)];
    expect(await pullChangesFrom(guest.core, there)).toMatchObject({ refusedCount: 0 });
    expect(await idsOf(guest)).toEqual(ids.toSorted());
    const doc = newSubscription();
    const { heads } = await guest.device.api.openDocument(guest.database, ids[0] ?? "", doc);
    const operation = {
      op: "spliceText",
      path: ["notes"],
      index: 0,
      remove: 0,
      insert: "by the guest",
    } as const;
    await guest.device.api.changeDocument(doc, draft([operation], heads));
    expect(await pushChangesTo(guest.core, there)).toEqual({ newCount: 1, refusedCount: 0 });
    const shown = await owner.device.api.openDocument(owner.database, ids[0] ?? "", newSubscription());
    expect(shown.value).toEqual({ name: "a", notes: "by the guest" });
    expect(await pullChangesFrom(owner.core, here)).toEqual({ newCount: 0, refusedCount: 0 });
    const change = (await scanned(here)).find(({ entryType }) => entryType === "doc_change");
    const [own, created] = await here.resolveDependencies(change?.id ?? "");
    expect(own).toBe(change?.id);
    expect(created).toContain(change?.dependencies[0]);
    expect(await there.findNewEntries((await scanned(here)).map(({ id }) => id))).toEqual([]);
  });

  it("give nothing readable, and only to databases of the same tenant and name", async () => {
    const owner = await founded();
    await add(owner, "Ada Lovelace");
    const store = await getStore(owner.core);
    const ids = (await scanned(store)).map(({ id }) => id);
    const told = JSON.stringify([await scanned(store), await store.getEntries(ids)], (_, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value,
    );
    expect(told).not.toMatch(/Ada|Lovelace|contacts|cn=/);
    const stranger = await founded();
    expect(await pullChangesFrom(stranger.core, store)).toMatchObject({ newCount: 0 });
    expect((await pullChangesFrom(stranger.core, store))?.refusedCount).toBeGreaterThan(1);
    expect(await idsOf(stranger)).toEqual([]);
  });

  it("end with a store that goes in circles, names what it does not give, takes nothing, or is given up", async () => {
    const owner = await founded();
    await add(owner, "a");
    const store = await getStore(owner.core);
    const guest = await joined(owner);
    const circling: EntryReader = {
      ...store,
      scanEntriesSince: async () => ({ entries: [], nextCursor: "e.1", hasMore: true }),
    };
    await expect(pullChangesFrom(guest.core, circling)).rejects.toMatchObject({ code: "protocol/malformed" });
    let turn = 0;
    const endless: EntryReader = {
      ...store,
      scanEntriesSince: async () => ({ entries: [], nextCursor: `e.${++turn}`, hasMore: true }),
    };
    await expect(pullChangesFrom(guest.core, endless)).rejects.toMatchObject({ code: "protocol/malformed" });
    const withholding = { ...store, getEntries: async () => [] };
    expect(await pullChangesFrom(guest.core, withholding)).toEqual({ newCount: 0, refusedCount: 0 });
    const { putEntries: _, resolveDependencies: __, ...readOnly } = store;
    await expect(pushChangesTo(guest.core, readOnly)).rejects.toMatchObject({ code: "input/invalid" });
    const signal = AbortSignal.abort();
    await expect(pullChangesFrom(guest.core, store, { signal })).rejects.toMatchObject({ code: "aborted" });
    await expect(
      owner.device.api.callStore(owner.database, { server: undefined, directory: false }, "constructor", []),
    ).rejects.toMatchObject({
      code: "input/invalid",
    });
  });
});

describe("a server's store", () => {
  it("is asked through the link, and a device that was revoked is told nothing", async () => {
    const owner = await founded();
    await owner.device.api.publish(owner.tenantId, server.url, owner.proof);
    await owner.device.api.connect(owner.tenantId, server.url);
    await add(owner, "a", "b");
    await owner.device.api.sync(owner.tenantId, server.url);
    const link = { url: server.url };
    const [here, there] = [await getStore(owner.core), await getStore(owner.core, link)];
    const own = (await scanned(here)).map(({ id }) => id);
    expect((await scanned(there)).map(({ id }) => id).toSorted()).toEqual(own.toSorted());
    expect(await there.hasEntries([...own, "absent"])).toEqual(own);
    expect((await there.getEntries(own)).map(({ id }) => id).toSorted()).toEqual(own.toSorted());
    expect(await there.findNewEntries(own)).toEqual([]);
    const { commitCount, entryCount } = await there.getCompactionStatus();
    expect([commitCount, entryCount]).toEqual([1, 2]);
    expect((await there.getIdBloomSummary()).entryCount).toBe(2);
    await expect(there.putEntries([])).rejects.toMatchObject({ code: "input/invalid" });
    const elsewhere = await getStore(owner.core, { url: "http://127.0.0.1:9" });
    await expect(elsewhere.hasEntries(own)).rejects.toMatchObject({ code: "input/unknown-id" });
    const guest = await joined(owner, server.url);
    const asGuest = await getStore(guest.core, link);
    await expect.poll(() => idsOf(guest)).toHaveLength(2);
    expect(await asGuest.hasEntries(own)).toEqual(own);
    await owner.device.api.revokeUser(owner.tenantId, guest.key, owner.proof);
    await owner.device.api.sync(owner.tenantId, server.url);
    await expect(asGuest.hasEntries(own)).rejects.toMatchObject({ code: "access/revoked" });
  });

  it("is pulled from and pushed to by its link, which brings both ways", async () => {
    const owner = await founded();
    await owner.device.api.publish(owner.tenantId, server.url, owner.proof);
    await owner.device.api.connect(owner.tenantId, server.url);
    const guest = await joined(owner, server.url);
    const linkOf = ({ device, tenantId }: Party) => ({
      sync: async () => device.api.sync(tenantId, server.url),
    });
    const ids = await add(owner, "a");
    expect(await pushChangesTo(owner.core, linkOf(owner))).toBeUndefined();
    expect(await pullChangesFrom(guest.core, linkOf(guest))).toBeUndefined();
    await expect.poll(() => idsOf(guest)).toEqual(ids);
  });
});
