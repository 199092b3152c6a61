/** Who is here, through the worker's calls: two devices over a server, two tabs of one, locked and revoked. */
import { expect, it } from "vitest";
import { createMemoryStorage } from "../src/store/index.ts";
import type { WorkerEvent } from "./api.ts";
import {
  createTabsEnv,
  env,
  newSubscription,
  people,
  startDevice,
  withLocks,
  type Device,
} from "./device-fixtures.ts";
import { serveEachTest } from "./server-fixtures.ts";

const guestPassword = "marble tunnel saffron";
const sharePassword = "lusab-babad-gutih-tugad";
const byPassword = { userName: undefined, password: people.userPassword, keepSession: false };
const server = serveEachTest();

/** One presence of a device, as its page knows it. */
async function enter(device: Device, tenantId: string) {
  const [database, own] = [newSubscription(), newSubscription()];
  await device.api.openDatabase(tenantId, "films", database);
  await device.api.openPresence(database, own);
  const eventsOf = <K extends WorkerEvent["kind"]>(kind: K) =>
    device.events.filter(
      (event): event is Extract<WorkerEvent, { kind: K; subscription: number }> =>
        event.kind === kind && "subscription" in event && event.subscription === own,
    );
  return {
    own,
    api: device.api,
    states: () => (eventsOf("presence").at(-1)?.peers ?? []).map(({ state }) => state),
    users: () => (eventsOf("presence").at(-1)?.peers ?? []).map(({ user }) => user),
    heard: () => eventsOf("broadcast").map(({ name, value, from }) => [name, value, from.user]),
  };
}

const isLive = (device: Device) => (): boolean => {
  const event = device.events.findLast((one) => one.kind === "tenant");
  return event?.kind === "tenant" && event.snapshot.links[0]?.status.phase === "live";
};

async function founded(world = env) {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage, world);
  const tenant = await device.api.createTenant(people);
  const proof = { adminKey: tenant.adminUser?.key ?? "", adminPassword: people.adminPassword };
  await device.api.publish(tenant.id, server.url, proof);
  await device.api.connect(tenant.id, server.url);
  await expect.poll(isLive(device), { timeout: 20_000 }).toBe(true);
  return { storage, device, tenantId: tenant.id, proof, ownKey: tenant.self?.key ?? "" };
}

async function joined({ device: owner, tenantId, proof }: Awaited<ReturnType<typeof founded>>) {
  const device = await startDevice(createMemoryStorage(env));
  const { key } = await device.api.createUserId("cn=guest/o=acme", guestPassword);
  const request = await device.api.createJoinRequest(key);
  const options = { ...proof, sharePassword, serverUrl: server.url, expiresInMs: 60_000 };
  const response = await owner.api.approveJoinRequest(tenantId, request, options);
  await device.api.joinTenant(response, { key, password: guestPassword, sharePassword });
  await expect.poll(isLive(device), { timeout: 20_000 }).toBe(true);
  return { device, key };
}

