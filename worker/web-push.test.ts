/** News for a device whose pages are all closed: its server has it woken, and its service worker fetches what there is. */
import { createServer, type Server } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket as NodeWebSocket } from "ws";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { startServer, type RunningServer } from "../server/src/index.ts";
import { createWebVerifier } from "../src/crypto/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import { createHttpTransport } from "../src/sync/index.ts";
import { parseBase64url } from "../src/std/index.ts";
import { syncTenants } from "../sw/sync-tenants.ts";
import { closeDevices, env, newSubscription, people, startDevice, type Device } from "./device-fixtures.ts";

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= NodeWebSocket as unknown as typeof WebSocket;

let dataFolder: string;
let server: RunningServer;
let pushServer: Server;
let pushUrl: string;
/** the paths that the push service was asked for */
let woken: string[];

beforeEach(async () => {
  woken = [];
  pushServer = createServer((request, response) => {
    woken.push(request.url ?? "");
    response.writeHead(201).end();
  });
  await new Promise<void>((resolve) => pushServer.listen(0, "127.0.0.1", resolve));
  const address = pushServer.address();
  pushUrl = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  dataFolder = await mkdtemp(join(tmpdir(), "coffer-test-"));
  server = await startServer({
    dataFolder,
    port: 0,
    pushSubject: "mailto:a@example.org",
    pushHosts: [pushUrl],
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await closeDevices();
  await server.close();
  pushServer.closeAllConnections();
  pushServer.close();
  await rm(dataFolder, { recursive: true, force: true });
});

interface Party {
  readonly storage: Storage;
  readonly device: Device;
  readonly tenantId: string;
}

async function founded(): Promise<Party> {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage);
  const { id: tenantId, adminUser } = await device.api.createTenant(people);
  const proof = { adminKey: adminUser?.key ?? "", adminPassword: people.adminPassword };
  await device.api.publish(tenantId, server.url, proof);
  return { storage, device, tenantId };
}

/** A second device of the same user, out of a backup, with the same server. */
async function restored({ device, tenantId }: Party): Promise<Party> {
  const password = "fourteen amber foxes under glass";
  const number = await device.api.openExport(tenantId, { password, documents: false, resume: undefined });
  const storage = createMemoryStorage(env);
  const other = await startDevice(storage);
  const importId = await other.api.openImport(password);
  let piece = await device.api.readExport(number);
  for (; piece !== undefined; piece = await device.api.readExport(number))
    await other.api.writeImport(importId, piece);
  await other.api.finishImport(importId);
  await other.api.openTenant(tenantId, {
    userName: undefined,
    password: people.userPassword,
    keepSession: false,
  });
  return { storage, device: other, tenantId };
}

const write = async ({ device, tenantId }: Party): Promise<void> => {
  const database = newSubscription();
  await device.api.openDatabase(tenantId, "films", database);
  await device.api.createDocuments(database, [{ title: "Metropolis" }]);
  await device.api.sync(tenantId, server.url);
};

it("wakes the device, whose service worker then has the news without a key or a page", async () => {
  const desk = await founded();
  const phone = await restored(desk);
  for (const { device, tenantId } of [desk, phone]) await device.api.connect(tenantId, server.url);
  await phone.device.api.sync(phone.tenantId, server.url);
  const key = await phone.device.api.readPushKey(phone.tenantId, server.url);
  expect(parseBase64url(key)).toHaveLength(65);
  await phone.device.api.setPushEndpoint(phone.tenantId, server.url, `${pushUrl}/phone`);
  await desk.device.api.sync(desk.tenantId, server.url);
  await desk.device.api.setPushEndpoint(desk.tenantId, server.url, `${pushUrl}/desk`);
  await phone.device.api.closeTenant(phone.tenantId);

  await write(desk);
  // The one that wrote, and is here, is left in peace.
  await vi.waitFor(() => expect(woken).toEqual(["/phone"]), { timeout: 30_000 });
  const world = {
    env,
    crypto: createWebVerifier(env),
    storage: phone.storage,
    scope: "coffer",
    openTransport: (url: string) => ({ http: createHttpTransport(env, url), live: undefined }),
  };
  expect(await syncTenants(world)).toEqual([undefined]);
  const port = Number(new URL(server.url).port);
  await server.close();
  // Without a network: what is shown now was fetched before.
  const { api } = await startDevice(phone.storage);
  await api.openTenant(phone.tenantId, {
    userName: undefined,
    password: people.userPassword,
    keepSession: false,
  });
  const database = newSubscription();
  await api.openDatabase(phone.tenantId, "films", database);
  await expect.poll(async () => (await api.documentIds(database)).length).toBe(1);
  server = await startServer({ dataFolder, port });
});

it("tells a server that is no link, knows no push, or takes no such address apart", async () => {
  const desk = await founded();
  const { api } = desk.device;
  await expect(api.readPushKey(desk.tenantId, server.url)).rejects.toMatchObject({
    code: "input/unknown-id",
  });
  await expect(api.setPushEndpoint(desk.tenantId, server.url, `${pushUrl}/a`)).rejects.toMatchObject({
    code: "input/unknown-id",
  });
  await api.connect(desk.tenantId, server.url);
  await api.sync(desk.tenantId, server.url);
  await expect(
    api.setPushEndpoint(desk.tenantId, server.url, "https://elsewhere.example/a"),
  ).rejects.toMatchObject({
    code: "input/invalid",
  });
  await api.setPushEndpoint(desk.tenantId, server.url, `${pushUrl}/a`);
  await api.setPushEndpoint(desk.tenantId, server.url, null);

  const { port } = new URL(server.url);
  await server.close();
  server = await startServer({ dataFolder, port: Number(port) });
  await expect(api.readPushKey(desk.tenantId, server.url)).rejects.toMatchObject({
    code: "input/unknown-id",
  });
  await expect(api.setPushEndpoint(desk.tenantId, server.url, `${pushUrl}/a`)).rejects.toMatchObject({
    code: "input/unknown-id",
  });
});

/** What servers are told of where to wake. */
function listenForWishes(): unknown[] {
  const heard: unknown[] = [];
  const realFetch = globalThis.fetch;
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const address = input instanceof Request ? input.url : String(input);
    const body = init?.body;
    const response = await realFetch(input, init);
    if (address.endsWith("/wake") && response.ok && body instanceof Uint8Array)
      heard.push(JSON.parse(new TextDecoder().decode(body)));
    return response;
  });
  return heard;
}

