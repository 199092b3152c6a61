import { afterEach, describe, expect, it } from "vitest";
import {
  closeDevices,
  draft,
  env,
  loadEngine,
  newSubscription,
  people,
  shownAfter,
  startDevice,
} from "../../worker/device-fixtures.ts";
import { CofferError } from "../std/index.ts";
import { createMemoryStorage, type Storage, type Store } from "../store/index.ts";

afterEach(closeDevices);

const count = 300;
const open = { userName: undefined, password: people.userPassword, keepSession: false };

/** A tenant whose pages are written: some documents, one of them with a history. */
async function fill() {
  const storage = createMemoryStorage(env);
  const first = await startDevice(storage);
  const tenant = await first.api.createTenant(people);
  const database = newSubscription();
  await first.api.openDatabase(tenant.id, "notes", database);
  // The first is too long for its summary to show it whole.
  const values = Array.from({ length: count }, (_, index) => {
    return { index, born: new Date(index), text: index === 0 ? "long ".repeat(1000) : "" };
  });
  const ids = [
    ...(await first.api.createDocuments(database, values.slice(0, 200))),
    ...(await first.api.createDocuments(database, values.slice(200))),
  ];
  const doc = newSubscription();
  let { heads } = await first.api.openDocument(database, ids[0] ?? "", doc);
  for (let edit = 1; edit <= 100; edit++) {
    const message = draft([{ op: "set", path: ["edits"], value: edit }], heads);
    ({ heads } = await first.api.changeDocument(doc, message));
  }
  await first.api.deleteDocument(database, ids[1] ?? "");
  await first.api.closeTenant(tenant.id);
  return { storage, tenant, ids };
}

type Filled = Awaited<ReturnType<typeof fill>>;

/** What happens to the tenant's store while it is open in a new thread. */
interface Watched {
  readonly positions: number[];
  readonly slots: string[];
}

/** The storage, with the records that are read one by one and the pages that are written. */
function watch(storage: Storage): { storage: Storage; seen: Watched } {
  const seen: Watched = { positions: [], slots: [] };
  const openStore: Storage["openStore"] = async (name) => {
    const store = await storage.openStore(name);
    const { readRecords, readLog, write } = {
      readRecords: store.readRecords.bind(store),
      readLog: store.readLog.bind(store),
      write: store.write.bind(store),
    };
    store.readRecords = (positions) => {
      seen.positions.push(...positions);
      return readRecords(positions);
    };
    store.readLog = async (range) => {
      const records = await readLog(range);
      seen.positions.push(...records.map(({ position }) => position));
      return records;
    };
    store.write = (batch) => {
      seen.slots.push(...(batch.slots ?? []).map(({ name: slot }) => slot));
      return write(batch);
    };
    return store;
  };
  return { storage: { ...storage, openStore }, seen };
}

/** Open the tenant in a new thread and tell what it shows and what it read for that. */
async function reopen({ storage, tenant, ids }: Filled) {
  const { storage: watched, seen } = watch(storage);
  const device = await startDevice(watched);
  await device.api.openTenant(tenant.id, open);
  const database = newSubscription();
  await device.api.openDatabase(tenant.id, "notes", database);
  const query = newSubscription();
  await device.api.openQuery(
    database,
    { filter: undefined, sort: [{ field: "index", order: "desc" }], limit: 5, offset: 0 },
    query,
  );
  const answers = () =>
    device.events.filter((event) => event.kind === "query" && event.subscription === query);
  await device.until(() => answers().some((event) => event.kind === "query" && event.total === count - 1));
  const [answer] = answers();
  const readForQuery = seen.positions.length;
  const first = await device.api.openDocument(database, ids[0] ?? "", newSubscription());
  const living = await device.api.documentIds(database);
  const readInAll = seen.positions.length;
  await device.api.closeTenant(tenant.id);
  return { answer, answers: answers(), readForQuery, readInAll, first, living, seen };
}

async function forgetValues(store: Store): Promise<void> {
  const kept = await store.readSlots("values/");
  await store.write({ slots: kept.map(({ name }) => ({ name, value: undefined })) });
}

async function tenantStore(storage: Storage): Promise<Store> {
  for (const name of await storage.listStores()) {
    const store = await storage.openStore(name);
    if ((await store.readSlots("derived/")).length > 0) return store;
    store.close();
  }
  throw new Error("no tenant has pages");
}

