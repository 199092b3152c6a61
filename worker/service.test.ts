import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { afterEach, describe, expect, it } from "vitest";
import { createWebCrypto, type Crypto } from "../src/crypto/index.ts";
import { loadAutomerge } from "../src/doc/index.ts";
import { createSystemEnv } from "../src/std/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import type { DraftMessage, WorkerApi, WorkerEvent } from "./api.ts";
import { createService } from "./service.ts";

const wasm = createRequire(import.meta.url).resolve("@automerge/automerge/automerge.wasm");
const env = createSystemEnv();
const crypto = quickPasswords(createWebCrypto(env));

/** The real primitives, but with a password derivation that does not cost half a second in each test. */
function quickPasswords(real: Crypto): Crypto {
  const tag = (password: string, salt: Uint8Array): Uint8Array<ArrayBuffer> => real.sha256(new TextEncoder().encode(password), salt);
  return { ...real, deriveFromPassword: async (password, parameters) => tag(password.normalize("NFKC"), parameters.salt) };
}

interface Device {
  readonly api: WorkerApi;
  readonly events: WorkerEvent[];
  until(isThere: (events: readonly WorkerEvent[]) => boolean): Promise<void>;
}

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function startDevice(storage: Storage): Promise<Device> {
  const events: WorkerEvent[] = [];
  const waiting = new Set<() => void>();
  const loadEngine = () => loadAutomerge(() => readFile(wasm));
  const api = createService((options) => ({ env, crypto, storage, scope: options.name, loadEngine }));
  await api.start({ name: "coffer", wasmUrl: undefined, lifeLock: "life" }, (batch) => {
    events.push(...batch);
    for (const wake of waiting) wake();
  });
  closing.push(async () => {
    for (const tenant of await api.tenants()) await api.closeTenant(tenant.id);
  });
  const until = async (isThere: (events: readonly WorkerEvent[]) => boolean): Promise<void> => {
    while (!isThere(events)) {
      await new Promise<void>((resolve) => {
        waiting.add(resolve);
      });
      waiting.clear();
    }
  };
  return { api, events, until };
}

const people = {
  tenantName: "acme",
  adminName: "cn=admin/o=acme",
  adminPassword: "correct horse battery",
  userName: "cn=owner/o=acme",
  userPassword: "staple orbit lantern",
};

let nextSubscription = 1;
let nextDraft = 1;

function draft(operations: DraftMessage["operations"], baseHeads: readonly string[], afterDraft = 0): DraftMessage {
  return { draft: nextDraft++, baseHeads, afterDraft, operations, durability: "relaxed" };
}

