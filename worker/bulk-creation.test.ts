import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket as NodeWebSocket } from "ws";
import { afterEach, describe, expect, it } from "vitest";
import { startServer } from "../server/src/index.ts";
import { CofferError } from "../src/std/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import {
  closeDevices,
  draft,
  env,
  newSubscription,
  people,
  rowsBy,
  startDevice,
  type Device,
} from "./device-fixtures.ts";

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= NodeWebSocket as unknown as typeof WebSocket;

afterEach(closeDevices);

const noWasm = (): Promise<never> => Promise.reject(new Error("Automerge was loaded"));
const rows = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    name: `n${index}`,
    tags: ["a", `t${index}`],
    address: { city: "Zürich", zip: index },
    since: new Date(index),
    large: 2 ** 60,
  }));

async function openNotes(device: Device, tenantId: string): Promise<number> {
  const database = newSubscription();
  await device.api.openDatabase(tenantId, "notes", database);
  return database;
}

/** The rows that a live query of a database shows, by id. */
async function shown(device: Device, database: number, count: number): Promise<Map<string, unknown>> {
  const subscription = newSubscription();
  const found = new Map<string, unknown>();
  await device.api.openQuery(database, { filter: undefined, sort: [], limit: 1000, offset: 0 }, subscription);
  await device.until((events) => {
    for (const row of rowsBy(events, subscription)) found.set(row.id, row.value);
    return found.size >= count;
  });
  return found;
}

describe("bulk creation", () => {
  it("stores, shows and syncs documents without loading Automerge, on either side", async () => {
    const dataFolder = await mkdtemp(join(tmpdir(), "coffer-test-"));
    const server = await startServer({ dataFolder, port: 0 });
    try {
      const owner = await startDevice(createMemoryStorage(env), env, noWasm);
      const tenant = await owner.api.createTenant(people);
      const proof = { adminKey: tenant.adminUser?.key ?? "", adminPassword: people.adminPassword };
      await owner.api.publish(tenant.id, server.url, proof);
      await owner.api.connect(tenant.id, server.url);
      const database = await openNotes(owner, tenant.id);
      const values = [{}, ...rows(400)];
      const ids = await owner.api.createDocuments(database, values);
      expect(ids.length).toBe(401);
      expect(await owner.api.documentIds(database)).toEqual(ids);
      const own = await shown(owner, database, 401);
      expect(ids.map((id) => own.get(id))).toEqual(values);

      const guest = await startDevice(createMemoryStorage(env), env, noWasm);
      const password = "marble tunnel saffron";
      const sharePassword = "lusab-babad-gutih-tugad";
      const { key } = await guest.api.createUserId("cn=guest/o=acme", password);
      const request = await guest.api.createJoinRequest(key);
      const approval = { ...proof, sharePassword, serverUrl: server.url, expiresInMs: 60_000 };
      const response = await owner.api.approveJoinRequest(tenant.id, request, approval);
      const joined = await guest.api.joinTenant(response, { key, password, sharePassword });
      const copy = await shown(guest, await openNotes(guest, joined.id), 401);
      expect(ids.map((id) => copy.get(id))).toEqual(values);
      // what needs Automerge does ask for it
      const doc = newSubscription();
      const edit = async (): Promise<unknown> => {
        const { heads } = await owner.api.openDocument(database, ids[1] ?? "", doc);
        return owner.api.changeDocument(
          doc,
          draft([{ op: "spliceText", path: ["name"], index: 0, remove: 0, insert: "x" }], heads),
        );
      };
      await expect(edit()).rejects.toThrow("Automerge was loaded");
    } finally {
      await closeDevices();
      await server.close();
      await rm(dataFolder, { recursive: true, force: true });
    }
  });

  it("stores the whole commits before a value that is too large, and nothing else", async () => {
    const { api } = await startDevice(createMemoryStorage(env));
    const tenant = await api.createTenant(people);
    const database = newSubscription();
    await api.openDatabase(tenant.id, "notes", database);
    const values = [...rows(400), { name: "x".repeat(262_100) }, ...rows(10)];
    await expect(api.createDocuments(database, values)).rejects.toMatchObject({ code: "input/too-large" });
    const kept = await api.documentIds(database);
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThanOrEqual(400);
    const opened = await api.openDocument(database, kept.at(-1) ?? "", newSubscription());
    expect(opened.value).toEqual(rows(400)[kept.length - 1]);
    const [more] = await api.createDocuments(database, rows(1));
    expect(await api.documentIds(database)).toEqual([...kept, more]);
  });

  it("stores what came before a write that failed, and goes on afterwards", async () => {
    const inner = createMemoryStorage(env);
    let left = Infinity;
    const openStore: Storage["openStore"] = async (name) => {
      const store = await inner.openStore(name);
      const write = store.write.bind(store);
      store.write = async (batch) => {
        if ((batch.records?.length ?? 0) > 0 && left-- <= 0) throw new CofferError("store/quota");
        return write(batch);
      };
      return store;
    };
    const { api } = await startDevice({ ...inner, openStore });
    const tenant = await api.createTenant(people);
    const database = newSubscription();
    await api.openDatabase(tenant.id, "notes", database);
    left = 1;
    await expect(api.createDocuments(database, rows(512))).rejects.toMatchObject({ code: "store/quota" });
    left = Infinity;
    const kept = await api.documentIds(database);
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(512);
    const ids = await api.createDocuments(database, rows(300));
    expect(new Set([...kept, ...ids]).size).toBe(kept.length + 300);
    expect(await api.documentIds(database)).toEqual([...kept, ...ids]);
    const opened = await api.openDocument(database, kept.at(-1) ?? "", newSubscription());
    expect(opened.value).toEqual(rows(512)[kept.length - 1]);
  });
});
