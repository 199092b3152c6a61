import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startServer, type RunningServer } from "../server/src/index.ts";
import { createWebVerifier } from "../src/crypto/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import { createHttpTransport } from "../src/sync/index.ts";
import { closeDevices, draft, env, newSubscription, people, startDevice } from "../worker/device-fixtures.ts";
import { isWorthRetrying, syncTenants, type SyncWorld } from "./sync-tenants.ts";

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

function worldOf(storage: Storage): SyncWorld {
  return {
    env,
    crypto: createWebVerifier(env),
    storage,
    scope: "coffer",
    openTransport: (url) => ({ http: createHttpTransport(env, url), live: undefined }),
  };
}

/** A founder whose tenant is on the server, who then wrote while the server could not be reached, and closed everything. */
async function writtenOffline(storage: Storage): Promise<string> {
  const { api } = await startDevice(storage);
  const tenant = await api.createTenant(people);
  const proof = { adminKey: tenant.adminUser?.key ?? "", adminPassword: people.adminPassword };
  await api.publish(tenant.id, server.url, proof);
  await api.connect(tenant.id, server.url);
  await api.sync(tenant.id, server.url);
  const { port } = new URL(server.url);
  await server.close();
  const database = newSubscription();
  await api.openDatabase(tenant.id, "contacts", database);
  const [id = ""] = await api.createDocuments(database, [{ name: "written offline" }]);
  const doc = newSubscription();
  const { heads } = await api.openDocument(database, id, doc);
  await api.changeDocument(doc, draft([{ op: "set", path: ["name"], value: "edited offline" }], heads));
  await api.closeTenant(tenant.id);
  server = await startServer({ dataFolder, port: Number(port) });
  return tenant.id;
}

describe("sync without a page", () => {
  it("pushes what was written offline, with every tab closed and the vault locked", async () => {
    const storage = createMemoryStorage(env);
    const tenantId = await writtenOffline(storage);
    expect(await syncTenants(worldOf(storage))).toEqual([undefined]);
    // The same tenant on another device of the same user would pull it; here a second run shows that nothing is left.
    expect(await syncTenants(worldOf(storage))).toEqual([undefined]);
    const { api } = await startDevice(storage);
    await api.openTenant(tenantId, {
      userName: undefined,
      password: people.userPassword,
      keepSession: false,
    });
    const database = newSubscription();
    await api.openDatabase(tenantId, "contacts", database);
    await expect.poll(async () => (await api.documentIds(database)).length).toBe(1);
  });

  it("says what stopped it when the server is gone, and that trying again can help", async () => {
    const storage = createMemoryStorage(env);
    await writtenOffline(storage);
    await server.close();
    const outcomes = await syncTenants(worldOf(storage));
    expect(outcomes.map(isWorthRetrying)).toEqual([true]);
    server = await startServer({ dataFolder, port: 0 });
  });

  it("tries again where a tab that was taken for dead writes once more", async () => {
    const storage = createMemoryStorage(env);
    await writtenOffline(storage);
    let conflicts = 0;
    const openStore = storage.openStore.bind(storage);
    storage.openStore = async (name) => {
      const store = await openStore(name);
      const write = store.write.bind(store);
      store.write = (batch) => {
        const [slot] = batch.slots ?? [];
        if (slot === undefined || conflicts > 0) return write(batch);
        conflicts += 1;
        return Promise.resolve({ kind: "conflict", slotName: slot.name });
      };
      return store;
    };
    expect(await syncTenants(worldOf(storage))).toEqual([undefined]);
    expect(conflicts).toBe(1);
  });

  it("leaves the stores of other scopes alone, and a device without tenants in peace", async () => {
    const storage = createMemoryStorage(env);
    expect(await syncTenants(worldOf(storage))).toEqual([]);
    await writtenOffline(storage);
    expect(await syncTenants({ ...worldOf(storage), scope: "other" })).toEqual([]);
  });
});
