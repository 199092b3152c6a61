import { describe, expect, it } from "vitest";
import { CofferError } from "../src/std/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import type { TenantSnapshot } from "./api.ts";
import { draft, env, newSubscription, people, startDevice, type Device } from "./device-fixtures.ts";
import { serveEachTest } from "./server-fixtures.ts";

const guestPassword = "marble tunnel saffron";
const sharePassword = "lusab-babad-gutih-tugad";

const server = serveEachTest();

interface Party {
  readonly device: Device;
  readonly storage: Storage;
  readonly tenantId: string;
  readonly database: number;
  readonly key: string;
}

type Owner = Party & { readonly proof: { adminKey: string; adminPassword: string } };

async function opened(parts: Omit<Party, "database">): Promise<Party> {
  const database = newSubscription();
  await parts.device.api.openDatabase(parts.tenantId, "contacts", database);
  return { ...parts, database };
}

async function founded(): Promise<Owner> {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage);
  const tenant = await device.api.createTenant(people);
  const proof = { adminKey: tenant.adminUser?.key ?? "", adminPassword: people.adminPassword };
  await device.api.publish(tenant.id, server.url, proof);
  await device.api.connect(tenant.id, server.url);
  const party = await opened({ device, storage, tenantId: tenant.id, key: tenant.self?.key ?? "" });
  return { ...party, proof };
}

async function joined(
  { device: admin, proof, tenantId }: Owner,
  userName: string,
  storage: Storage = createMemoryStorage(env),
): Promise<Party> {
  const device = await startDevice(storage);
  const { key } = await device.api.createUserId(userName, guestPassword);
  const request = await device.api.createJoinRequest(key);
  const options = { ...proof, sharePassword, serverUrl: server.url, expiresInMs: 60_000 };
  const response = await admin.api.approveJoinRequest(tenantId, request, options);
  await device.api.joinTenant(response, { key, password: guestPassword, sharePassword });
  return opened({ device, storage, tenantId, key });
}

function seenBy({ device, tenantId }: Party): TenantSnapshot | undefined {
  const event = device.events.findLast((one) => one.kind === "tenant" && one.tenantId === tenantId);
  return event?.kind === "tenant" ? event.snapshot : undefined;
}

async function valueOf({ database, device }: Party, id: string): Promise<unknown> {
  return (await device.api.openDocument(database, id, newSubscription())).value;
}

const create = async ({ database, device }: Party, value: object, keyName?: string): Promise<string> => {
  const options = keyName === undefined ? undefined : { keyName };
  const [id = ""] = await device.api.createDocuments(database, [value as Record<string, string>], options);
  return id;
};

const sync = ({ device, tenantId }: Party): Promise<void> => device.api.sync(tenantId, server.url);
const epochOf = (party: Party, name: string): number | undefined =>
  seenBy(party)?.keyGrants?.find((grant) => grant.name === name)?.epoch;
const holdersOf = (party: Party, name: string): readonly string[] | undefined =>
  seenBy(party)?.keyGrants?.find((grant) => grant.name === name)?.holders;

