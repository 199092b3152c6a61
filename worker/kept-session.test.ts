import { afterEach, describe, expect, it } from "vitest";
import type { Env } from "../src/std/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import { closeDevices, createTabsEnv, env, newSubscription, people, startDevice } from "./device-fixtures.ts";

afterEach(closeDevices);

/** A question that nobody answers is given up sooner. */
const quick: Env = { ...env, setTimer: (afterMs, run) => env.setTimer(afterMs / 20, run) };

const held = { userName: undefined, password: undefined, keepSession: false };
const withPassword = { userName: undefined, password: people.userPassword, keepSession: false };

function createGate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

/** A device that has kept a session, with one document; no worker of it runs. */
async function kept(): Promise<{ storage: Storage; id: string; docId: string }> {
  const storage = createMemoryStorage(env);
  const first = await startDevice(storage, quick);
  const { id } = await first.api.createTenant(people);
  const database = newSubscription();
  await first.api.openDatabase(id, "contacts", database);
  const [docId = ""] = await first.api.createDocuments(database, [{ name: "Ada" }]);
  await first.api.openTenant(id, { ...withPassword, keepSession: true });
  await first.api.closeTenant(id);
  return { storage, id, docId };
}

const isKept = async (storage: Storage): Promise<boolean | undefined> =>
  (await (await startDevice(storage, quick)).api.tenants()).at(0)?.kept;

describe("a kept session", () => {
  it("opens without a password, with keys that cannot be read, and again after that", async () => {
    const { storage, id, docId } = await kept();
    for (let round = 0; round < 2; round++) {
      const next = await startDevice(storage, quick);
      expect(await next.api.tenants()).toMatchObject([{ kept: true, locked: true, lost: false }]);
      const tenant = await next.api.openTenant(id, held);
      expect(tenant).toMatchObject({ name: "acme", self: { userName: people.userName } });
      const database = newSubscription();
      await next.api.openDatabase(id, "contacts", database);
      expect((await next.api.openDocument(database, docId, newSubscription())).value).toEqual({
        name: "Ada",
      });
      await next.api.createDocuments(database, [{ round }]);
      await next.api.closeTenant(id);
    }
    const device = await storage.openStore("coffer/device");
    const slots = await device.readSlots(`kept/${id}/`);
    expect(slots).toHaveLength(5);
    const bytes = new TextDecoder("latin1");
    for (const { value } of slots) {
      if (value instanceof Uint8Array) expect(bytes.decode(value)).not.toContain("owner");
      else expect(value.extractable).toBe(false);
    }
  });

  it("is not there unless it was asked for, and not for another user's name", async () => {
    const { storage, id } = await kept();
    const next = await startDevice(storage, quick);
    await expect(next.api.openTenant(id, { ...held, userName: "cn=other/o=acme" })).rejects.toMatchObject({
      code: "input/unknown-id",
    });
    await expect(next.api.openTenant("acme", held)).rejects.toMatchObject({ code: "input/unknown-id" });
    await next.api.openTenant("acme", withPassword);
    await next.api.closeTenant(id);
    await expect(next.api.openTenant(id, held)).rejects.toMatchObject({ code: "access/locked" });
    expect(await isKept(storage)).toBe(false);
  });

  it("ends when any tab locks, and when the tenant is removed", async () => {
    const { storage, id } = await kept();
    const [first, second] = [await startDevice(storage, quick), await startDevice(storage, quick)];
    await first.api.openTenant(id, held);
    await second.api.openTenant(id, held);
    await second.api.lock(id);
    expect(await isKept(storage)).toBe(false);
    await expect.poll(async () => (await first.api.tenants())[0]?.locked).toBe(true);
    await expect(first.api.openTenant(id, held)).rejects.toMatchObject({ code: "access/locked" });

    await first.api.openTenant(id, { ...withPassword, keepSession: true });
    await first.api.removeTenant(id);
    expect(await (await storage.openStore("coffer/device")).readSlots("kept/")).toEqual([]);
  });

  it("that a tab takes up while another one is ending it does not outlive the lock", async () => {
    const { storage, id } = await kept();
    const reached = createGate();
    const gate = createGate();
    const slow: Storage = {
      ...storage,
      async openStore(name) {
        const store = await storage.openStore(name);
        const write = store.write.bind(store);
        store.write = async (batch) => {
          if (batch.slots?.some((slot) => slot.name.startsWith("kept/")) === true) {
            reached.open();
            await gate.opened;
          }
          return write(batch);
        };
        return store;
      },
    };
    const tabs = createTabsEnv();
    const first = await startDevice(slow, tabs);
    await first.api.openTenant(id, held);
    const locking = first.api.lock(id);
    await reached.opened;
    const second = await startDevice(storage, tabs);
    await second.api.openTenant(id, held);
    gate.open();
    await locking;
    await expect
      .poll(async () => (await second.api.tenants())[0])
      .toMatchObject({ locked: true, kept: false });
  });

  it("ends when a locked tenant is locked again", async () => {
    const { storage, id } = await kept();
    const next = await startDevice(storage, quick);
    await next.api.resumeTenant(id, undefined);
    await next.api.lock(id);
    expect(await isKept(storage)).toBe(false);
  });

  it.each(["identity", "signing", "encryption", "bag", "profile"])(
    "ends when its slot %s is gone, damaged, or another's",
    async (name) => {
      const { storage, id } = await kept();
      const other = await kept();
      const device = await storage.openStore("coffer/device");
      const slotName = `kept/${id}/${name}`;
      const there = await device.readSlots(`kept/${id}/`);
      const foreign = await (
        await other.storage.openStore("coffer/device")
      ).readSlot(`kept/${other.id}/${name}`);
      const own = there.find((slot) => slot.name === slotName)?.value;
      const flipped =
        own instanceof Uint8Array ? own.map((byte, at) => (at === 90 ? byte ^ 1 : byte)) : undefined;
      for (const value of [undefined, new Uint8Array(200), foreign?.value, flipped]) {
        const slots = there.map((slot) => ({
          name: slot.name,
          value: slot.name === slotName ? value : slot.value,
        }));
        await device.write({ slots });
        const next = await startDevice(storage, quick);
        await expect(next.api.openTenant(id, held)).rejects.toMatchObject({ code: "access/locked" });
        expect((await next.api.tenants())[0]).toMatchObject({ kept: false, locked: true });
        await next.api.openTenant(id, withPassword);
        await next.api.closeTenant(id);
      }
    },
  );
});