it("two people see each other's state and hear each other, until one leaves, locks, or is revoked", async () => {
  const owner = await founded();
  const guest = await joined(owner);
  const [anna, bert] = [await enter(owner.device, owner.tenantId), await enter(guest.device, owner.tenantId)];
  await anna.api.setPresence(anna.own, { cursor: "title" });
  await expect.poll(bert.states, { timeout: 20_000 }).toEqual([{ cursor: "title" }]);
  expect(bert.users()).toEqual([owner.ownKey]);
  await bert.api.setPresence(bert.own, { typing: true });
  await expect.poll(anna.states, { timeout: 20_000 }).toEqual([{ typing: true }]);
  expect(anna.users()).toEqual([guest.key]);
  await anna.api.setPresence(anna.own, { cursor: "year" });
  await expect.poll(bert.states, { timeout: 20_000 }).toEqual([{ cursor: "year" }]);
  await bert.api.broadcast(bert.own, "ping", [1, 2]);
  await expect.poll(anna.heard, { timeout: 20_000 }).toEqual([["ping", [1, 2], guest.key]]);
  expect(bert.heard()).toEqual([]);

  const late = await enter(guest.device, owner.tenantId);
  await expect
    .poll(late.states, { timeout: 20_000 })
    .toEqual(expect.arrayContaining([{ cursor: "year" }, { typing: true }]));
  await anna.api.setPresence(anna.own, undefined);
  await expect.poll(bert.states, { timeout: 20_000 }).toEqual([]);

  await guest.device.api.lock(owner.tenantId);
  await expect.poll(anna.states, { timeout: 20_000 }).toEqual([]);
  await bert.api.setPresence(bert.own, "away");
  await expect(guest.device.api.openPresence(99_999, 99_998)).rejects.toMatchObject({ code: "store/closed" });
  await guest.device.api.openTenant(owner.tenantId, {
    userName: undefined,
    password: guestPassword,
    keepSession: false,
  });
  // What it said while it was locked is heard afterwards, with nothing opened anew.
  await expect.poll(anna.states, { timeout: 20_000 }).toEqual(["away"]);
  await bert.api.setPresence(bert.own, undefined);
  await expect.poll(anna.states, { timeout: 20_000 }).toEqual([]);
  const back = await enter(guest.device, owner.tenantId);
  await back.api.setPresence(back.own, "back");
  await expect.poll(anna.states, { timeout: 20_000 }).toEqual(["back"]);
  await owner.device.api.revokeUser(owner.tenantId, guest.key, owner.proof);
  await expect.poll(anna.states, { timeout: 20_000 }).toEqual([]);
  await back.api.setPresence(back.own, "still here").catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(anna.states()).toEqual([]);
});

it("two tabs of one device are two presences, whichever of them talks to the server", async () => {
  const world = withLocks(createTabsEnv());
  const owner = await founded(world);
  const guest = await joined(owner);
  const second = await startDevice(owner.storage, world);
  await second.api.openTenant(owner.tenantId, byPassword);
  const [one, two] = [await enter(owner.device, owner.tenantId), await enter(second, owner.tenantId)];
  const bert = await enter(guest.device, owner.tenantId);
  await one.api.setPresence(one.own, "one");
  await two.api.setPresence(two.own, "two");
  await bert.api.setPresence(bert.own, "bert");
  const both = (...states: readonly string[]) => [...states].sort();
  await expect.poll(() => bert.states().sort(), { timeout: 20_000 }).toEqual(both("one", "two"));
  await expect.poll(() => one.states().sort(), { timeout: 20_000 }).toEqual(both("two", "bert"));
  await expect.poll(() => two.states().sort(), { timeout: 20_000 }).toEqual(both("one", "bert"));
  expect(new Set(bert.users()).size).toBe(1);
  await two.api.closePresence(two.own);
  await expect.poll(bert.states, { timeout: 20_000 }).toEqual(["one"]);
});

it("what is no JSON, or too much of it, is refused", async () => {
  const { device, tenantId } = await founded();
  const { api, own } = await enter(device, tenantId);
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  for (const value of [circle, 1n, () => undefined, Symbol("x")])
    await expect(api.setPresence(own, value)).rejects.toMatchObject({ code: "input/invalid" });
  const shared = [[0]];
  for (let depth = 0; depth < 40; depth++) shared.push(shared.slice() as never);
  for (const value of ["x".repeat(2047), shared])
    await expect(api.setPresence(own, value)).rejects.toMatchObject({ code: "input/too-large" });
  await expect(api.broadcast(own, "", 1)).rejects.toMatchObject({ code: "input/invalid" });
  await expect(api.broadcast(own, "n".repeat(65), 1)).rejects.toMatchObject({ code: "input/too-large" });
  await api.setPresence(own, "x".repeat(2046));
  await api.setPresence(own, null);
});
