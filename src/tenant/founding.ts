/**
 * How a tenant comes onto a device: founded here, or joined with an admin's answer.
 *
 * The tenant's store is written first and the device's row last, so that a crash on the way leaves nothing that is listed.
 */
import {
  bytesToBase64url,
  CofferError,
  idToBytes,
  utf8ToBytes,
  type AuthorKey,
  type TenantId,
} from "../std/index.ts";
import { deriveNameId } from "../entry/index.ts";
import {
  createGenesis,
  createIdentity,
  createVault,
  openJoinResponse,
  parseGenesis,
  sealBag,
  sealPrivate,
  unlockVault,
  type BagSecrets,
  type Genesis,
  type KeySecret,
  type UnlockedIdentity,
} from "../keys/index.ts";
import { ChunkStore, tenantStoreName } from "../sync/index.ts";
import { grantRecords, writeAsMember, lineEnds, writeDirectory } from "./directory-writes.ts";
import { keyNames, TenantCore, type TenantWorld } from "./core.ts";
import type { Device, DeviceTenant } from "./device.ts";
import { encodeTenantNames, slotNames, tenantNamesPurpose, type TenantNames } from "./slots.ts";

/** The store of what a device holds in a scope. */
export function deviceStoreName(scope: string): string {
  return `${scope}/device`;
}

/** What the founder gives. */
export interface FoundingOptions {
  readonly tenantName: string;
  readonly adminName: string;
  readonly adminPassword: string;
  readonly userName: string;
  readonly userPassword: string;
}

/** A tenant on this device with the keys of its user, just made. */
export interface Arrived {
  readonly row: DeviceTenant;
  readonly identity: UnlockedIdentity;
}

/** Found a tenant: admin and user identities, keys, genesis, and a directory that knows the user. */
export async function foundTenant(
  world: TenantWorld,
  device: Device,
  options: FoundingOptions,
): Promise<Arrived> {
  const { crypto, env } = world;
  const nowMs = env.nowMs();
  const admin = await makeVault(world, options.adminName, options.adminPassword);
  const user = await makeVault(world, options.userName, options.userPassword);
  const namesKey = crypto.randomBytes(32);
  const genesis = createGenesis(crypto, {
    admin: admin.identity.publicIdentity,
    namesKey,
    tenantName: options.tenantName,
  });
  const secrets = newBag(world, namesKey, [
    newKey(world, namesKey, keyNames.content),
    newKey(world, namesKey, keyNames.directory),
  ]);
  const names = { tenantName: options.tenantName, adminName: options.adminName, keyNames: [] };
  const core = await writeTenantStore(world, { genesis, identity: user.identity, secrets, names });
  const granted = grantRecords(world, secrets, user.identity.publicIdentity);
  await writeDirectory(core, { admin: admin.identity, secrets }, lineEnds(core), granted);
  core.store.close();
  const adminKey = admin.identity.publicIdentity.signingKey;
  const row = rowOf(genesis, user.identity, { adminKey, nowMs, hadCommits: true });
  await device.writeVault(adminKey, admin.vault);
  await device.writeVault(row.userKey, user.vault);
  await device.writeTenant(row);
  return { row, identity: user.identity };
}

/** Join a tenant with an admin's answer. @throws `input/used` for an answer that was used here before, and as `openJoinResponse` */
export async function joinTenant(
  world: TenantWorld,
  device: Device,
  options: { response: string; key: AuthorKey; password: string; sharePassword: string },
): Promise<Arrived & { serverUrl: string | undefined }> {
  const { crypto, env } = world;
  const responseHash = bytesToBase64url(crypto.sha256(utf8ToBytes(options.response.trim())));
  if (await device.wasResponseUsed(responseHash)) throw new CofferError("input/used");
  const identity = await unlockVault(crypto, await device.readVault(options.key), options.password);
  const response = await openJoinResponse(crypto, options.response, {
    identity,
    sharePassword: options.sharePassword,
    nowMs: env.nowMs(),
  });
  await assertUnknown(device, response.genesis.tenantId);
  const secrets = newBag(world, response.namesKey, response.keys);
  const names = { tenantName: response.tenantName, adminName: "", keyNames: response.keyNames };
  const core = await writeTenantStore(world, { genesis: response.genesis, identity, secrets, names });
  if (response.link !== undefined)
    await writeAsMember(
      core,
      { identity, secrets },
      {
        records: {
          open: [
            {
              kind: "device",
              userKey: response.link.user,
              deviceKey: identity.publicIdentity.signingKey,
            },
          ],
          sealed: [],
        },
        follows: [response.link.commit],
        directoryHead: response.directoryHead,
      },
    );
  await core.store.write({
    slots: [{ name: slotNames.joined, value: idToBytes(response.directoryHead) }],
    durability: "strict",
  });
  core.store.close();
  const arrival = { adminKey: undefined, nowMs: env.nowMs(), hadCommits: false };
  const row = rowOf(response.genesis, identity, arrival);
  await device.writeJoined(row, responseHash);
  return { row, identity, serverUrl: response.serverUrl };
}

