import { afterEach, describe, expect, it } from "vitest";
import { concatBytes } from "../src/std/index.ts";
import { createMemoryStorage } from "../src/store/index.ts";
import type { WorkerApi } from "./api.ts";
import {
  closeDevices,
  draft,
  env,
  newSubscription,
  people,
  startDevice,
  type Device,
} from "./device-fixtures.ts";

/* Devices of one tenant that have nothing but files between them: no server, no channel. */

const guestPassword = "marble tunnel saffron";
const sharePassword = "lusab-babad-gutih-tugad";

afterEach(closeDevices);

interface Party {
  readonly device: Device;
  readonly tenantId: string;
  readonly database: number;
}
interface Owner extends Party {
  readonly proof: { readonly adminKey: string; readonly adminPassword: string };
}

async function openContacts(device: Device, tenantId: string): Promise<Party> {
  const database = newSubscription();
  await device.api.openDatabase(tenantId, "contacts", database);
  return { device, tenantId, database };
}

async function founded(): Promise<Owner> {
  const device = await startDevice(createMemoryStorage(env));
  const tenant = await device.api.createTenant(people);
  const proof = { adminKey: tenant.adminUser?.key ?? "", adminPassword: people.adminPassword };
  return { ...(await openContacts(device, tenant.id)), proof };
}

async function joined(owner: Owner): Promise<Party & { readonly key: string }> {
  const device = await startDevice(createMemoryStorage(env));
  const { key } = await device.api.createUserId("cn=guest/o=acme", guestPassword);
  const request = await device.api.createJoinRequest(key);
  const response = await owner.device.api.approveJoinRequest(owner.tenantId, request, {
    ...owner.proof,
    sharePassword,
    serverUrl: undefined,
    expiresInMs: 60_000,
  });
  await device.api.joinTenant(response, { key, password: guestPassword, sharePassword });
  return { ...(await openContacts(device, owner.tenantId)), key };
}

async function exported(
  { device: { api }, tenantId }: Party,
  since?: Uint8Array,
  maxFileBytes = 1e9,
): Promise<Uint8Array> {
  const id = await api.openBundleExport(tenantId, since, maxFileBytes);
  const pieces: Uint8Array[] = [];
  for (let piece = await api.readExport(id); piece !== undefined; piece = await api.readExport(id))
    pieces.push(piece);
  return concatBytes(...pieces);
}

async function imported({ device: { api }, tenantId }: Party, file: Uint8Array, pieceBytes = 5000) {
  const id = await api.openBundleImport(tenantId);
  for (let at = 0; at < file.length; at += pieceBytes)
    await api.writeImport(id, file.slice(at, at + pieceBytes));
  return api.finishBundleImport(id);
}

/** A file from one device to another, of just what it lacks. */
async function carry(from: Party, into: Party) {
  const summary = await into.device.api.summarize(into.tenantId);
  return imported(into, await exported(from, summary));
}

const idsOf = async ({ device, database }: Party): Promise<readonly string[]> =>
  (await device.api.documentIds(database)).toSorted();
const valueOf = async ({ device, database }: Party, id: string): Promise<unknown> =>
  (await device.api.openDocument(database, id, newSubscription())).value;

async function write({ device, database }: Party, id: string, insert: string): Promise<void> {
  const doc = newSubscription();
  const { heads } = await device.api.openDocument(database, id, doc);
  const operation = { op: "spliceText", path: ["notes"], index: 0, remove: 0, insert } as const;
  await device.api.changeDocument(doc, draft([operation], heads));
}

function quarantineOf({ device }: Party): readonly { readonly commitHash: string }[] {
  const told = device.events.findLast((event) => event.kind === "tenant");
  return told?.kind === "tenant" ? told.snapshot.quarantine : [];
}

