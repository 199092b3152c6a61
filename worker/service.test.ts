import { afterEach, describe, expect, it } from "vitest";
import { createMemoryStorage } from "../src/store/index.ts";
import {
  closeDevices,
  draft,
  env,
  newSubscription,
  people,
  rowsBy,
  shownAfter,
  startDevice,
  type Device,
} from "./device-fixtures.ts";

afterEach(closeDevices);

describe("one device", () => {
  it("resumes after a death with all that was written, pages or not", async () => {
    const storage = createMemoryStorage(env);
    const first = await startDevice(storage);
    const { api } = first;
    const tenant = await api.createTenant(people);
    const boxes = (events: Device["events"]) =>
      events.flatMap((event) => (event.kind === "tenant" ? (event.session ?? []) : []));
    await first.until((events) => boxes([...events]).length > 0);
    const [box] = boxes(first.events);
    const database = newSubscription();
    await api.openDatabase(tenant.id, "contacts", database);
    let last = "";
    // Each is a commit of its own, so that judging them takes more than one turn.
    for (let count = 0; count < 200; count++) [last = ""] = await api.createDocuments(database, [{ count }]);
    // The first worker is not closed: like one that died, it may not have written its pages.
    const next = await startDevice(storage);
    await next.api.resumeTenant(tenant.id, box);
    await next.api.openDatabase(tenant.id, "contacts", database);
    const { value, status } = await next.api.openDocument(database, last, newSubscription());
    expect({ value, status }).toEqual({ value: { count: 199 }, status: "ready" });
    // The same for who opens it anew.
    const third = await startDevice(storage);
    await third.api.openTenant(tenant.id, {
      userName: undefined,
      password: people.userPassword,
      keepSession: false,
    });
    await third.api.openDatabase(tenant.id, "contacts", database);
    const opened = await third.api.openDocument(database, last, newSubscription());
    expect(opened.value).toEqual({ count: 199 });
  });

  it("leaves a tenant as it is when another one is asked for by a name that is none, with the same password", async () => {
    const storage = createMemoryStorage(env);
    const { api } = await startDevice(storage);
    const { id } = await api.createTenant(people);
    const database = newSubscription();
    await api.openDatabase(id, "contacts", database);
    const ask = () =>
      api.openTenant("another", { userName: undefined, password: people.userPassword, keepSession: false });
    const isLocked = async () => (await api.tenants()).map(({ locked }) => locked);
    await expect(ask()).rejects.toMatchObject({ code: "input/unknown-id" });
    // Open, with all that was open in it.
    expect(await isLocked()).toEqual([false]);
    expect(await api.createDocuments(database, [{ text: "still" }])).toHaveLength(1);
    await api.lock(id);
    await expect(ask()).rejects.toMatchObject({ code: "input/unknown-id" });
    expect(await isLocked()).toEqual([true]);
    await api.closeTenant(id);
    await expect(ask()).rejects.toMatchObject({ code: "input/unknown-id" });
    expect(await isLocked()).toEqual([true]);
    await expect(api.lock(id)).rejects.toMatchObject({ code: "input/unknown-id" });
    await api.openTenant(people.tenantName, {
      userName: undefined,
      password: people.userPassword,
      keepSession: false,
    });
    await api.openDatabase(id, "contacts", database);
    expect(await api.documentIds(database)).toHaveLength(1);
  });

  it("founds a tenant, keeps documents, and shows them again after unlocking", async () => {
    const storage = createMemoryStorage(env);
    const { api } = await startDevice(storage);
    const tenant = await api.createTenant(people);
    expect(tenant.name).toBe("acme");
    expect(tenant.status.phase).toBe("open");
    const database = newSubscription();
    await api.openDatabase(tenant.id, "contacts", database);
    const [id] = await api.createDocuments(database, [
      { name: "Ada", address: { city: "Bergen" }, tags: ["a"] },
    ]);
    const doc = newSubscription();
    const opened = await api.openDocument(database, id ?? "", doc);
    expect(opened.value).toEqual({ name: "Ada", address: { city: "Bergen" }, tags: ["a"] });
    const changed = await api.changeDocument(
      doc,
      draft([{ op: "set", path: ["address", "city"], value: "Oslo" }], opened.heads),
    );
    expect(shownAfter(opened, changed.update).value).toEqual({
      name: "Ada",
      address: { city: "Oslo" },
      tags: ["a"],
    });
    await api.lock(tenant.id);
    await expect(api.createDocuments(database, [{ x: 1 }])).rejects.toMatchObject({ code: "access/locked" });
    await expect(api.unlock(tenant.id, { password: "not this one" })).rejects.toMatchObject({
      code: "key/wrong-password",
    });
    await api.unlock(tenant.id, { password: people.userPassword });
    const again = newSubscription();
    await expect.poll(() => api.documentIds(database)).toEqual([id]);
    expect((await api.openDocument(database, id ?? "", again)).value).toEqual({
      name: "Ada",
      address: { city: "Oslo" },
      tags: ["a"],
    });
  });

  it("opens in a fresh worker from its pages, and without them from the log", async () => {
    const storage = createMemoryStorage(env);
    const first = await startDevice(storage);
    const tenant = await first.api.createTenant(people);
    const database = newSubscription();
    await first.api.openDatabase(tenant.id, "contacts", database);
    const values = Array.from({ length: 300 }, (_, i) => ({ name: `n${i}`, age: i }));
    const ids = [
      ...(await first.api.createDocuments(database, values.slice(0, 256))),
      ...(await first.api.createDocuments(database, values.slice(256))),
    ];
    await first.api.closeTenant(tenant.id);
    for (const damage of [false, true]) {
      if (damage) {
        const store = await storage.openStore(`coffer/tenant/${tenant.id}`);
        const pages = await store.readSlots("derived/");
        expect(pages.length).toBeGreaterThan(2);
        await store.write({ slots: [{ name: pages[1]?.name ?? "", value: new Uint8Array(40) }] });
        store.close();
      }
      const next = await startDevice(storage);
      await next.api.openTenant("acme", {
        userName: undefined,
        password: people.userPassword,
        keepSession: false,
      });
      const again = newSubscription();
      const query = newSubscription();
      await next.api.openDatabase(tenant.id, "contacts", again);
      await expect.poll(async () => (await next.api.documentIds(again)).toSorted()).toEqual(ids.toSorted());
      await next.api.openQuery(
        again,
        { filter: undefined, sort: [{ field: "age", order: "desc" }], limit: 2, offset: 0 },
        query,
      );
      await next.until((events) =>
        events.some((event) => event.kind === "query" && event.subscription === query && event.total === 300),
      );
      expect(rowsBy(next.events, query).map((row) => row.value["age"])).toEqual([299, 298]);
      await next.api.closeTenant(tenant.id);
    }
  });

  it("replays drafts in order, and fails those that stand on a failed one", async () => {
    const { api } = await startDevice(createMemoryStorage(env));
    const tenant = await api.createTenant(people);
    const database = newSubscription();
    await api.openDatabase(tenant.id, "contacts", database);
    const [id = ""] = await api.createDocuments(database, [{ count: 0, list: [] }]);
    const doc = newSubscription();
    const { heads } = await api.openDocument(database, id, doc);
    const one = draft([{ op: "set", path: ["count"], value: 1 }], heads);
    const bad = draft([{ op: "set", path: ["nowhere", "x"], value: 1 }], heads, one.draft);
    const onBad = draft([{ op: "set", path: ["count"], value: 3 }], heads, bad.draft);
    const results = await Promise.allSettled(
      [one, bad, onBad].map((message) => api.changeDocument(doc, message)),
    );
    expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected", "rejected"]);
    const after = newSubscription();
    expect((await api.openDocument(database, id, after)).value).toEqual({ count: 1, list: [] });
  });

  it("deletes and brings back a document", async () => {
    const { api } = await startDevice(createMemoryStorage(env));
    const tenant = await api.createTenant(people);
    const database = newSubscription();
    await api.openDatabase(tenant.id, "contacts", database);
    const [id = ""] = await api.createDocuments(database, [{ name: "Ada" }]);
    await api.deleteDocument(database, id);
    expect(await api.documentIds(database)).toEqual([]);
    await api.undeleteDocument(database, id);
    expect(await api.documentIds(database)).toEqual([id]);
  });

  it("locks every worker of the device when one locks, and unlocks behind a locking", async () => {
    const storage = createMemoryStorage(env);
    const first = await startDevice(storage);
    const tenant = await first.api.createTenant(people);
    const second = await startDevice(storage);
    await second.api.openTenant(tenant.id, {
      userName: undefined,
      password: people.userPassword,
      keepSession: false,
    });
    await first.api.lock(tenant.id);
    await expect.poll(async () => (await second.api.tenants()).map(({ locked }) => locked)).toEqual([true]);
    const locking = first.api.lock(tenant.id);
    await first.api.unlock(tenant.id, { password: people.userPassword });
    await locking;
    expect((await first.api.tenants()).map(({ locked }) => locked)).toEqual([false]);
  });

  it("tells two workers of one device of each other's writes", async () => {
    const storage = createMemoryStorage(env);
    const first = await startDevice(storage);
    const tenant = await first.api.createTenant(people);
    const second = await startDevice(storage);
    await second.api.openTenant(tenant.id, {
      userName: undefined,
      password: people.userPassword,
      keepSession: false,
    });
    const [one, two] = [newSubscription(), newSubscription()];
    await first.api.openDatabase(tenant.id, "contacts", one);
    await second.api.openDatabase(tenant.id, "contacts", two);
    const [id = ""] = await first.api.createDocuments(one, [{ name: "Ada", notes: "" }]);
    await expect.poll(() => second.api.documentIds(two)).toEqual([id]);
    const [docOne, docTwo] = [newSubscription(), newSubscription()];
    const here = await first.api.openDocument(one, id, docOne);
    const there = await second.api.openDocument(two, id, docTwo);
    await Promise.all([
      first.api.changeDocument(
        docOne,
        draft([{ op: "spliceText", path: ["notes"], index: 0, remove: 0, insert: "left" }], here.heads),
      ),
      second.api.changeDocument(
        docTwo,
        draft([{ op: "spliceText", path: ["notes"], index: 0, remove: 0, insert: "right" }], there.heads),
      ),
    ]);
    const notesOf = async (device: Device, database: number): Promise<unknown> =>
      (await device.api.openDocument(database, id, newSubscription())).value?.["notes"];
    await expect.poll(() => notesOf(first, one)).toMatch(/^(leftright|rightleft)$/);
    await expect.poll(() => notesOf(second, two)).toBe(await notesOf(first, one));
  });
});