/** Put a new identity's vault on this device; it waits for a tenant. */
export async function createPendingIdentity(
  world: TenantWorld,
  device: Device,
  person: { userName: string; password: string },
): Promise<UnlockedIdentity> {
  const { identity, vault } = await makeVault(world, person.userName, person.password);
  await device.writeVault(identity.publicIdentity.signingKey, vault, world.env.nowMs());
  return identity;
}

/** Open the core of a tenant that this device holds, locked. @throws `entry/corrupt` */
export async function openCore(world: TenantWorld, row: DeviceTenant): Promise<TenantCore> {
  const genesis = parseGenesis(world.crypto, row.genesis);
  if (genesis?.tenantId !== row.tenantId) throw new CofferError("entry/corrupt", { what: "genesis" });
  return new TenantCore(
    world,
    await world.storage.openStore(tenantStoreName(world.scope, row.tenantId)),
    genesis,
  );
}

/** Remove a tenant from this device: the chunks of its files, its store, its vaults, its row. */
export async function removeTenant(world: TenantWorld, device: Device, tenantId: TenantId): Promise<void> {
  const row = await device.readTenant(tenantId);
  const store = await world.storage.openStore(tenantStoreName(world.scope, tenantId));
  await new ChunkStore(world.storage, world.scope, tenantId).destroy();
  await store.destroy();
  await device.removeTenant(row);
}

/** @throws `input/used` when this device holds the tenant; one that it has lost can be joined again */
async function assertUnknown(device: Device, tenantId: TenantId): Promise<void> {
  const tenants = await device.listTenants();
  if (tenants.some((tenant) => tenant.tenantId === tenantId && !tenant.isLost))
    throw new CofferError("input/used", { what: "tenant" });
}

async function makeVault(
  world: TenantWorld,
  userName: string,
  password: string,
): Promise<{ vault: Uint8Array<ArrayBuffer>; identity: UnlockedIdentity }> {
  const secrets = await createIdentity(world.crypto, userName);
  return createVault(world.crypto, { secrets, password, nowMs: world.env.nowMs() });
}

function newKey(world: TenantWorld, namesKey: Uint8Array, name: string): KeySecret {
  return {
    keyId: deriveNameId(world.crypto, namesKey, "key", name),
    epoch: 1,
    secret: world.crypto.randomBytes(32),
  };
}

function newBag(
  world: TenantWorld,
  namesKey: Uint8Array<ArrayBuffer>,
  keys: readonly KeySecret[],
): BagSecrets {
  return { version: 1, namesKey, deviceSecret: world.crypto.randomBytes(32), keys };
}

async function writeTenantStore(
  world: TenantWorld,
  tenant: { genesis: Genesis; identity: UnlockedIdentity; secrets: BagSecrets; names: TenantNames },
): Promise<TenantCore> {
  const { genesis, identity, secrets, names } = tenant;
  const store = await world.storage.openStore(tenantStoreName(world.scope, genesis.tenantId));
  const sealedNames = await sealPrivate(world.crypto, identity, tenantNamesPurpose, encodeTenantNames(names));
  const bag = await sealBag(world.crypto, identity, secrets);
  // Over what may be there: a store without a device's row is what an interrupted joining left, never used by anybody.
  await store.write({
    slots: [
      { name: slotNames.bag, value: bag },
      { name: slotNames.names, value: sealedNames },
    ],
    durability: "strict",
  });
  return new TenantCore(world, store, genesis);
}

function rowOf(
  genesis: Genesis,
  identity: UnlockedIdentity,
  rest: { adminKey: AuthorKey | undefined; nowMs: number; hadCommits: boolean },
): DeviceTenant {
  return {
    tenantId: genesis.tenantId,
    userKey: identity.publicIdentity.signingKey,
    adminKey: rest.adminKey,
    createdAtMs: rest.nowMs,
    lastOpenedAtMs: rest.nowMs,
    genesis: genesis.bytes,
    hadCommits: rest.hadCommits,
    isLost: false,
  };
}
