/** Two tabs of one device and a server: one of them talks, for both. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket as NodeWebSocket } from "ws";
import { afterEach, beforeEach, expect, it } from "vitest";
import { startServer, type RunningServer } from "../server/src/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import { bytesToHex, type Env } from "../src/std/index.ts";
import { createFreezable } from "../src/sync/sync-fixture.ts";
import {
  closeDevices,
  createTabsEnv,
  env,
  newSubscription,
  people,
  startDevice,
  withLocks,
  type Device,
} from "./device-fixtures.ts";

const password = { userName: undefined, password: people.userPassword, keepSession: false };

let dataFolder: string;
let server: RunningServer;
/** what left the device */
const sent: {
  sockets: number;
  openedSockets: number;
  frameBytes: number;
  bodyBytes: number;
  requests: string[];
} = {
  sockets: 0,
  openedSockets: 0,
  frameBytes: 0,
  bodyBytes: 0,
  requests: [],
};
const system = { WebSocket: globalThis.WebSocket, fetch: globalThis.fetch };

/** what arrives at sockets that are frozen with their thread, and cannot be heard yet */
const held = new Map<NodeWebSocket, (() => void)[]>();
const openSockets = new Set<NodeWebSocket>();

class CountedSocket extends NodeWebSocket {
  constructor(url: string, protocols?: string[]) {
    super(url, protocols);
    sent.sockets += 1;
    openSockets.add(this);
    this.on("open", () => {
      sent.openedSockets += 1;
    });
  }

  override emit(name: string | symbol, ...given: unknown[]): boolean {
    const happen = (): boolean => Reflect.apply(super.emit, this, [name, ...given]);
    const line = held.get(this);
    if (line === undefined) return happen();
    line.push(happen);
    return true;
  }

  override send(data: Uint8Array): void {
    sent.frameBytes += data.byteLength;
    super.send(data);
  }
}

beforeEach(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), "coffer-test-"));
  server = await startServer({ dataFolder, port: 0 });
  Object.assign(sent, { sockets: 0, openedSockets: 0, frameBytes: 0, bodyBytes: 0, requests: [] });
  globalThis.WebSocket = CountedSocket as unknown as typeof WebSocket;
  globalThis.fetch = (input, init) => {
    sent.requests.push(String(input instanceof Request ? input.url : input));
    if (init?.body instanceof Uint8Array) sent.bodyBytes += init.body.length;
    return system.fetch(input, init);
  };
});
afterEach(async () => {
  openSockets.clear();
  await closeDevices();
  await server.close();
  await rm(dataFolder, { recursive: true, force: true });
  Object.assign(globalThis, system);
});

interface Tab {
  readonly device: Device;
  readonly database: number;
}

async function openTab(storage: Storage, world: Env, tenantId: string): Promise<Tab> {
  const device = await startDevice(storage, world);
  await device.api.openTenant(tenantId, password);
  const database = newSubscription();
  await device.api.openDatabase(tenantId, "contacts", database);
  return { device, database };
}

const phaseOf = ({ device }: Tab): string | undefined => {
  const event = device.events.findLast((one) => one.kind === "tenant");
  return event?.kind === "tenant" ? event.snapshot.links[0]?.status.phase : undefined;
};

const countOf = async ({ device, database }: Tab): Promise<number> =>
  (await device.api.documentIds(database)).length;

