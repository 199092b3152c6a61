/**
 * A world: one server, a network, and the devices of one tenant, set up and ready for a story.
 *
 * Everything that is secret carries a canary, so that it can be searched for where it must not be.
 */
import type { Crypto } from "../crypto/index.ts";
import type { DocEngine } from "../doc/index.ts";
import { Scheduler } from "./scheduler.ts";
import { SimDevice, type SimTab } from "./sim-device.ts";
import { SimNetwork } from "./sim-network.ts";
import { SimServer } from "./sim-server.ts";

/** Part of everything that only members may read. */
export const canary = "CANARY";
export const serverUrl = "https://relay.test";
export const databaseNames = [`${canary}-contacts`, `${canary}-notes`] as const;

/** One person with one device. */
export interface Member {
  readonly device: SimDevice;
  readonly password: string;
  /** the user's signing key, once there is one */
  key: string;
}

/** How a world differs from the usual one. */
export interface WorldOptions {
  readonly memberCount: number;
  /** begin before those who joined have heard of anybody */
  readonly isEarly?: boolean;
  readonly mutateCrypto?: ((crypto: Crypto) => Crypto) | undefined;
  /** chunks of files are moved too */
  readonly movesFiles?: boolean;
}

/** All of a simulation. */
export interface World {
  readonly scheduler: Scheduler;
  readonly server: SimServer;
  readonly network: SimNetwork;
  readonly members: readonly Member[];
  readonly tenantId: string;
  readonly admin: { readonly adminKey: string; readonly adminPassword: string };
  /** secrets that went into keys */
  readonly secrets: Map<string, Uint8Array>;
}

/** Found a tenant, publish it, and let everybody join. The weather is fair so far. */
export async function createWorld(seed: number, engine: DocEngine, options: WorldOptions): Promise<World> {
  const scheduler = new Scheduler(seed);
  const server = new SimServer(scheduler, serverUrl);
  await scheduler.settle(server.start());
  const network = new SimNetwork(scheduler, server);
  network.movesFiles = options.movesFiles === true;
  const secrets = new Map<string, Uint8Array>();
  const onSecret = (secret: Uint8Array): void =>
    void secrets.set(Buffer.from(secret).toString("hex"), secret);
  const parts = { scheduler, network, engine, onSecret, mutateCrypto: options.mutateCrypto };
  const members = Array.from({ length: options.memberCount }, (_, index): Member => {
    const name = String.fromCharCode("a".charCodeAt(0) + index);
    return {
      device: new SimDevice(name, parts),
      password: `${canary} password of ${name} orbit lantern`,
      key: "",
    };
  });
  for (const { device } of members)
    device.origin.clockSkewMs = Math.floor((scheduler.random.fraction() - 0.5) * 120_000);
  const [founder, ...others] = members;
  if (founder === undefined) throw new Error("a world has a founder");
  const adminPassword = `${canary} admin correct horse battery`;
  const setUp = async (): Promise<World> => {
    const tab = await founder.device.openTab();
    const tenant = await tab.api.createTenant({
      tenantName: `${canary}-acme`,
      adminName: `cn=${canary}-admin`,
      adminPassword,
      userName: `cn=${canary}-a`,
      userPassword: founder.password,
    });
    const admin = { adminKey: tenant.adminUser?.key ?? "", adminPassword };
    const world: World = { scheduler, server, network, members, tenantId: tenant.id, admin, secrets };
    await tab.api.publish(tenant.id, serverUrl, admin);
    await tab.api.connect(tenant.id, serverUrl);
    await openDatabases(world, tab);
    for (const member of others) await join(world, member, tab);
    return world;
  };
  const world = await scheduler.settle(setUp());
  // Everybody has heard of everybody once.
  if (options.isEarly !== true) await scheduler.run(3000);
  for (const { device } of members) device.disk.flush();
  return world;
}

async function join(world: World, member: Member, founder: SimTab): Promise<void> {
  const { device, password } = member;
  const tab = await device.openTab();
  const { key } = await tab.api.createUserId(`cn=${canary}-${device.name}`, password);
  member.key = key;
  const request = await tab.api.createJoinRequest(key);
  const sharePassword = await founder.api.createSharePassword();
  const approval = { ...world.admin, sharePassword, serverUrl, expiresInMs: 3_600_000 };
  const response = await founder.api.approveJoinRequest(world.tenantId, request, approval);
  await tab.api.joinTenant(response, { key, password, sharePassword });
  await openDatabases(world, tab);
}

/** Open all databases in a tab, as its page would. */
export async function openDatabases({ tenantId }: World, tab: SimTab): Promise<void> {
  for (const name of databaseNames) {
    const subscription = tab.nextNumber();
    await tab.api.openDatabase(tenantId, name, subscription);
    tab.databases.set(name, subscription);
  }
}

/** Open a new tab of a member's device, with the tenant and all databases. */
export async function enter(world: World, { device, password }: Member): Promise<SimTab> {
  const tab = await device.openTab();
  await tab.api.openTenant(world.tenantId, { userName: undefined, password, keepSession: false });
  await openDatabases(world, tab);
  return tab;
}