describe("a new epoch of the tenant's key", () => {
  it("reaches every member, online or later, and all go on reading and writing, before and after", async () => {
    const owner = await founded();
    const [guest, sleeper] = [await joined(owner, "cn=guest"), await joined(owner, "cn=sleeper")];
    const before = await create(owner, { name: "before" });
    await sync(owner);
    await sync(sleeper);
    await sleeper.device.api.disconnect(owner.tenantId, server.url);
    await owner.device.api.rotateKey(owner.tenantId, "default", owner.proof);
    await owner.device.api.rotateKey(owner.tenantId, "default", owner.proof);
    expect(epochOf(owner, "default")).toBe(3);
    expect(holdersOf(owner, "default")).toEqual([owner.key, guest.key, sleeper.key].sort());
    const after = await create(owner, { name: "after" });
    await expect.poll(() => epochOf(guest, "default")).toBe(3);
    await expect.poll(() => valueOf(guest, after).catch(() => undefined)).toEqual({ name: "after" });
    // What was written under the first epoch is edited under the third.
    const doc = newSubscription();
    const { heads } = await guest.device.api.openDocument(guest.database, before, doc);
    await guest.device.api.changeDocument(
      doc,
      draft([{ op: "set", path: ["name"], value: "edited" }], heads),
    );
    // Who did not know writes under the old one, and counts.
    const offline = await create(sleeper, { name: "offline" });
    await sleeper.device.api.connect(owner.tenantId, server.url);
    for (const party of [owner, guest, sleeper]) {
      await expect.poll(() => valueOf(party, before).catch(() => undefined)).toEqual({ name: "edited" });
      await expect.poll(() => valueOf(party, offline).catch(() => undefined)).toEqual({ name: "offline" });
      await expect.poll(() => valueOf(party, after).catch(() => undefined)).toEqual({ name: "after" });
      expect(seenBy(party)?.quarantine).toEqual([]);
    }
    const late = await create(sleeper, { name: "late" });
    await expect.poll(() => valueOf(owner, late).catch(() => undefined)).toEqual({ name: "late" });
    // A newcomer is handed all epochs.
    const newcomer = await joined(owner, "cn=newcomer");
    await expect.poll(() => valueOf(newcomer, before).catch(() => undefined)).toEqual({ name: "edited" });
    await expect.poll(() => valueOf(newcomer, after).catch(() => undefined)).toEqual({ name: "after" });
    // It is there after reopening.
    await guest.device.api.closeTenant(guest.tenantId);
    const again = await startDevice(guest.storage);
    const unlocking = { userName: undefined, password: guestPassword, keepSession: false };
    const snapshot = await again.api.openTenant(guest.tenantId, unlocking);
    expect(snapshot.keyGrants).toMatchObject([{ name: "default", epoch: 3 }]);
  });

  it("is begun when someone is revoked, for those who stay", async () => {
    const owner = await founded();
    const [guest, other] = [await joined(owner, "cn=guest"), await joined(owner, "cn=other")];
    await owner.device.api.createKey(owner.tenantId, "salaries");
    await owner.device.api.createKey(owner.tenantId, "board");
    const both = { users: [guest.key, other.key], groups: [] };
    await owner.device.api.grantKey(owner.tenantId, "salaries", both, owner.proof);
    await owner.device.api.grantKey(owner.tenantId, "board", { users: [other.key], groups: [] }, owner.proof);
    await owner.device.api.revokeUser(owner.tenantId, guest.key, owner.proof);
    expect(["default", "salaries", "board"].map((name) => epochOf(owner, name))).toEqual([2, 2, 1]);
    expect(holdersOf(owner, "salaries")).toEqual([owner.key, other.key].sort());
    const id = await create(owner, { pay: "1" }, "salaries");
    await expect.poll(() => valueOf(other, id).catch(() => undefined)).toEqual({ pay: "1" });
    await expect.poll(() => ["default", "salaries"].map((name) => epochOf(other, name))).toEqual([2, 2]);
  });

  it("is handed to who is let in again, with all that came meanwhile; and they write what counts", async () => {
    const owner = await founded();
    const { api } = owner.device;
    const guest = await joined(owner, "cn=guest");
    const { proof, tenantId } = owner;
    await api.createKey(tenantId, "salaries");
    const before = await create(guest, { by: "guest" });
    await expect.poll(() => valueOf(owner, before).catch(() => undefined)).toEqual({ by: "guest" });
    const regrant = (keys: readonly string[] = []) => api.regrantUser(tenantId, guest.key, keys, proof);
    await expect(regrant()).rejects.toMatchObject({ code: "input/unknown-id" });
    await api.revokeUser(tenantId, guest.key, proof);
    await sync(owner);
    await expect(sync(guest)).rejects.toMatchObject({ code: "access/revoked" });
    const meanwhile = await create(owner, { by: "owner" });
    const sealed = await create(owner, { pay: "1" }, "salaries");
    // They do not know yet, or do not say so.
    const unseen = await create(guest, { by: "guest, revoked" });
    await expect(regrant(["no such key"])).rejects.toMatchObject({ code: "key/missing" });
    await regrant(["salaries"]);
    await sync(owner);
    await sync(guest);
    const read = (id: string) => valueOf(guest, id).catch(() => undefined);
    await expect.poll(() => read(meanwhile)).toEqual({ by: "owner" });
    await expect.poll(() => read(sealed)).toEqual({ pay: "1" });
    expect(seenBy(guest)?.keyGrants?.map(({ epoch, name }) => [name, epoch])).toEqual([
      ["default", 2],
      ["salaries", 1],
    ]);
    // What they wrote outside the cut is quarantined on their own device, too.
    await expect.poll(() => read(unseen)).toBeUndefined();
    await expect.poll(() => seenBy(guest)?.quarantine.map(({ reason }) => reason)).toEqual(["revoked"]);
    const after = await create(guest, { by: "guest, again" });
    await sync(guest);
    await expect.poll(() => valueOf(owner, after).catch(() => undefined)).toEqual({ by: "guest, again" });
    expect(await valueOf(owner, before)).toEqual({ by: "guest" });
    expect(await owner.device.api.documentIds(owner.database)).not.toContain(unseen);
    expect(seenBy(owner)?.users?.find(({ key }) => key === guest.key)?.revoked).toBe(false);
  });

  it("is not for who is wiped: their devices forget the tenant, live, locked or opened later, and nobody else's", async () => {
    const owner = await founded();
    const { api } = owner.device;
    const { proof, tenantId } = owner;
    const [live, locked, later, other] = [
      await joined(owner, "cn=live"),
      await joined(owner, "cn=locked"),
      await joined(owner, "cn=later"),
      await joined(owner, "cn=other"),
    ];
    const id = await create(owner, { secret: "canary-word" });
    for (const party of [live, locked, later, other])
      await expect.poll(() => valueOf(party, id).catch(() => undefined)).toEqual({ secret: "canary-word" });
    await locked.device.api.lock(tenantId);
    await later.device.api.closeTenant(tenantId);
    await api.revokeUser(tenantId, live.key, proof, true);
    await api.revokeUser(tenantId, locked.key, proof);
    await api.revokeUser(tenantId, locked.key, proof, true);
    await api.revokeUser(tenantId, later.key, proof, true);
    await sync(owner);
    await sync(locked).catch(() => undefined);
    const reopened = await startDevice(later.storage);
    const unlocking = { userName: undefined, password: guestPassword, keepSession: false };
    await reopened.api.openTenant(tenantId, unlocking);
    for (const { device, storage, key } of [live, locked, { ...later, device: reopened }]) {
      await expect.poll(async () => (await device.api.tenants()).length, { timeout: 20_000 }).toBe(0);
      const events = device.events.flatMap((event) => (event.kind === "tenant" ? [event] : []));
      expect(events.at(-1)?.snapshot.status.phase).toBe("locked");
      expect(events.flatMap(({ snapshot }) => snapshot.alarms.map(({ kind }) => kind))).toContain("wiped");
      await expect(device.api.openTenant(tenantId, unlocking)).rejects.toMatchObject({
        code: "input/unknown-id",
      });
      const registry = await storage.openStore("coffer/device");
      expect(await registry.readSlot(`vault/${key}`)).toBeUndefined();
      registry.close();
      const store = await storage.openStore(`coffer/tenant/${tenantId}`);
      expect(await store.lastPosition()).toBe(0);
      expect(await store.readSlots("")).toEqual([]);
      store.close();
    }
    expect(await valueOf(other, id)).toEqual({ secret: "canary-word" });
    expect(await valueOf(owner, id)).toEqual({ secret: "canary-word" });
    await expect(api.revokeUser(tenantId, other.key, proof, 1 as never)).rejects.toMatchObject({
      code: "input/invalid",
    });
  });

  it("waits on a full disk, which goes on reading what it can, and is taken when there is room", async () => {
    const owner = await founded();
    const storage = createMemoryStorage(env);
    let isFull = false;
    const guest = await joined(owner, "cn=guest", {
      ...storage,
      async openStore(name) {
        const store = await storage.openStore(name);
        const write = store.write.bind(store);
        store.write = async (batch) => {
          if (isFull && batch.slots?.some((slot) => slot.name === "bag") === true)
            throw new CofferError("store/quota");
          return write(batch);
        };
        return store;
      },
    });
    const before = await create(owner, { name: "before" });
    isFull = true;
    await owner.device.api.rotateKey(owner.tenantId, "default", owner.proof);
    const after = await create(owner, { name: "after" });
    await expect.poll(() => valueOf(guest, before).catch(() => undefined)).toEqual({ name: "before" });
    await expect.poll(() => seenBy(guest)?.status.sealedCount).toBe(1);
    // What it would write now everyone would refuse.
    await expect(create(guest, { name: "stale" })).rejects.toMatchObject({ code: "key/missing" });
    isFull = false;
    await create(owner, { name: "and more" });
    await expect.poll(() => valueOf(guest, after).catch(() => undefined)).toEqual({ name: "after" });
    await create(guest, { name: "fresh" });
  });

  it("is the admin's to begin, and not for the key that servers hold", async () => {
    const owner = await founded();
    const { device, key, proof, tenantId } = owner;
    const rotate = (name: string, by = proof) => device.api.rotateKey(tenantId, name, by);
    await expect(rotate("default", { ...proof, adminPassword: "no" })).rejects.toMatchObject({
      code: "key/wrong-password",
    });
    await expect(rotate("default", { ...proof, adminKey: key })).rejects.toMatchObject({
      code: "access/not-admin",
    });
    await expect(rotate("$publicinfos")).rejects.toMatchObject({ code: "input/invalid" });
    await expect(rotate("none")).rejects.toMatchObject({ code: "key/missing" });
    expect(epochOf(owner, "default")).toBe(1);
  });
});

