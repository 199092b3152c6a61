import { describe, expect, it } from "vitest";
import { createMemoryStorage } from "../src/store/index.ts";
import type { GroupEdits, RoleChange, TenantSnapshot } from "./api.ts";
import { draft, env, newSubscription, people, startDevice, type Device } from "./device-fixtures.ts";
import { serveEachTest } from "./server-fixtures.ts";

const guestPassword = "marble tunnel saffron";
const sharePassword = "lusab-babad-gutih-tugad";
const unlocking = { userName: undefined, password: people.userPassword, keepSession: false };
const nobody: GroupEdits = { addUsers: [], removeUsers: [], addGroups: [], removeGroups: [] };

const server = serveEachTest();

/** One who has the tenant open, with its films. */
interface Person {
  readonly device: Device;
  readonly tenantId: string;
  readonly key: string;
  readonly films: number;
}

async function openFilms(rest: Omit<Person, "films">): Promise<Person> {
  const films = newSubscription();
  await rest.device.api.openDatabase(rest.tenantId, "films", films);
  return { ...rest, films };
}

async function founded() {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage);
  const { api } = device;
  const tenant = await api.createTenant(people);
  const proof = { adminKey: tenant.adminUser?.key ?? "", adminPassword: people.adminPassword };
  await api.publish(tenant.id, server.url, proof);
  await api.connect(tenant.id, server.url);
  const owner = await openFilms({ device, tenantId: tenant.id, key: tenant.self?.key ?? "" });
  return { ...owner, storage, proof };
}

type Owner = Awaited<ReturnType<typeof founded>>;

async function joined(owner: Owner, userName = "cn=guest/o=acme"): Promise<Person> {
  const device = await startDevice(createMemoryStorage(env));
  const { key } = await device.api.createUserId(userName, guestPassword);
  const request = await device.api.createJoinRequest(key);
  const response = await owner.device.api.approveJoinRequest(owner.tenantId, request, {
    ...owner.proof,
    sharePassword,
    serverUrl: server.url,
    expiresInMs: 60_000,
  });
  await device.api.joinTenant(response, { key, password: guestPassword, sharePassword });
  return openFilms({ device, tenantId: owner.tenantId, key });
}

const setRoles = (owner: Owner, ...changes: readonly RoleChange[]): Promise<void> =>
  owner.device.api.setRoles(owner.tenantId, changes, owner.proof);

async function synced(...everyone: readonly Person[]): Promise<void> {
  for (let turn = 0; turn < 2; turn++)
    for (const { device, tenantId } of everyone) await device.api.sync(tenantId, server.url);
}

async function create({ device, films }: Person, value = { title: "Alien" }): Promise<string> {
  const [id = ""] = await device.api.createDocuments(films, [value]);
  return id;
}

async function edit({ device, films }: Person, id: string, title: string): Promise<void> {
  const doc = newSubscription();
  const { heads } = await device.api.openDocument(films, id, doc);
  await device.api.changeDocument(doc, draft([{ op: "set", path: ["title"], value: title }], heads));
}

const titleOf = async ({ device, films }: Person, id: string): Promise<unknown> =>
  (await device.api.openDocument(films, id, newSubscription())).value?.["title"];

const denied = { code: "access/denied" };

function seenBy({ device: { events } }: Person): TenantSnapshot | undefined {
  const event = events.findLast((one) => one.kind === "tenant");
  return event?.kind === "tenant" ? event.snapshot : undefined;
}

const roleOf = ({ device, key, tenantId }: Person): Promise<string> =>
  device.api.getRole(tenantId, "films", key);