it("one tab talks to the server for all, nothing is sent twice, and the next takes over when it goes", async () => {
  const storage = createMemoryStorage(env);
  const world = withLocks(createTabsEnv());
  const founder = await startDevice(storage, world);
  const { adminUser, id: tenantId } = await founder.api.createTenant(people);
  const proof = { adminKey: adminUser?.key ?? "", adminPassword: people.adminPassword };
  await founder.api.publish(tenantId, server.url, proof);
  await founder.api.connect(tenantId, server.url);
  const database = newSubscription();
  await founder.api.openDatabase(tenantId, "contacts", database);
  const first: Tab = { device: founder, database };
  await expect.poll(() => phaseOf(first)).toBe("live");
  expect(sent.sockets).toBe(1);

  const requests = sent.requests.length;
  const second = await openTab(storage, world, tenantId);
  await expect.poll(() => phaseOf(second)).toBe("live");
  expect([sent.sockets, sent.requests.slice(requests)]).toEqual([1, []]);

  const note = ({ device, database: at }: Tab): Promise<unknown> =>
    device.api.createDocuments(at, [{ note: "x".repeat(3000) }]);
  /** what goes up of four documents, until all of it is acknowledged */
  const costOf = async (tabs: readonly Tab[]): Promise<number> => {
    const before = sent.frameBytes;
    await Promise.all(tabs.map(note));
    await founder.api.sync(tenantId, server.url);
    return sent.frameBytes - before;
  };
  const alone = await costOf([first, first, first, first]);
  expect(alone).toBeGreaterThan(4 * 3000);
  const shared = await costOf([first, second, second, first]);
  for (const tab of [first, second]) await expect.poll(() => countOf(tab)).toBe(8);
  expect(shared).toBeLessThan(1.5 * alone);
  // A tab that does not talk asks the one that does.
  await second.device.api.sync(tenantId, server.url);
  expect([sent.sockets, sent.requests.slice(requests)]).toEqual([1, []]);

  await founder.api.closeTenant(tenantId);
  await note(second);
  await expect.poll(() => sent.sockets).toBe(2);
  await second.device.api.sync(tenantId, server.url);
  expect(phaseOf(second)).toBe("live");
});

it("a tab that is frozen while it talks is replaced, and sends nothing twice when it thaws", async () => {
  const storage = createMemoryStorage(env);
  const world = withLocks(createTabsEnv());
  const thread = createFreezable(world, storage);
  const frozen = await startDevice(thread.storage, thread.env);
  const { adminUser, id: tenantId } = await frozen.api.createTenant(people);
  const proof = { adminKey: adminUser?.key ?? "", adminPassword: people.adminPassword };
  await frozen.api.publish(tenantId, server.url, proof);
  await frozen.api.connect(tenantId, server.url);
  const database = newSubscription();
  await frozen.api.openDatabase(tenantId, "contacts", database);
  const first: Tab = { device: frozen, database };
  await expect.poll(() => phaseOf(first)).toBe("live");
  const second = await openTab(storage, world, tenantId);
  const note = ({ device, database: at }: Tab): Promise<unknown> =>
    device.api.createDocuments(at, [{ note: bytesToHex(env.randomBytes(15_000)) }]);
  const sentBytes = (): number => sent.frameBytes + sent.bodyBytes;
  await note(first);
  await second.device.api.sync(tenantId, server.url);

  const before = sentBytes();
  thread.freeze();
  for (const socket of openSockets) held.set(socket, []);
  for (let i = 0; i < 3; i++) await note(second);
  // A wish to sync drops a socket that is still being opened: the cycle needs none.
  await expect.poll(() => sent.openedSockets).toBe(2);
  await second.device.api.sync(tenantId, server.url);
  expect(await countOf(second)).toBe(4);
  const cost = sentBytes() - before;
  expect(cost).toBeGreaterThan(3 * 15_000);

  thread.thaw();
  const late = [...held.values()].flat();
  held.clear();
  for (const happen of late) happen();
  await expect.poll(() => countOf(first)).toBe(4);
  await frozen.api.sync(tenantId, server.url);
  expect(phaseOf(first)).toBe("live");
  expect(sent.sockets).toBe(2);
  expect(sentBytes() - before - cost).toBeLessThan(15_000);

  await note(first);
  await frozen.api.sync(tenantId, server.url);
  for (const tab of [first, second]) await expect.poll(() => countOf(tab)).toBe(5);
  await second.device.api.closeTenant(tenantId);
  await expect.poll(() => sent.sockets).toBe(3);
  await frozen.api.sync(tenantId, server.url);
  const alarms = frozen.events.flatMap((event) => (event.kind === "tenant" ? event.snapshot.alarms : []));
  expect(alarms).toEqual([]);
});