it("is woken no more by a server that it disconnected from, and the others still are", async () => {
  const desk = await founded();
  const [phone, tablet] = [await restored(desk), await restored(desk)];
  for (const { device, tenantId } of [desk, phone, tablet]) {
    await device.api.connect(tenantId, server.url);
    await device.api.sync(tenantId, server.url);
  }
  await phone.device.api.setPushEndpoint(phone.tenantId, server.url, `${pushUrl}/phone`);
  await tablet.device.api.setPushEndpoint(tablet.tenantId, server.url, `${pushUrl}/tablet`);
  await phone.device.api.disconnect(phone.tenantId, server.url);
  await tablet.device.api.closeTenant(tablet.tenantId);
  await write(desk);
  await vi.waitFor(() => expect(woken).toContain("/tablet"), { timeout: 30_000 });
  const port = Number(new URL(server.url).port);
  // It closes when what it sends is sent.
  await server.close();
  expect(woken).toEqual(["/tablet"]);
  server = await startServer({ dataFolder, port });
});

it("tells a server that was away when it disconnected as soon as it can, and never one that was not asked", async () => {
  const wishes = listenForWishes();
  const desk = await founded();
  const { api } = desk.device;
  await api.connect(desk.tenantId, server.url);
  await api.sync(desk.tenantId, server.url);
  await api.disconnect(desk.tenantId, server.url);
  expect(wishes).toEqual([]);
  await api.connect(desk.tenantId, server.url);
  await api.setPushEndpoint(desk.tenantId, server.url, `${pushUrl}/desk`);
  const { url } = server;
  await server.close();
  await api.disconnect(desk.tenantId, url);
  await api.closeTenant(desk.tenantId);
  expect(wishes).toEqual([{ endpoint: `${pushUrl}/desk` }]);

  server = await startServer({
    dataFolder,
    port: Number(new URL(url).port),
    pushSubject: "mailto:a@example.org",
    pushHosts: [pushUrl],
  });
  const open = { userName: undefined, password: people.userPassword, keepSession: false };
  await api.openTenant(desk.tenantId, open);
  await vi.waitFor(() => expect(wishes).toHaveLength(2), { timeout: 30_000 });
  expect(wishes[1]).toEqual({ endpoint: null });
  // Told once.
  await api.closeTenant(desk.tenantId);
  await api.openTenant(desk.tenantId, open);
  await api.connect(desk.tenantId, url);
  await api.sync(desk.tenantId, url);
  await api.disconnect(desk.tenantId, url);
  expect(wishes).toHaveLength(2);
});
