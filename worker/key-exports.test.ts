import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { deriveNameId, keyFingerprint } from "../src/entry/index.ts";
import { encodeKeyExport } from "../src/keys/index.ts";
import { createMemoryStorage } from "../src/store/index.ts";
import {
  bring,
  eventually,
  logOf,
  setStage,
  tenantOf,
  valueOf,
  type Author,
  type Replica,
  type Stage,
} from "./attack-fixtures.ts";
import { closeDevices, crypto, draft, env, newSubscription, people, startDevice } from "./device-fixtures.ts";

const shared = "lusab-babad-gutih-tugad";

let stage: Stage;
beforeEach(async () => {
  stage = await setStage();
});
afterEach(closeDevices);

const exported = ({ device, tenantId }: Replica, name = "salaries") =>
  device.api.exportKey(tenantId, name, shared);
const imported = ({ device, tenantId }: Replica, text: string, password = shared) =>
  device.api.importKey(tenantId, text, password);

/** The key of what was written last, and who wrote it. */
async function lastKey(replica: Replica) {
  const commit = (await logOf(replica)).at(-1);
  const key = commit?.header.keys[commit.entries[0]?.header?.keyIndex ?? -1];
  if (commit === undefined || key === undefined) throw new Error("nothing was written");
  return { author: commit.header.author, ...key };
}

/** What a member writes who has the tenant's keys and keeps no rule. */
async function forge(
  by: Author,
  change: { name?: string; keyName?: string; epochs?: readonly number[] } = {},
): Promise<string> {
  const { name = "salaries", keyName = name, epochs = [1] } = change;
  const keyId = deriveNameId(crypto, by.namesKey, "key", keyName);
  return encodeKeyExport(crypto, {
    identity: by.identity,
    tenantId: by.tenantId,
    name,
    keys: epochs.map((epoch) => ({ keyId, epoch, secret: new Uint8Array(32).fill(90 + epoch) })),
    password: shared,
    nowMs: env.nowMs(),
  });
}

describe("a key that a member hands on", () => {
  it("opens what is under it on the other's device, in what is open there, and after a reload", async () => {
    const { victim: owner, villainReplica: member } = stage;
    await owner.device.api.createKey(owner.tenantId, "salaries");
    const [id = ""] = await owner.device.api.createDocuments(owner.database, [{ pay: 1 }], {
      keyName: "salaries",
    });
    await bring(member, (await logOf(owner)).slice(-1));
    await eventually(() => tenantOf(member)?.status.sealedCount).toBe(1);
    const text = await exported(owner);
    expect(text).toMatch(/^mdb:\/\/key\/[\w-]+$/);
    expect(await imported(member, text)).toBe("salaries");
    await eventually(() => tenantOf(member)?.keys).toEqual(["salaries"]);
    await eventually(() => member.device.api.documentIds(member.database)).toContain(id);
    expect(await valueOf(member, id)).toEqual({ pay: 1 });
    // What is taken once more changes nothing.
    expect(await imported(member, text)).toBe("salaries");
    const [back = ""] = await member.device.api.createDocuments(member.database, [{ pay: 2 }], {
      keyName: "salaries",
    });
    await bring(owner, (await logOf(member)).slice(-1));
    await eventually(() => owner.device.api.documentIds(owner.database)).toContain(back);
    await member.device.api.closeTenant(member.tenantId);
    const again = await startDevice(member.storage);
    const opened = await again.api.openTenant(member.tenantId, {
      userName: undefined,
      password: "marble tunnel saffron",
      keepSession: false,
    });
    expect(opened.keys).toEqual(["salaries"]);
    const database = newSubscription();
    await again.api.openDatabase(member.tenantId, "contacts", database);
    expect((await again.api.readDocuments(database, [id]))[0]?.snapshot.value).toEqual({ pay: 1 });
  });

  it("brings all of its epochs, and what is written then is under the newest", async () => {
    const { proof, victim: owner, villainReplica: member } = stage;
    await owner.device.api.createKey(owner.tenantId, "salaries");
    const [old = ""] = await owner.device.api.createDocuments(owner.database, [{ n: 1 }], {
      keyName: "salaries",
    });
    await owner.device.api.rotateKey(owner.tenantId, "salaries", proof);
    const [young = ""] = await owner.device.api.createDocuments(owner.database, [{ n: 2 }], {
      keyName: "salaries",
    });
    await bring(member, await logOf(owner));
    await imported(member, await exported(owner));
    await eventually(async () => (await member.device.api.documentIds(member.database)).toSorted()).toEqual(
      [old, young].toSorted(),
    );
    const doc = newSubscription();
    const { heads } = await member.device.api.openDocument(member.database, old, doc);
    await member.device.api.changeDocument(doc, draft([{ op: "set", path: ["n"], value: 3 }], heads));
    expect(await lastKey(member)).toMatchObject({ author: stage.villain.author, epoch: 2 });
  });

  it("is not made of keys that are not here or not to be handed on, nor under lock, nor under a weak password", async () => {
    const { victim: owner } = stage;
    await owner.device.api.createKey(owner.tenantId, "salaries");
    await expect(exported(owner, "board")).rejects.toMatchObject({ code: "key/missing" });
    for (const name of ["default", "$directory", "", " salaries"])
      await expect(exported(owner, name), name).rejects.toMatchObject({ code: "input/invalid" });
    await expect(owner.device.api.exportKey(owner.tenantId, "salaries", "password1")).rejects.toMatchObject({
      code: "input/weak-password",
    });
    const text = await exported(owner);
    await owner.device.api.lock(owner.tenantId);
    await expect(exported(owner)).rejects.toMatchObject({ code: "access/locked" });
    await expect(imported(owner, text)).rejects.toMatchObject({ code: "access/locked" });
  });
});