const pause = (ms: number): Promise<undefined> =>
  new Promise((resolve) => {
    setTimeout(() => resolve(undefined), ms);
  });

/** The storage, whose slots of a prefix are read when the gate opens, or cannot be read when it breaks; from then on all is as ever. */
function gated(storage: Storage, prefix: string) {
  let openGate: () => void = () => undefined;
  let failGate: (error: CofferError) => void = () => undefined;
  const gate = new Promise<void>((resolve, reject) => {
    openGate = resolve;
    failGate = reject;
  });
  gate.catch(() => undefined);
  let isBroken = false;
  const openStore: Storage["openStore"] = async (name) => {
    const store = await storage.openStore(name);
    const readSlots = store.readSlots.bind(store);
    store.readSlots = async (asked) => {
      if (asked === prefix && !isBroken) await gate;
      return readSlots(asked);
    };
    return store;
  };
  const breakGate = (): void => {
    isBroken = true;
    failGate(new CofferError("store/failed", { reason: "broken" }));
  };
  return { storage: { ...storage, openStore }, openGate, breakGate };
}

const sees = (shown: Awaited<ReturnType<typeof reopen>>): void => {
  expect(shown.first.value).toMatchObject({ index: 0, edits: 100 });
  expect(shown.first.value?.["born"]).toEqual(new Date(0));
  expect(shown.living.length).toBe(count - 1);
};

describe("opening from pages", () => {
  it("judges nothing again, and writes nothing when nothing changed", async () => {
    const filled = await fill();
    const shown = await reopen(filled);
    sees(shown);
    expect(shown.answer).toMatchObject({ total: count - 1, splices: [{ at: 0, put: { length: 5 } }] });
    // The directory's commits, and the last one that was judged.
    expect(shown.readForQuery).toBeLessThan(10);
    // The thread that wrote them may not have judged its own last commit; now that is noted too.
    expect(shown.seen.slots.filter((name) => name.startsWith("derived/ca"))).toEqual([]);
    const again = await reopen(filled);
    sees(again);
    expect(again.seen.slots.filter((name) => name.startsWith("derived/"))).toEqual([]);
  });

  it.each(["state", "ledger/0", "catalog", "entries"])(
    "judges the log again when %s is damaged, missing, older or another one",
    async (which) => {
      const filled = await fill();
      const store = await tenantStore(filled.storage);
      const slots = await store.readSlots("derived/");
      const slot = slots.find(({ name }) => name.startsWith(`derived/${which}`));
      const other = slots.find(({ name }) => name !== slot?.name);
      if (!(slot?.value instanceof Uint8Array) || !(other?.value instanceof Uint8Array))
        throw new Error(which);
      const flipped = slot.value.slice();
      flipped[20] = (flipped[20] ?? 0) ^ 1;
      for (const value of [flipped, undefined, other.value, slot.value.slice(0, 11)]) {
        await store.write({ slots: [{ name: slot.name, value }] });
        const shown = await reopen(filled);
        sees(shown);
        expect(shown.readInAll).toBeGreaterThan(100);
        // They are mended by that.
        expect(shown.seen.slots).toContain("derived/state");
        const mended = await reopen(filled);
        sees(mended);
        expect(mended.readInAll).toBeLessThan(50);
      }
    },
    20_000,
  );
});

