import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket as NodeWebSocket } from "ws";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startServer, type RunningServer } from "../server/src/index.ts";
import { createMemoryStorage } from "../src/store/index.ts";
import type { Env } from "../src/std/index.ts";
import type { GroupEdits, TenantSnapshot } from "./api.ts";
import { closeDevices, createTabsEnv, env, people, startDevice, type Device } from "./device-fixtures.ts";

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= NodeWebSocket as unknown as typeof WebSocket;

const guestPassword = "marble tunnel saffron";
const sharePassword = "lusab-babad-gutih-tugad";
const unlocking = { userName: undefined, password: people.userPassword, keepSession: false };
const nobody: GroupEdits = { addUsers: [], removeUsers: [], addGroups: [], removeGroups: [] };

let dataFolder: string;
let server: RunningServer;

beforeEach(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), "coffer-test-"));
  server = await startServer({ dataFolder, port: 0 });
});
afterEach(async () => {
  await closeDevices();
  await server.close();
  await rm(dataFolder, { recursive: true, force: true });
});

async function founded(world: Env = env) {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage, world);
  const tenant = await device.api.createTenant(people);
  const proof = { adminKey: tenant.adminUser?.key ?? "", adminPassword: people.adminPassword };
  return { device, storage, tenantId: tenant.id, proof, ownerKey: tenant.self?.key ?? "" };
}

type Owner = Awaited<ReturnType<typeof founded>>;

async function joined(owner: Owner, userName = "cn=guest/o=acme") {
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
  return { device, key };
}

function seenBy({ events }: Device): TenantSnapshot | undefined {
  const event = events.findLast((one) => one.kind === "tenant");
  return event?.kind === "tenant" ? event.snapshot : undefined;
}

const setting = (name: string, value: string | undefined) => ({ name, value });