describe("a key that is handed on by who means harm", () => {
  it("is taken from members alone: not from who was revoked, and not from a stranger of another tenant", async () => {
    const { proof, victim, villain } = stage;
    const text = await forge(villain);
    await victim.device.api.revokeUser(victim.tenantId, villain.author, proof);
    await expect(imported(victim, text)).rejects.toMatchObject({ code: "access/denied" });
    const other = await startDevice(createMemoryStorage(env));
    const { id } = await other.api.createTenant(people);
    await other.api.createKey(id, "salaries");
    const foreign = await other.api.exportKey(id, "salaries", shared);
    await expect(imported(victim, foreign)).rejects.toMatchObject({ code: "input/invalid" });
    expect(tenantOf(victim)?.keys).toEqual([]);
  });

  it("takes no other key's place, and is none of the tenant's own", async () => {
    const { victim, villain } = stage;
    for (const [change, code] of [
      [{ name: "salaries", keyName: "board" }, "entry/forged"],
      [{ name: "salaries", keyName: "default" }, "entry/forged"],
      [{ name: "default" }, "input/invalid"],
      [{ name: "cafe\u0301" }, "entry/forged"],
    ] as const)
      await expect(imported(victim, await forge(villain, change))).rejects.toMatchObject({ code });
    expect(tenantOf(victim)?.keys).toEqual([]);
  });

  it("brings nobody to write under a key of the author's making: epochs are the directory's", async () => {
    const { proof, victim, villain } = stage;
    const { api } = victim.device;
    await api.createKey(victim.tenantId, "salaries");
    for (const epochs of [[1], [2], [1, 2], [4_294_967_295]])
      await expect(imported(victim, await forge(villain, { epochs }))).rejects.toMatchObject({
        code: "entry/forged",
        details: { reason: "epoch" },
      });
    await api.rotateKey(victim.tenantId, "salaries", proof);
    for (const epochs of [[2], [1], [3]])
      await expect(imported(victim, await forge(villain, { epochs }))).rejects.toMatchObject({
        code: "entry/forged",
      });
    await api.createDocuments(victim.database, [{ pay: 1 }], { keyName: "salaries" });
    const theirs = keyFingerprint(crypto, new Uint8Array(32).fill(92));
    const written = await lastKey(victim);
    expect(written.epoch).toBe(2);
    expect(written.fingerprint).not.toEqual(theirs);
  });

  it("opens by its own password alone, and says so", async () => {
    const { victim, villain } = stage;
    const text = await forge(villain);
    await expect(imported(victim, text, `${shared}!`)).rejects.toMatchObject({ code: "key/wrong-password" });
    expect(await imported(victim, text)).toBe("salaries");
  });
});
