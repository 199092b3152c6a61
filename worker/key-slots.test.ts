import { afterEach, describe, expect, it } from "vitest";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import { closeDevices, env, newSubscription, people, startDevice, type Device } from "./device-fixtures.ts";

afterEach(closeDevices);

const password = { password: people.userPassword };
const newPassword = "low boats row at dawn";
const credentialId = new Uint8Array(20).fill(1);
const output = new Uint8Array(32).fill(2);
const salt = new Uint8Array(32).fill(3);

interface Founded extends Device {
  readonly storage: Storage;
  readonly id: string;
  readonly docId: string;
}

async function founded(): Promise<Founded> {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage);
  const { id } = await device.api.createTenant(people);
  const database = newSubscription();
  await device.api.openDatabase(id, "contacts", database);
  const [docId = ""] = await device.api.createDocuments(database, [{ name: "Ada" }]);
  return { ...device, storage, id, docId };
}

const kindsOf = async ({ api, id }: Founded): Promise<readonly string[]> =>
  (await api.keySlots(id, undefined)).map(({ kind }) => kind);

/** What is readable after the tenant was unlocked in some way. */
async function read({ api, id, docId }: Founded): Promise<unknown> {
  const database = newSubscription();
  await api.openDatabase(id, "contacts", database);
  return (await api.openDocument(database, docId, newSubscription())).value;
}

describe("ways to open a tenant", () => {
  it("a recovery code unlocks it, and opens it anew, with everything in it", async () => {
    const place = await founded();
    const { api, id, storage } = place;
    const { recoveryCode } = await api.addKeySlot(id, undefined, password, { recoveryCode: true });
    await api.lock(id);
    await api.unlock(id, { recoveryCode });
    expect(await read(place)).toEqual({ name: "Ada" });
    await api.closeTenant(id);
    const next = await startDevice(storage);
    await next.api.openTenant("acme", {
      recoveryCode: recoveryCode?.toLowerCase().replaceAll("-", " "),
      keepSession: true,
    });
    expect(await read({ ...place, ...next })).toEqual({ name: "Ada" });
    expect(await next.api.tenants()).toMatchObject([{ kept: true }]);
    await next.api.closeTenant(id);
  });

  it("a passkey does so too; a locked device says what to ask its authenticator", async () => {
    const place = await founded();
    const { api, id } = place;
    await api.addKeySlot(id, undefined, password, { passkey: { credentialId, output, salt } });
    await api.lock(id);
    expect(await api.passkeys(undefined)).toEqual([{ credentialId, salt }]);
    expect(await api.passkeys(id)).toEqual([{ credentialId, salt }]);
    await expect(api.unlock(id, { passkey: { credentialId, output: salt } })).rejects.toMatchObject({
      code: "key/wrong-password",
    });
    await api.unlock(id, { passkey: { credentialId, output } });
    expect(await read(place)).toEqual({ name: "Ada" });
    expect(await kindsOf(place)).toEqual(["password", "passkey"]);
  });

  it("a changed password is the only one; what else opened it still does", async () => {
    const place = await founded();
    const { api, id } = place;
    const { recoveryCode } = await api.addKeySlot(id, undefined, password, { recoveryCode: true });
    await expect(
      api.changePassword(id, undefined, { password: newPassword }, newPassword),
    ).rejects.toMatchObject({ code: "key/wrong-password" });
    await api.changePassword(id, undefined, { recoveryCode }, newPassword);
    await api.lock(id);
    await expect(api.unlock(id, password)).rejects.toMatchObject({ code: "key/wrong-password" });
    await api.unlock(id, { password: newPassword });
    await api.lock(id);
    await api.unlock(id, { recoveryCode });
    expect(await read(place)).toEqual({ name: "Ada" });
  });

  it("one that is removed opens nothing; the last one stays", async () => {
    const place = await founded();
    const { api, id } = place;
    const { id: slot, recoveryCode } = await api.addKeySlot(id, undefined, password, { recoveryCode: true });
    await api.removeKeySlot(id, undefined, password, slot);
    await api.lock(id);
    await expect(api.unlock(id, { recoveryCode })).rejects.toMatchObject({ code: "key/wrong-password" });
    const [last] = await api.keySlots(id, undefined);
    await expect(api.removeKeySlot(id, undefined, password, last?.id ?? "")).rejects.toMatchObject({
      code: "input/invalid",
    });
    await expect(api.removeKeySlot(id, undefined, password, slot)).rejects.toMatchObject({
      code: "input/unknown-id",
    });
    await api.unlock(id, password);
  });

  it("the admin's are the admin's own; strangers have none", async () => {
    const { api, id } = await founded();
    const { adminUser, self } = await api.openTenant(id, { ...password, keepSession: false });
    const admin = { password: people.adminPassword };
    await expect(api.addKeySlot(id, adminUser?.key, password, { recoveryCode: true })).rejects.toMatchObject({
      code: "key/wrong-password",
    });
    await api.changePassword(id, adminUser?.key, admin, newPassword);
    await expect(
      api.rotateKey(id, "default", { adminKey: adminUser?.key ?? "", adminPassword: people.adminPassword }),
    ).rejects.toMatchObject({ code: "key/wrong-password" });
    await api.rotateKey(id, "default", { adminKey: adminUser?.key ?? "", adminPassword: newPassword });
    expect(await api.keySlots(id, self?.key)).toHaveLength(1);
    await expect(api.keySlots(id, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")).rejects.toMatchObject({
      code: "input/unknown-id",
    });
  });

  it("of changes in two tabs at once none is lost", async () => {
    const place = await founded();
    const other = await startDevice(place.storage);
    const added = await Promise.all(
      [place.api, other.api, place.api, other.api].map(async (api) =>
        api.addKeySlot(place.id, undefined, password, { recoveryCode: true }),
      ),
    );
    expect(await kindsOf(place)).toEqual(["password", ...added.map(() => "recovery-code")]);
    for (const { recoveryCode } of added) {
      await place.api.lock(place.id);
      await place.api.unlock(place.id, { recoveryCode });
    }
  });

  it("goes with a backup: it opens with the ways that it had when it was written", async () => {
    const place = await founded();
    const { api, id } = place;
    const { recoveryCode } = await api.addKeySlot(id, undefined, password, { recoveryCode: true });
    const file: Uint8Array[] = [];
    const backup = { password: "pale green paper boats", documents: true, resume: undefined };
    const exportId = await api.openExport(id, backup);
    for (let part = await api.readExport(exportId); part !== undefined; part = await api.readExport(exportId))
      file.push(part);
    const fresh = await startDevice(createMemoryStorage(env));
    const importId = await fresh.api.openImport(backup.password);
    for (const part of file) await fresh.api.writeImport(importId, part);
    await fresh.api.finishImport(importId);
    await fresh.api.openTenant(id, { recoveryCode, keepSession: false });
    expect(await read({ ...place, ...fresh })).toEqual({ name: "Ada" });
  });

  it("asks for exactly one way", async () => {
    const { api, id } = await founded();
    await api.lock(id);
    for (const secret of [{}, { ...password, recoveryCode: "x" }, { passkey: { credentialId } }])
      await expect(api.unlock(id, secret as never)).rejects.toMatchObject({ code: "input/invalid" });
    await expect(
      api.addKeySlot(id, undefined, password, { password: newPassword, recoveryCode: true }),
    ).rejects.toMatchObject({ code: "input/invalid" });
  });
});