describe("roles", () => {
  it("refuse one's own edits at once, each by what its role lacks, and say which role it is", async () => {
    const owner = await founded();
    const guest = await joined(owner);
    const theirs = await create(owner);
    const own = await create(guest);
    await synced(owner, guest);
    await setRoles(owner, { database: "films", user: guest.key, role: "reader" });
    await synced(owner, guest);
    await expect.poll(() => roleOf(guest)).toBe("reader");
    await expect(create(guest)).rejects.toMatchObject({ ...denied, details: { role: "reader" } });
    await expect(edit(guest, own, "x")).rejects.toMatchObject(denied);
    await expect(guest.device.api.deleteDocument(guest.films, own)).rejects.toMatchObject(denied);
    await setRoles(owner, { database: "films", user: guest.key, role: "author" });
    await synced(owner, guest);
    await expect.poll(() => roleOf(guest)).toBe("author");
    await edit(guest, own, "Aliens");
    await expect(edit(guest, theirs, "x")).rejects.toMatchObject(denied);
    await setRoles(owner, { database: "films", user: guest.key, role: "editor" });
    await synced(owner, guest);
    await expect.poll(() => roleOf(guest)).toBe("editor");
    await edit(guest, theirs, "Alien 3");
    await expect(guest.device.api.deleteDocument(guest.films, theirs)).rejects.toMatchObject(denied);
    await setRoles(owner, { database: "films", user: guest.key });
    await synced(owner, guest);
    await expect.poll(() => roleOf(guest)).toBe("manager");
    await guest.device.api.deleteDocument(guest.films, theirs);
    await synced(guest, owner);
    expect(await titleOf(owner, own)).toBe("Aliens");
    expect(await owner.device.api.documentIds(owner.films)).toEqual([own]);
    expect(seenBy(owner)?.quarantine).toEqual([]);
    expect(seenBy(guest)?.quarantine).toEqual([]);
  });

  it("come from groups, from everyone and from all databases, the nearest first, and are told to every member", async () => {
    const owner = await founded();
    const guest = await joined(owner);
    const { device, proof, tenantId } = owner;
    await device.api.setGroup(tenantId, "Staff", { ...nobody, addUsers: [guest.key] }, proof);
    await setRoles(owner, { role: "reader" }, { user: owner.key, role: "manager" });
    await setRoles(owner, { database: "films", group: "staff", role: "editor" });
    await synced(owner, guest);
    const roles = [
      { role: "reader" },
      { role: "manager", user: owner.key },
      { role: "editor", database: "films", group: "Staff" },
    ];
    await expect.poll(() => seenBy(guest)?.roles).toMatchObject(roles);
    expect(await roleOf(guest)).toBe("editor");
    expect(await roleOf(owner)).toBe("manager");
    expect(await guest.device.api.getRole(tenantId, "books", undefined)).toBe("reader");
    // Whoever leaves the group loses what it gave.
    const id = await create(guest);
    await synced(guest, owner);
    await device.api.setGroup(tenantId, "Staff", { ...nobody, removeUsers: [guest.key] }, proof);
    await synced(owner, guest);
    await expect.poll(() => roleOf(guest)).toBe("reader");
    await expect(edit(guest, id, "x")).rejects.toMatchObject(denied);
    expect(await titleOf(owner, id)).toBe("Alien");
    await device.api.closeTenant(tenantId);
    const again = await startDevice(owner.storage);
    expect((await again.api.openTenant(tenantId, unlocking)).roles).toMatchObject(roles);
  });

  it("leave what was written before as it is; what their bearer wrote without knowing, and the admin never had, goes where it is seen", async () => {
    const owner = await founded();
    const guest = await joined(owner);
    const before = await create(guest);
    await synced(guest, owner);
    await guest.device.api.disconnect(guest.tenantId, server.url);
    const late = await create(guest, { title: "late" });
    await edit(guest, before, "late");
    await setRoles(owner, { database: "films", user: guest.key, role: "reader" });
    await synced(owner);
    await guest.device.api.connect(guest.tenantId, server.url);
    await synced(guest, owner);
    await expect.poll(() => titleOf(guest, before)).toBe("Alien");
    await expect.poll(() => guest.device.api.documentIds(guest.films)).toEqual([before]);
    expect(await owner.device.api.documentIds(owner.films)).toEqual([before]);
    expect(seenBy(guest)?.quarantine.map(({ reason }) => reason)).toEqual(["role", "role"]);
    expect(late).not.toBe(before);
    // The way back: what comes from then on counts, everywhere.
    await setRoles(owner, { database: "films", user: guest.key, role: "editor" });
    await synced(owner, guest);
    await expect.poll(() => roleOf(guest)).toBe("editor");
    await edit(guest, before, "again");
    await synced(guest, owner);
    expect(await titleOf(owner, before)).toBe("again");
  });

  it("are in force from the first edit of who joined with one, before the directory is there", async () => {
    const owner = await founded();
    await setRoles(owner, { role: "reader" }, { user: owner.key, role: "manager" });
    await synced(owner);
    const guest = await joined(owner);
    // It may be taken on the word of the answer; it is taken back with the directory.
    await create(guest).catch(() => undefined);
    await synced(guest, owner);
    await expect.poll(() => guest.device.api.documentIds(guest.films)).toEqual([]);
    expect(await owner.device.api.documentIds(owner.films)).toEqual([]);
    await expect.poll(() => create(guest).catch((error: unknown) => error)).toMatchObject(denied);
  });

  it("are tried on all that was written, without changing anything", async () => {
    const owner = await founded();
    const guest = await joined(owner);
    const theirs = await create(owner);
    const own = await create(guest);
    await synced(owner, guest);
    await edit(guest, theirs, "x");
    await guest.device.api.deleteDocument(guest.films, own);
    await synced(guest, owner);
    const { device, tenantId } = owner;
    const run = (role: "reader" | "author" | "editor", database: string | undefined = "films") =>
      device.api.dryRun(tenantId, [{ database, user: guest.key, role }]);
    expect(await run("editor")).toMatchObject({ changeCount: 4, refusedCount: 0, refused: [] });
    expect(await run("reader", "books")).toMatchObject({ changeCount: 4, refusedCount: 0 });
    expect(await run("author")).toMatchObject({
      refusedCount: 1,
      refused: [{ docId: theirs, author: guest.key, role: "author", what: "change" }],
    });
    const reader = await run("reader");
    expect(reader.refusedCount).toBe(3);
    expect(new Set(reader.refused.map(({ docId, what }) => `${docId} ${what}`))).toEqual(
      new Set([`${theirs} change`, `${own} create`, `${own} delete`]),
    );
    expect(await roleOf(guest)).toBe("manager");
    expect(seenBy(owner)?.roles).toEqual([]);
  });

  it("are asked for with a word about what is wrong", async () => {
    const owner = await founded();
    const { device, key, proof, tenantId } = owner;
    const set = (...changes: readonly RoleChange[]): Promise<void> =>
      device.api.setRoles(tenantId, changes, proof);
    await expect(set()).rejects.toMatchObject({ code: "input/invalid" });
    await expect(set({ user: key, role: "reader" }, { user: key })).rejects.toMatchObject({
      code: "input/invalid",
    });
    await expect(set({ user: key, group: "x", role: "reader" })).rejects.toMatchObject({
      code: "input/invalid",
    });
    await expect(set({ group: "none", role: "reader" })).rejects.toMatchObject({ code: "input/unknown-id" });
    await expect(set({ user: proof.adminKey, role: "reader" })).rejects.toMatchObject({
      code: "input/unknown-id",
    });
    await expect(set({ role: "owner" as "reader" })).rejects.toMatchObject({ code: "input/invalid" });
    await expect(set({ database: "", role: "reader" })).rejects.toMatchObject({ code: "input/invalid" });
    const wrong = { ...proof, adminPassword: "wrong" };
    await expect(device.api.setRoles(tenantId, [{ role: "reader" }], wrong)).rejects.toMatchObject({
      code: "key/wrong-password",
    });
    await expect(device.api.getRole(tenantId, "films", proof.adminKey)).rejects.toMatchObject({
      code: "input/unknown-id",
    });
    expect(seenBy(owner)?.roles).toEqual([]);
  });
});