describe("first rows", () => {
  const firstRows = "derived/first-rows";
  const readKept = async (filled: Filled): Promise<Uint8Array<ArrayBuffer> | undefined> => {
    const slot = await (await tenantStore(filled.storage)).readSlot(firstRows);
    return slot?.value instanceof Uint8Array ? slot.value : undefined;
  };
  const put = async (filled: Filled, value: Uint8Array<ArrayBuffer> | undefined): Promise<void> => {
    await (await tenantStore(filled.storage)).write({ slots: [{ name: firstRows, value }] });
  };
  /** Open the tenant in a thread that waits for its catalogs, and tell what a query is answered meanwhile, if anything is open. */
  const glance = async (filled: Filled, order: "asc" | "desc") => {
    const { storage, openGate } = gated(filled.storage, "derived/catalog/");
    const { api, events } = await startDevice(storage);
    const opened = api.openTenant(filled.tenant.id, open);
    const isEarly = await Promise.race([opened.then(() => true), pause(2000)]);
    const answers = () => events.filter((event) => event.kind === "query");
    const [database, query] = [newSubscription(), newSubscription()];
    let early: { readonly status: unknown; readonly answer: unknown } | undefined;
    if (isEarly === true) {
      const status = await api.openDatabase(filled.tenant.id, "notes", database);
      const definition = { filter: undefined, sort: [{ field: "index", order }], limit: 5, offset: 0 };
      await api.openQuery(database, definition, query);
      await pause(1);
      early = { status, answer: answers().at(0) };
    }
    openGate();
    await opened;
    await api.closeTenant(filled.tenant.id);
    return early;
  };

  const ask = (order: "asc" | "desc") => ({
    filter: undefined,
    sort: [{ field: "index", order }],
    limit: 5,
    offset: 0,
  });

  it("of a query that was asked before are told before the catalogs are read, and are the same", async () => {
    const filled = await fill();
    expect(await glance(filled, "desc")).toBeUndefined();
    const slow = await reopen(filled);
    const early = await glance(filled, "desc");
    expect(early?.status).toEqual({ phase: "ready", documentCount: count - 1 });
    expect(early?.answer).toMatchObject({ status: "ready", total: count - 1 });
    const said = (answer: unknown) => {
      const { splices, cursor, total } = answer as Record<string, unknown>;
      return { splices, cursor, total };
    };
    expect(said(early?.answer)).toEqual(said(slow.answer));
    expect(said(early?.answer).splices).toMatchObject([{ at: 0, put: { length: 5 } }]);
    // Another query waits for the catalogs.
    expect((await glance(filled, "asc"))?.answer).toBeUndefined();
  });

  it("are used no more once the log goes on, and from an older state never", async () => {
    const filled = await fill();
    await reopen(filled);
    const kept = await readKept(filled);
    const writer = await startDevice(filled.storage);
    await writer.api.openTenant(filled.tenant.id, open);
    const database = newSubscription();
    await writer.api.openDatabase(filled.tenant.id, "notes", database);
    await writer.api.deleteDocument(database, filled.ids.at(-1) ?? "");
    // It is killed before it writes pages: the log is ahead of them.
    expect(await glance(filled, "desc")).toBeUndefined();
    await writer.api.closeTenant(filled.tenant.id);
    // The pages are of now, the first rows of before.
    await put(filled, kept);
    expect(await glance(filled, "desc")).toBeUndefined();
  });

  it("that are damaged or gone cost nothing but time", async () => {
    const filled = await fill();
    await reopen(filled);
    const kept = await readKept(filled);
    if (kept === undefined) throw new Error("nothing is kept");
    const flipped = kept.slice();
    flipped[20] = (flipped[20] ?? 0) ^ 1;
    for (const value of [flipped, undefined, kept.slice(0, 11)]) {
      await put(filled, value);
      expect(await glance(filled, "desc")).toBeUndefined();
      const shown = await reopen(filled);
      sees(shown);
      expect(shown.readInAll).toBeLessThan(50);
      expect(await readKept(filled)).toBeDefined();
    }
  });

  it("say nothing of a document that was purged before the pages were written anew", async () => {
    const filled = await fill();
    await reopen(filled);
    const purger = await startDevice(filled.storage);
    await purger.api.openTenant(filled.tenant.id, open);
    const database = newSubscription();
    await purger.api.openDatabase(filled.tenant.id, "notes", database);
    const kept = await readKept(filled);
    expect(kept).toBeDefined();
    await purger.api.purgeDocument(database, filled.ids.at(-1) ?? "");
    // What was kept went with the purge, not with the next pages.
    expect(await readKept(filled)).not.toEqual(kept);
    expect(await glance(filled, "desc")).toBeUndefined();
    await put(filled, kept);
    expect(await glance(filled, "desc")).toBeUndefined();
    await purger.api.closeTenant(filled.tenant.id);
  });

  it("are shown no more when the catalogs cannot be read: it is locked, and opens again", async () => {
    const filled = await fill();
    await reopen(filled);
    const { storage, breakGate } = gated(filled.storage, "derived/catalog/");
    const { api, events, until } = await startDevice(storage);
    await api.openTenant(filled.tenant.id, { ...open, keepSession: true });
    const [database, query] = [newSubscription(), newSubscription()];
    await api.openDatabase(filled.tenant.id, "notes", database);
    await api.openQuery(database, ask("desc"), query);
    const last = () => events.findLast((event) => event.kind === "query" && event.subscription === query);
    await until(() => last() !== undefined);
    expect(last()).toMatchObject({ status: "ready", total: count - 1 });
    breakGate();
    await until(() => events.some((event) => event.kind === "tenant" && event.session === null));
    expect(last()).toMatchObject({ status: "locked", total: 0, splices: [{ at: 0, put: [] }] });
    await expect(api.documentIds(database)).rejects.toMatchObject({ code: "access/locked" });
    await expect(api.openDatabase(filled.tenant.id, "notes", newSubscription())).rejects.toMatchObject({
      code: "access/locked",
    });
    // It was no lock of the user's: whoever is signed in stays so, and the rows come back.
    await api.openTenant(filled.tenant.id, { userName: undefined, password: undefined, keepSession: true });
    await until(() => (last() as { readonly total?: number } | undefined)?.total === count - 1);
    expect(await api.documentIds(database)).toHaveLength(count - 1);
    await api.closeTenant(filled.tenant.id);
  });

  it("and a search beside them leave documents whole, whatever is asked before their entries are there", async () => {
    const filled = await fill();
    await reopen(filled);
    const how = {
      fields: undefined,
      prefix: "last",
      fuzzy: "auto",
      highlight: false,
      excerptLength: undefined,
      locale: undefined,
    } as const;
    const find = { ...how, text: "long", filter: undefined, sort: [], limit: 5, offset: 0 };
    const searched = async (storage: Storage, meanwhile: () => Promise<void>) => {
      const { api, events, until } = await startDevice(storage);
      await api.openTenant(filled.tenant.id, open);
      const [database, search, doc] = [newSubscription(), newSubscription(), newSubscription()];
      await api.openDatabase(filled.tenant.id, "notes", database);
      await api.openSearch(database, find, search);
      await api.openQuery(database, ask("desc"), newSubscription());
      await meanwhile();
      await until(() =>
        events.some(
          (event) => event.kind === "search" && event.status.phase === "ready" && event.total === 1,
        ),
      );
      const id = filled.ids[0] ?? "";
      const { heads, value } = await api.openDocument(database, id, doc);
      const { steps } = await api.history(database, id, 0);
      await pause(1_500);
      await api.closeTenant(filled.tenant.id);
      return { heads, edits: value?.["edits"], steps };
    };
    const whole = await searched(filled.storage, () => Promise.resolve());
    expect(whole).toMatchObject({ edits: 100 });
    const { storage, openGate } = gated(filled.storage, "derived/entries/");
    const early = await searched(storage, async () => {
      await pause(300);
      openGate();
    });
    expect(early).toEqual(whole);
  });
});