describe("two devices with only files between them", () => {
  it("end alike, both ways, the directory included, and then have nothing to bring", async () => {
    const owner = await founded();
    const guest = await joined(owner);
    const ids = await owner.device.api.createDocuments(
      owner.database,
      Array.from({ length: 60 }, (_, i) => ({ name: `n${i}`, notes: "" })),
    );
    await imported(guest, await exported(owner));
    // What was taken in is judged when the import is over: nobody has to wait.
    expect(await idsOf(guest)).toEqual(ids.toSorted());
    const [id = ""] = ids;
    await write(guest, id, "guest ");
    await write(owner, id, "owner ");
    expect(await carry(guest, owner)).toMatchObject({ commitCount: 1, newCount: 1, refusedCount: 0 });
    expect(await carry(owner, guest)).toMatchObject({ commitCount: 1, newCount: 1, refusedCount: 0 });
    expect(await valueOf(guest, id)).toEqual(await valueOf(owner, id));
    expect(
      String(((await valueOf(owner, id)) as { notes: string }).notes)
        .split(" ")
        .toSorted(),
    ).toEqual(["", "guest", "owner"]);
    expect(await carry(owner, guest)).toMatchObject({ commitCount: 0, newCount: 0 });
  });

  it("take files in while they are locked, and show what came after unlocking", async () => {
    const owner = await founded();
    const guest = await joined(owner);
    const [id = ""] = await owner.device.api.createDocuments(owner.database, [{ name: "sealed" }]);
    await guest.device.api.lock(guest.tenantId);
    await owner.device.api.lock(owner.tenantId);
    expect((await carry(owner, guest)).newCount).toBeGreaterThan(0);
    await guest.device.api.openTenant(guest.tenantId, { password: guestPassword, keepSession: false });
    await expect.poll(() => idsOf(guest)).toEqual([id]);
  });

  it("let nobody in who was revoked: what they wrote later is quarantined, and they learn of it by the file", async () => {
    const owner = await founded();
    const guest = await joined(owner);
    await carry(owner, guest);
    const [before = ""] = await guest.device.api.createDocuments(guest.database, [{ name: "before" }]);
    await carry(guest, owner);
    await owner.device.api.revokeUser(owner.tenantId, guest.key, owner.proof);
    await guest.device.api.createDocuments(guest.database, [{ name: "after" }]);
    const report = await carry(guest, owner);
    // Their signature is genuine; their right is not for the file's reader to judge.
    expect(report).toMatchObject({ commitCount: 1, newCount: 1, refusedCount: 0 });
    expect(await idsOf(owner)).toEqual([before]);
    expect(quarantineOf(owner)).toHaveLength(1);
    await carry(owner, guest);
    await expect.poll(() => quarantineOf(guest)).toHaveLength(1);
    // Whoever is handed it on judges it the same way.
    const third = await joined({ ...owner });
    await carry(owner, third);
    expect(await idsOf(third)).toEqual([before]);
  });

  it("keep what came before a file broke off, and go on with it", async () => {
    const owner = await founded();
    const guest = await joined(owner);
    for (let n = 0; n < 8; n++) await owner.device.api.createDocuments(owner.database, [{ n }]);
    const file = await exported(owner);
    await expect(imported(guest, file.slice(0, file.length - 700))).rejects.toMatchObject({
      code: "entry/corrupt",
    });
    const some = (await idsOf(guest)).length;
    expect(some).toBeGreaterThan(3);
    expect(some).toBeLessThan(8);
    const { commitCount, newCount } = await imported(guest, file);
    expect(newCount).toBe(8 - some);
    expect(commitCount).toBeGreaterThan(8);
    expect(await idsOf(guest)).toHaveLength(8);
  });

  it("keep what came before an import was given up, and refuse calls that are none", async () => {
    const owner = await founded();
    const guest = await joined(owner);
    for (let n = 0; n < 4; n++) await owner.device.api.createDocuments(owner.database, [{ n }]);
    const file = await exported(owner);
    const { api } = guest.device;
    const id = await api.openBundleImport(guest.tenantId);
    await expect(api.finishImport(id)).rejects.toMatchObject({ code: "aborted" });
    await api.writeImport(id, file.slice(0, file.length - 300));
    await api.abortBackup(id);
    await expect(api.writeImport(id, file)).rejects.toMatchObject({ code: "aborted" });
    await expect.poll(async () => (await idsOf(guest)).length).toBe(3);
    const backup = await api.openImport("fourteen amber foxes under glass");
    await expect(api.finishBundleImport(backup)).rejects.toMatchObject({ code: "aborted" });
    const odd = api as {
      openBundleExport: (...given: unknown[]) => ReturnType<WorkerApi["openBundleExport"]>;
    };
    await expect(odd.openBundleExport(guest.tenantId, undefined, -1)).rejects.toMatchObject({
      code: "input/invalid",
    });
    await expect(odd.openBundleExport(guest.tenantId, "text", 0)).rejects.toMatchObject({
      code: "input/invalid",
    });
  });

  it("take no file of another tenant, and leave nothing of it", async () => {
    const [owner, stranger] = [await founded(), await founded()];
    await stranger.device.api.createDocuments(stranger.database, [{ name: "theirs" }]);
    const file = await exported(stranger);
    await expect(imported(owner, file)).rejects.toMatchObject({ code: "input/unknown-id" });
    const summary = await stranger.device.api.summarize(stranger.tenantId);
    await expect(exported(owner, summary)).rejects.toMatchObject({ code: "input/unknown-id" });
    expect(await idsOf(owner)).toEqual([]);
  });

  it("leave nothing readable in a file", async () => {
    const owner = await founded();
    await owner.device.api.createDocuments(owner.database, [{ name: "Ada Lovelace", city: "Bergen" }]);
    const file = Buffer.from(await exported(owner)).toString("latin1");
    for (const word of ["Ada", "Lovelace", "Bergen", "contacts", "cn=owner", "acme"])
      expect(file).not.toContain(word);
  });
});