describe("one device", () => {
  it("founds a tenant, keeps documents, and shows them again after unlocking", async () => {
    const storage = createMemoryStorage(env);
    const { api } = await startDevice(storage);
    const tenant = await api.createTenant(people);
    expect(tenant.name).toBe("acme");
    expect(tenant.status.phase).toBe("open");
    const database = nextSubscription++;
    await api.openDatabase(tenant.id, "contacts", database);
    const [id] = await api.createDocuments(database, [{ name: "Ada", address: { city: "Bergen" }, tags: ["a"] }]);
    const doc = nextSubscription++;
    const opened = await api.openDocument(database, id ?? "", doc);
    expect(opened.value).toEqual({ name: "Ada", address: { city: "Bergen" }, tags: ["a"] });
    const changed = await api.changeDocument(
      doc,
      draft([{ op: "set", path: ["address", "city"], value: "Oslo" }], opened.heads),
    );
    expect(changed.snapshot.value).toEqual({ name: "Ada", address: { city: "Oslo" }, tags: ["a"] });
    await api.lock(tenant.id);
    await expect(api.createDocuments(database, [{ x: 1 }])).rejects.toMatchObject({ code: "access/locked" });
    await expect(api.unlock(tenant.id, "not this one")).rejects.toMatchObject({ code: "key/wrong-password" });
    await api.unlock(tenant.id, people.userPassword);
    const again = nextSubscription++;
    await expect.poll(() => api.documentIds(database)).toEqual([id]);
    expect((await api.openDocument(database, id ?? "", again)).value).toEqual({ name: "Ada", address: { city: "Oslo" }, tags: ["a"] });
  });

  it("opens in a fresh worker from its pages, and without them from the log", async () => {
    const storage = createMemoryStorage(env);
    const first = await startDevice(storage);
    const tenant = await first.api.createTenant(people);
    const database = nextSubscription++;
    await first.api.openDatabase(tenant.id, "contacts", database);
    const values = Array.from({ length: 300 }, (_, i) => ({ name: `n${i}`, age: i }));
    const ids = [...(await first.api.createDocuments(database, values.slice(0, 256))), ...(await first.api.createDocuments(database, values.slice(256)))];
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
      await next.api.openTenant("acme", { userName: undefined, password: people.userPassword });
      const again = nextSubscription++;
      const query = nextSubscription++;
      await next.api.openDatabase(tenant.id, "contacts", again);
      await expect.poll(async () => (await next.api.documentIds(again)).toSorted()).toEqual(ids.toSorted());
      await next.api.openQuery(again, { filter: undefined, sort: [{ field: "age", order: "desc" }], limit: 2, offset: 0 }, query);
      await next.until((events) => events.some((event) => event.kind === "query" && event.subscription === query && event.total === 300));
      const told = next.events.findLast((event) => event.kind === "query" && event.subscription === query);
      expect(told?.kind === "query" && told.changed.map((row) => row.value["age"])).toEqual([299, 298]);
      await next.api.closeTenant(tenant.id);
    }
  });

  it("replays drafts in order, and fails those that stand on a failed one", async () => {
    const { api } = await startDevice(createMemoryStorage(env));
    const tenant = await api.createTenant(people);
    const database = nextSubscription++;
    await api.openDatabase(tenant.id, "contacts", database);
    const [id = ""] = await api.createDocuments(database, [{ count: 0, list: [] }]);
    const doc = nextSubscription++;
    const { heads } = await api.openDocument(database, id, doc);
    const one = draft([{ op: "set", path: ["count"], value: 1 }], heads);
    const bad = draft([{ op: "set", path: ["nowhere", "x"], value: 1 }], heads, one.draft);
    const onBad = draft([{ op: "set", path: ["count"], value: 3 }], heads, bad.draft);
    const results = await Promise.allSettled([one, bad, onBad].map((message) => api.changeDocument(doc, message)));
    expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected", "rejected"]);
    const after = nextSubscription++;
    expect((await api.openDocument(database, id, after)).value).toEqual({ count: 1, list: [] });
  });

  it("deletes and brings back a document", async () => {
    const { api } = await startDevice(createMemoryStorage(env));
    const tenant = await api.createTenant(people);
    const database = nextSubscription++;
    await api.openDatabase(tenant.id, "contacts", database);
    const [id = ""] = await api.createDocuments(database, [{ name: "Ada" }]);
    await api.deleteDocument(database, id);
    expect(await api.documentIds(database)).toEqual([]);
    await api.undeleteDocument(database, id);
    expect(await api.documentIds(database)).toEqual([id]);
  });

  it("tells two workers of one device of each other's writes", async () => {
    const storage = createMemoryStorage(env);
    const first = await startDevice(storage);
    const tenant = await first.api.createTenant(people);
    const second = await startDevice(storage);
    await second.api.openTenant(tenant.id, { userName: undefined, password: people.userPassword });
    const [one, two] = [nextSubscription++, nextSubscription++];
    await first.api.openDatabase(tenant.id, "contacts", one);
    await second.api.openDatabase(tenant.id, "contacts", two);
    const [id = ""] = await first.api.createDocuments(one, [{ name: "Ada", notes: "" }]);
    await expect.poll(() => second.api.documentIds(two)).toEqual([id]);
    const [docOne, docTwo] = [nextSubscription++, nextSubscription++];
    const here = await first.api.openDocument(one, id, docOne);
    const there = await second.api.openDocument(two, id, docTwo);
    await Promise.all([
      first.api.changeDocument(docOne, draft([{ op: "spliceText", path: ["notes"], index: 0, remove: 0, insert: "left" }], here.heads)),
      second.api.changeDocument(docTwo, draft([{ op: "spliceText", path: ["notes"], index: 0, remove: 0, insert: "right" }], there.heads)),
    ]);
    const notesOf = async (device: Device, database: number): Promise<unknown> =>
      (await device.api.openDocument(database, id, nextSubscription++)).value?.["notes"];
    await expect.poll(() => notesOf(first, one)).toMatch(/^(leftright|rightleft)$/);
    await expect.poll(() => notesOf(second, two)).toBe(await notesOf(first, one));
  });
});