describe("a named key that is granted", () => {
  it("reveals its documents to users and to who is in a group, in what they have open", async () => {
    const owner = await founded();
    const [guest, member, outsider] = [
      await joined(owner, "cn=guest"),
      await joined(owner, "cn=member"),
      await joined(owner, "cn=outsider"),
    ];
    const { device, proof, tenantId } = owner;
    await device.api.createKey(tenantId, "salaries");
    const id = await create(owner, { pay: "1" }, "salaries");
    const query = newSubscription();
    const all = { filter: undefined, sort: [], limit: 5, offset: 0 };
    await guest.device.api.openQuery(guest.database, all, query);
    for (const party of [guest, member, outsider]) {
      await expect.poll(() => seenBy(party)?.status.sealedCount).toBe(1);
      expect(seenBy(party)?.keys).toEqual([]);
    }
    const edits = { addUsers: [member.key], removeUsers: [], addGroups: [], removeGroups: [] };
    await device.api.setGroup(tenantId, "payroll", edits, proof);
    await device.api.grantKey(tenantId, "salaries", { users: [guest.key], groups: ["payroll"] }, proof);
    const shown = () =>
      guest.device.events
        .flatMap((one) => (one.kind === "query" && one.subscription === query ? one.splices : []))
        .flatMap(({ put }) => put.map((row) => (typeof row === "string" ? row : row.id)));
    await expect.poll(shown).toEqual([id]);
    for (const party of [guest, member]) {
      await expect.poll(() => valueOf(party, id).catch(() => undefined)).toEqual({ pay: "1" });
      expect(seenBy(party)?.keys).toEqual(["salaries"]);
      expect(holdersOf(party, "salaries")).toEqual([owner.key, guest.key, member.key].sort());
    }
    const answer = await create(member, { pay: "2" }, "salaries");
    await expect.poll(() => valueOf(owner, answer).catch(() => undefined)).toEqual({ pay: "2" });
    await expect.poll(() => seenBy(outsider)?.status.sealedCount).toBe(2);
    expect(seenBy(outsider)?.keys).toEqual([]);
    expect(await valueOf(outsider, id)).toBeUndefined();
    // A new epoch goes to who holds it.
    await device.api.rotateKey(tenantId, "salaries", proof);
    const later = await create(owner, { pay: "3" }, "salaries");
    await expect.poll(() => valueOf(member, later).catch(() => undefined)).toEqual({ pay: "3" });
    await expect.poll(() => seenBy(outsider)?.status.sealedCount).toBe(3);
  });

  it("is one that the granting device holds, for members and groups there are", async () => {
    const owner = await founded();
    const { device, proof, tenantId } = owner;
    await device.api.createKey(tenantId, "salaries");
    const stranger = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const grant = (name: string, users: readonly string[], groups: readonly string[] = []) =>
      device.api.grantKey(tenantId, name, { users, groups }, proof);
    await expect(grant("none", [owner.key])).rejects.toMatchObject({ code: "key/missing" });
    await expect(grant("default", [owner.key])).rejects.toMatchObject({ code: "input/invalid" });
    await expect(grant("$publicinfos", [owner.key])).rejects.toMatchObject({ code: "input/invalid" });
    await expect(grant("salaries", [stranger])).rejects.toMatchObject({ code: "input/unknown-id" });
    await expect(grant("salaries", [], ["none"])).rejects.toMatchObject({ code: "input/unknown-id" });
    expect(holdersOf(owner, "salaries")).toEqual([owner.key]);
  });
});