describe("a document with a long history", () => {
  it("opens from its snapshot and the entries behind it", async () => {
    const filled = await fill();
    const store = await tenantStore(filled.storage);
    const [kept] = await store.readSlots("snapshots/");
    if (kept === undefined) throw new Error("there is no snapshot");
    await store.write({ slots: [{ name: kept.name, value: undefined }] });
    await forgetValues(store);
    // Whoever opens it keeps it.
    const cold = await reopen(filled);
    expect(cold.seen.positions.length - cold.readForQuery).toBeGreaterThan(90);
    expect(cold.seen.slots.some((name) => name.startsWith("snapshots/"))).toBe(true);
    await forgetValues(store);
    const warm = await reopen(filled);
    sees(warm);
    expect(warm.first).toEqual(cold.first);
    expect(warm.seen.positions.length - warm.readForQuery).toBeLessThan(10);
    expect(warm.seen.slots.some((name) => name.startsWith("snapshots/"))).toBe(false);
  });

  it("opens from the log when the snapshot is damaged, gone, or another document's", async () => {
    const filled = await fill();
    await reopen(filled);
    const store = await tenantStore(filled.storage);
    const [slot] = await store.readSlots("snapshots/");
    if (!(slot?.value instanceof Uint8Array)) throw new Error("there is no snapshot");
    const flipped = slot.value.slice();
    flipped[30] = (flipped[30] ?? 0) ^ 1;
    for (const value of [flipped, undefined, new Uint8Array(5)]) {
      await store.write({ slots: [{ name: slot.name, value }] });
      await forgetValues(store);
      const shown = await reopen(filled);
      sees(shown);
      expect(shown.seen.slots).toContain(slot.name);
    }
    const moved = slot.name.replace(filled.ids[0] ?? "", filled.ids[2] ?? "");
    await store.write({ slots: [{ name: moved, value: slot.value }] });
    await forgetValues(store);
    sees(await reopen(filled));
  });

  it("leaves no snapshot behind when it is purged", async () => {
    const filled = await fill();
    await reopen(filled);
    const store = await tenantStore(filled.storage);
    expect((await store.readSlots("snapshots/")).length).toBe(1);
    expect((await store.readSlots("values/")).length).toBe(1);
    const device = await startDevice(filled.storage);
    await device.api.openTenant(filled.tenant.id, open);
    const database = newSubscription();
    await device.api.openDatabase(filled.tenant.id, "notes", database);
    await device.api.openDocument(database, filled.ids[0] ?? "", newSubscription());
    await device.api.purgeDocument(database, filled.ids[0] ?? "");
    await device.api.closeTenant(filled.tenant.id);
    expect(await store.readSlots("snapshots/")).toEqual([]);
    expect(await store.readSlots("values/")).toEqual([]);
  });

  /** The document on a device where Automerge comes when `letIn` is called. */
  async function openLate({ storage, tenant, ids }: Filled) {
    let letIn: () => void = () => undefined;
    const isLetIn = new Promise<void>((resolve) => {
      letIn = resolve;
    });
    const device = await startDevice(storage, env, async () => isLetIn.then(loadEngine));
    await device.api.openTenant(tenant.id, open);
    const [database, doc] = [newSubscription(), newSubscription()];
    await device.api.openDatabase(tenant.id, "notes", database);
    const opening = device.api.openDocument(database, ids[0] ?? "", doc);
    const close = async () => device.api.closeTenant(tenant.id);
    return { ...device, database, doc, opening, letIn: () => letIn(), close };
  }

  it("is shown before Automerge is there, takes an edit meanwhile, and shows what the log holds", async () => {
    const filled = await fill();
    const device = await openLate(filled);
    const shown = await device.opening;
    expect(shown.value).toMatchObject({
      index: 0,
      edits: 100,
      born: new Date(0),
      text: "long ".repeat(1000),
    });
    const edit = draft([{ op: "set", path: ["edits"], value: 101 }], shown.heads);
    const changing = device.api.changeDocument(device.doc, edit);
    device.letIn();
    const { update } = await changing;
    expect(shownAfter(shown, update).value).toEqual({ ...shown.value, edits: 101 });
    const events = device.events.filter(({ kind }) => kind === "doc");
    expect(events).toEqual([]);
    await device.close();
    await forgetValues(await tenantStore(filled.storage));
    const { first } = await reopen(filled);
    expect(first.value).toEqual({ ...shown.value, edits: 101 });
    // And what was kept of that is the same again.
    const again = await openLate(filled);
    expect(await again.opening).toEqual(first);
    again.letIn();
    await again.close();
  });

  it.each(["damaged", "gone", "from before the last edit"])(
    "is read from the log when what was kept of its value is %s",
    async (how) => {
      const filled = await fill();
      const store = await tenantStore(filled.storage);
      const [slot] = await store.readSlots("values/");
      if (!(slot?.value instanceof Uint8Array)) throw new Error("no value was kept");
      if (how === "from before the last edit") {
        const device = await openLate(filled);
        device.letIn();
        const { heads } = await device.opening;
        const edit = draft([{ op: "set", path: ["edits"], value: 101 }], heads);
        await device.api.changeDocument(device.doc, edit);
        await device.close();
      }
      const flipped = slot.value.slice();
      flipped[30] = (flipped[30] ?? 0) ^ 1;
      const value = how === "damaged" ? flipped : how === "gone" ? undefined : slot.value;
      await store.write({ slots: [{ name: slot.name, value }] });
      const device = await openLate(filled);
      let isShown = false;
      void device.opening.then(() => (isShown = true));
      await pause(200);
      expect(isShown).toBe(false);
      device.letIn();
      const edits = how === "from before the last edit" ? 101 : 100;
      expect((await device.opening).value).toMatchObject({ edits, text: "long ".repeat(1000) });
      await device.close();
      // Whoever opened it kept it.
      const again = await openLate(filled);
      expect((await again.opening).value).toMatchObject({ edits });
      again.letIn();
      await again.close();
    },
  );

  it("keeps no value of a document that its summary shows whole, or that is read soon", async () => {
    const filled = await fill();
    const store = await tenantStore(filled.storage);
    const names = (await store.readSlots("values/")).map(({ name }) => name.split("/")[2]);
    expect(names).toEqual([filled.ids[0]]);
  });
});