describe("keys from another tab", () => {
  it("open the tenant in a new tab, which can hand them on", async () => {
    const storage = createMemoryStorage(env);
    const tabs = createTabsEnv();
    const first = await startDevice(storage, tabs);
    const { id } = await first.api.createTenant(people);
    const second = await startDevice(storage, tabs);
    expect(await second.api.openTenant(id, held)).toMatchObject({ name: "acme" });
    await first.api.closeTenant(id);
    const third = await startDevice(storage, tabs);
    expect(await third.api.openTenant(id, { ...held, keepSession: true })).toMatchObject({ name: "acme" });
    expect((await third.api.tenants())[0]?.kept).toBe(true);
  });

  it("are not handed over by who is locked, and a lock that crosses a handover wins", async () => {
    const storage = createMemoryStorage(env);
    const tabs = { ...createTabsEnv(), setTimer: quick.setTimer };
    const first = await startDevice(storage, tabs);
    const { id } = await first.api.createTenant(people);
    const [second, third] = [await startDevice(storage, tabs), await startDevice(storage, tabs)];
    await second.api.openTenant(id, withPassword);
    for (let turns = 0; turns < 60; turns += 3) {
      const opening = third.api.openTenant(id, held);
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      const locking = first.api.lock(id);
      await Promise.all([locking, opening.catch(() => undefined)]);
      for (const tab of [first, second, third])
        await expect.poll(async () => (await tab.api.tenants())[0]?.locked, { interval: 5 }).toBe(true);
      await first.api.unlock(id, { password: people.userPassword });
      await second.api.openTenant(id, withPassword);
    }
    await first.api.lock(id);
    await expect(third.api.openTenant(id, held)).rejects.toMatchObject({ code: "access/locked" });
  });

  it.each(["another tab locks", "this tab locks", "another tab locks while the keys are being adopted"])(
    "are not adopted when %s meanwhile",
    async (how) => {
      const storage = createMemoryStorage(env);
      const tabs = createTabsEnv();
      const first = await startDevice(storage, tabs);
      const { id } = await first.api.createTenant(people);
      const atAdoption = how.endsWith("adopted");
      const reached = createGate();
      const gate = createGate();
      const waiting = async (): Promise<void> => {
        reached.open();
        await gate.opened;
      };
      // The answer is under way, or the keys are being opened, when the lock comes.
      const slowTabs: Env = {
        ...tabs,
        openChannel(name) {
          const channel = tabs.openChannel(name);
          if (atAdoption || !name.startsWith("coffer-keys/")) return channel;
          const onMessage: typeof channel.onMessage = (listener) =>
            channel.onMessage((message) => void waiting().then(() => listener(message)));
          return { ...channel, onMessage };
        },
      };
      const slowStorage: Storage = {
        ...storage,
        async openStore(name) {
          const store = await storage.openStore(name);
          const readSlots = store.readSlots.bind(store);
          store.readSlots = async (prefix) => {
            if (atAdoption && prefix === "imported/") await waiting();
            return readSlots(prefix);
          };
          return store;
        },
      };
      const second = await startDevice(slowStorage, slowTabs);
      const opening = second.api.openTenant(id, held);
      const outcome = expect(opening).rejects.toMatchObject({ code: "access/locked" });
      await reached.opened;
      await (how === "this tab locks" ? second : first).api.lock(id);
      await new Promise((resolve) => setTimeout(resolve, 5));
      gate.open();
      await outcome;
      // What came before the answer keeps it from being opened at all.
      const wasOpen = second.events.some((event) => event.kind === "tenant" && event.session);
      expect(wasOpen).toBe(atAdoption);
      for (const tab of [first, second])
        await expect.poll(async () => (await tab.api.tenants())[0]?.locked).toBe(true);
    },
  );

  it("are taken from nobody but the same user's worker", async () => {
    const storage = createMemoryStorage(env);
    const tabs = createTabsEnv();
    const liar = await startDevice(createMemoryStorage(env));
    const theirs = await liar.api.createTenant(people);
    await liar.until((events) => events.some((event) => event.kind === "tenant" && event.session));
    const [lie] = liar.events.flatMap((event) => (event.kind === "tenant" ? (event.session ?? []) : []));
    const first = await startDevice(storage, tabs);
    const { id } = await first.api.createTenant(people);
    await first.api.closeTenant(id);
    const store = await storage.openStore(`coffer/tenant/${id}`);
    const channel = tabs.openChannel(`coffer-keys/${store.logEpoch}`);
    const asked: unknown[] = [];
    channel.onMessage((message) => {
      asked.push(message);
      const { ask } = message as { ask: string };
      const answers = [
        null,
        "x",
        {},
        { answer: ask },
        { answer: ask, identity: {} },
        { answer: ask, identity: lie?.opaque },
      ];
      for (const answer of [...answers, { answer: "other", identity: lie?.opaque }]) channel.post(answer);
    });
    const next = await startDevice(storage, tabs);
    await expect(next.api.openTenant(id, held)).rejects.toMatchObject({ code: "access/locked" });
    expect(asked).toEqual([{ ask: expect.stringMatching(/^[0-9a-f]{32}$/), tenantId: id }]);
    // Questions that are none, or another tenant's, get no answer.
    await next.api.openTenant(id, withPassword);
    const heard: unknown[] = [];
    channel.onMessage((message) => heard.push(message));
    const ask = "0".repeat(32);
    for (const question of [null, 7, { ask }, { ask, tenantId: theirs.id }, { ask: "x", tenantId: id }])
      channel.post(question);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(heard).toEqual([]);
    channel.post({ ask, tenantId: id });
    await expect.poll(() => heard).toHaveLength(1);
    channel.close();
  });
});

describe("openings that cross", () => {
  it("are not undone by one that fails beside them", async () => {
    const storage = createMemoryStorage(env);
    const first = await startDevice(storage);
    const { id } = await first.api.createTenant(people);
    await first.api.closeTenant(id);
    const next = await startDevice(storage);
    const asked = next.api.openTenant(id, held).catch((error: unknown) => error);
    await next.api.openTenant(id, withPassword);
    await asked;
    const status = await next.api.openDatabase(id, "contacts", newSubscription());
    expect(status.phase).toBe("ready");
  });

  it("leave nothing open when all of them fail", async () => {
    const storage = createMemoryStorage(env);
    const first = await startDevice(storage, quick);
    const { id } = await first.api.createTenant(people);
    await first.api.closeTenant(id);
    const next = await startDevice(storage, quick);
    const outcomes = await Promise.allSettled([
      next.api.openTenant(id, held),
      next.api.openTenant(id, { ...withPassword, password: "not the password at all" }),
      next.api.openTenant(id, held),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    await expect(next.api.openDatabase(id, "contacts", newSubscription())).rejects.toMatchObject({
      code: "input/unknown-id",
    });
  });
});