describe("groups and settings", () => {
  it("are told to every member, and stay over reopening and locking", async () => {
    const owner = await founded();
    const { api } = owner.device;
    await api.publish(owner.tenantId, server.url, owner.proof);
    await api.connect(owner.tenantId, server.url);
    const guest = await joined(owner);
    const { proof, tenantId } = owner;
    await api.setGroup(tenantId, "Board", { ...nobody, addUsers: [owner.ownerKey] }, proof);
    await api.setGroup(tenantId, "Staff", { ...nobody, addUsers: [guest.key], addGroups: ["board"] }, proof);
    // A circle is no harm.
    await api.setGroup(tenantId, "BOARD", { ...nobody, addGroups: ["staff"] }, proof);
    await api.changeSettings(tenantId, undefined, [setting("colour", '{"hue":12}')], proof);
    await api.changeSettings(tenantId, "\ufb01lms", [setting("limit", "3"), setting("gone", "1")], proof);
    await api.changeSettings(tenantId, "films", [setting("gone", undefined)], proof);
    const everyone = [owner.ownerKey, guest.key].sort();
    const wanted = {
      groups: [
        { name: "BOARD", users: [owner.ownerKey], groups: ["Staff"], members: everyone },
        { name: "Staff", users: [guest.key], groups: ["BOARD"], members: everyone },
      ],
      settings: { colour: { hue: 12 } },
      databaseSettings: { films: { limit: 3 } },
    };
    await expect.poll(() => seenBy(owner.device)).toMatchObject(wanted);
    await expect.poll(() => seenBy(guest.device)).toMatchObject(wanted);
    await guest.device.api.lock(tenantId);
    const nothing = { groups: undefined, settings: undefined, databaseSettings: undefined };
    expect(seenBy(guest.device)).toMatchObject(nothing);
    await api.closeTenant(tenantId);
    const again = await startDevice(owner.storage);
    expect(await again.api.openTenant(tenantId, unlocking)).toMatchObject(wanted);
    // Who is revoked is in no group any more, as a member; the group keeps the name for a while.
    await again.api.revokeUser(tenantId, guest.key, proof);
    await expect
      .poll(() => seenBy(again)?.groups?.map(({ members }) => members))
      .toEqual([[owner.ownerKey], [owner.ownerKey]]);
  });

  it("show a server no name of a group and no setting, and the server folds the line to its end", async () => {
    const owner = await founded();
    const { device, proof, tenantId } = owner;
    await device.api.setGroup(tenantId, "canary-group", { ...nobody, addUsers: [owner.ownerKey] }, proof);
    await device.api.changeSettings(
      tenantId,
      "canary-base",
      [setting("canary-set", '"canary-value"')],
      proof,
    );
    await device.api.publish(tenantId, server.url, proof);
    await device.api.connect(tenantId, server.url);
    await device.api.changeSettings(tenantId, undefined, [setting("canary-late", "1")], proof);
    await device.api.sync(tenantId, server.url);
    // It would not take a newcomer's session if it had lost the line.
    await joined(owner);
    const files = await readdir(dataFolder, { recursive: true, withFileTypes: true });
    const contents = await Promise.all(
      files
        .filter((file) => file.isFile())
        .map((file) => readFile(join(file.parentPath, file.name), "latin1")),
    );
    expect(contents.join("").length).toBeGreaterThan(1000);
    expect(contents.join("")).not.toContain("canary");
  });

  it("are the admin's alone, and what is wrong with a change is said before anything is written", async () => {
    const owner = await founded();
    const { device, proof, tenantId } = owner;
    const { api } = device;
    await api.setGroup(tenantId, "staff", nobody, proof);
    const before = await api.resumeTenant(tenantId, undefined);
    const set = (name: string, edits: Partial<GroupEdits>, by = proof) =>
      api.setGroup(tenantId, name, { ...nobody, ...edits }, by);
    const change = (name: string, value: string | undefined, dbName?: string) =>
      api.changeSettings(tenantId, dbName, [setting(name, value)], proof);
    const stranger = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const refused: readonly [() => Promise<unknown>, string][] = [
      [() => set("staff", {}, { ...proof, adminPassword: "not this one" }), "key/wrong-password"],
      [() => set("staff", {}, { ...proof, adminKey: owner.ownerKey }), "access/not-admin"],
      [() => set(" staff", {}), "input/invalid"],
      [() => set("staff\u202e", {}), "input/invalid"],
      [() => set("staff", { addUsers: [stranger] }), "input/unknown-id"],
      [() => set("staff", { addGroups: ["none"] }), "input/unknown-id"],
      [() => set("staff", { addUsers: [owner.ownerKey], removeUsers: [owner.ownerKey] }), "input/invalid"],
      [() => change("", "1"), "input/invalid"],
      [() => change("a", "not JSON"), "input/invalid"],
      [() => change("a", JSON.stringify("x".repeat(5000))), "input/invalid"],
      [() => change("a", "1", ""), "input/invalid"],
    ];
    for (const [call, code] of refused) await expect(call()).rejects.toMatchObject({ code });
    expect(await api.resumeTenant(tenantId, undefined)).toEqual(before);
    await set("STAFF", { addUsers: [owner.ownerKey] });
    expect(seenBy(device)?.groups).toMatchObject([{ name: "STAFF", users: [owner.ownerKey] }]);
  });

  it("are not what an older server says: a device goes by the newest directory that it has seen", async () => {
    const owner = await founded();
    const { device, proof, tenantId } = owner;
    await device.api.publish(tenantId, server.url, proof);
    await device.api.connect(tenantId, server.url);
    const [guest, other] = [await joined(owner), await joined(owner, "cn=other/o=acme")];
    await device.api.changeSettings(tenantId, undefined, [setting("limit", "1")], proof);
    await device.api.sync(tenantId, server.url);
    for (const member of [guest, other])
      await expect.poll(() => seenBy(member.device)?.settings).toEqual({ limit: 1 });
    const { url } = server;
    await server.close();
    const older = await mkdtemp(join(tmpdir(), "coffer-older-"));
    await cp(dataFolder, older, { recursive: true });
    const port = Number(new URL(url).port);
    server = await startServer({ dataFolder, port });
    await device.api.revokeUser(tenantId, guest.key, proof);
    const isAway = (one: Device) =>
      seenBy(one)
        ?.users?.filter(({ revoked }) => revoked)
        .map(({ key }) => key);
    await expect.poll(() => isAway(other.device), { timeout: 10_000 }).toEqual([guest.key]);
    await server.close();
    await rm(dataFolder, { recursive: true, force: true });
    dataFolder = older;
    server = await startServer({ dataFolder, port });
    for (const one of [device, other.device]) {
      await expect(one.api.sync(tenantId, url)).rejects.toMatchObject({ code: "protocol/malformed" });
      expect(seenBy(one)?.alarms.map(({ kind }) => kind)).toContain("rollback");
      expect(isAway(one)).toEqual([guest.key]);
    }
  });

  it("that two tabs of the admin change at once are all there, in one line", async () => {
    const tabs = createTabsEnv();
    let turn: Promise<unknown> = Promise.resolve();
    const world: Env = {
      ...tabs,
      withLock(name, options, run) {
        if (!name.startsWith("coffer-directory/")) return tabs.withLock(name, options, run);
        const mine = turn.then(run);
        turn = mine.catch(() => undefined);
        return mine;
      },
    };
    const owner = await founded(world);
    const { proof, tenantId } = owner;
    const other = await startDevice(owner.storage, world);
    await other.api.openTenant(tenantId, unlocking);
    const changes = Array.from({ length: 8 }, (_, index) => {
      const { api } = index % 2 === 0 ? owner.device : other;
      return api.changeSettings(tenantId, undefined, [setting(`s${index}`, String(index))], proof);
    });
    await Promise.all(changes);
    const settings = Object.fromEntries(changes.map((_, index) => [`s${index}`, index]));
    for (const device of [owner.device, other]) {
      await expect.poll(() => seenBy(device)?.settings).toEqual(settings);
      expect(seenBy(device)?.alarms).toEqual([]);
    }
  });
});
