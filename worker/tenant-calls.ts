/** The calls about tenants on this device: found, open, lock, remove. */
import { CofferError, toCofferError } from "../src/std/index.ts";
import { unlockVault, type UnlockedIdentity, type UnlockSecret } from "../src/keys/index.ts";
import {
  foundTenant,
  kindsOfWays,
  listKept,
  provesIdentity,
  removeTenant,
  type DeviceTenant,
} from "../src/tenant/index.ts";
import { tenantStoreName } from "../src/sync/index.ts";
import type { KnownTenant, TenantSnapshot, WorkerApi } from "./api.ts";
import { requireTenantId, type WorkerHost } from "./host.ts";
import { readSecretIfAny } from "./key-slot-messages.ts";
import { readFields, readStrings, readText } from "./page-messages.ts";

type TenantCalls = Pick<
  WorkerApi,
  | "tenants"
  | "pendingIdentities"
  | "createTenant"
  | "openTenant"
  | "resumeTenant"
  | "closeTenant"
  | "removeTenant"
  | "lock"
>;

interface OpenOptions {
  readonly keepSession: boolean;
  readonly userName: string | undefined;
}

const founding = ["tenantName", "adminName", "adminPassword", "userName", "userPassword"] as const;

/** Answer the calls about tenants. */
export function tenantCalls(host: WorkerHost): TenantCalls {
  return {
    tenants: () => listTenants(host),

    async pendingIdentities() {
      return (await host.ready()).device.listPending();
    },

    async createTenant(options) {
      const { world, device } = await host.ready();
      const { row, identity } = await foundTenant(world, device, readStrings(options, "options", founding));
      return host.enter(row, (session) => session.access.unlockWith(identity));
    },

    async openTenant(nameOrId, options) {
      const name = readText(nameOrId, "nameOrId");
      const read = readOpenOptions(options);
      const secret = readSecretIfAny(options, "options");
      return secret === undefined
        ? openHeld(host, name, read)
        : openBySecret(host, name, { ...read, secret });
    },

    async resumeTenant(tenantId, box) {
      const { device, world } = await host.ready();
      const row = await device.readTenant(requireTenantId(tenantId));
      const session = await host.session(row);
      if (box !== undefined && session.core.unlocked === undefined) {
        // Whether it is one is for the proof to say.
        const identity = readFields(box, "session")["opaque"] as UnlockedIdentity;
        if (!(await provesIdentity(world.crypto, identity, row.userKey)))
          throw new CofferError("input/invalid", { at: "session" });
        await session.access.unlockWith(identity);
        // What the page has open is read again next, and must show what the last worker had judged since it wrote its pages.
        await session.catchUp();
      } else await session.links.resume();
      return session.snapshot();
    },

    async closeTenant(tenantId) {
      await host.close(requireTenantId(tenantId));
    },

    async removeTenant(tenantId) {
      const { world, device } = await host.ready();
      await host.close(requireTenantId(tenantId));
      await removeTenant(world, device, requireTenantId(tenantId));
    },

    async lock(tenantId) {
      await host.tenant(tenantId).access.lock("everywhere");
    },
  };
}

/** Read how a tenant is to be opened. @throws `input/invalid` with `at` */
function readOpenOptions(message: unknown): OpenOptions {
  const { keepSession = false, userName } = readFields(message, "options");
  if (typeof keepSession !== "boolean") throw new CofferError("input/invalid", { at: "options.keepSession" });
  return {
    keepSession,
    userName: userName === undefined ? undefined : readText(userName, "options.userName"),
  };
}

async function listTenants(host: WorkerHost): Promise<readonly KnownTenant[]> {
  const { device, world } = await host.ready();
  await device.noted();
  const [rows, kept, stores] = await Promise.all([
    device.listTenants(),
    listKept(device.store),
    // Where the platform cannot list them, each is taken to be there.
    world.storage.listStores().then(
      (names) => new Set(names),
      () => undefined,
    ),
  ]);
  const isLost = async (row: DeviceTenant): Promise<boolean> => {
    const session = host.findSession(row.tenantId);
    if (row.isLost)
      return session?.core.unlocked === undefined || (await session.core.store.lastPosition()) === 0;
    return stores !== undefined && !stores.has(tenantStoreName(world.scope, row.tenantId));
  };
  const known = rows.map(async (row) => ({
    id: row.tenantId,
    createdAtMs: row.createdAtMs,
    lastOpenedAtMs: row.lastOpenedAtMs,
    locked: host.findSession(row.tenantId)?.core.unlocked === undefined,
    kept: kept.has(row.tenantId),
    lost: await isLost(row),
    ways: await kindsOfWays({ world, device, row, key: undefined }),
  }));
  return Promise.all(known);
}

/** Names are sealed, so a tenant that is asked for by name is found by trying the secret on each, the last opened first. */
async function openBySecret(
  host: WorkerHost,
  nameOrId: string,
  options: OpenOptions & { readonly secret: UnlockSecret },
): Promise<TenantSnapshot> {
  const { device, world } = await host.ready();
  const rows = await device.listTenants();
  const byId = rows.filter((row) => row.tenantId === nameOrId);
  let failure = new CofferError("input/unknown-id", { what: "tenant" });
  for (const row of byId.length > 0 ? byId : rows) {
    const vault = await device.readVault(row.userKey);
    const identity = await unlockVault(world.crypto, vault, options.secret).catch((error: unknown) => {
      failure = toCofferError(error);
    });
    if (identity === undefined) continue;
    const isUser = options.userName === undefined || options.userName === identity.publicIdentity.userName;
    failure = new CofferError("input/unknown-id", { what: isUser ? "tenant" : "user" });
    if (!isUser) continue;
    const snapshot = await enterIfNamed(host, row, identity, byId.length > 0 ? undefined : nameOrId);
    if (snapshot === undefined) continue;
    await host.keepSession(row.tenantId, options.keepSession);
    return snapshot;
  }
  throw failure;
}

/** Open a tenant that has this name, whatever it is for `undefined`; of another name it stays as it was: open, locked, or closed. */
async function enterIfNamed(
  host: WorkerHost,
  row: DeviceTenant,
  identity: UnlockedIdentity,
  name: string | undefined,
): Promise<TenantSnapshot | undefined> {
  const known = host.findSession(row.tenantId);
  const wasLocked = known !== undefined && known.core.unlocked === undefined;
  let isAnother = false;
  try {
    return await host.enter(row, async (session) => {
      await session.access.unlockWith(identity);
      isAnother = name !== undefined && session.snapshot().name !== name;
      if (!isAnother) return;
      if (wasLocked) await session.access.lock("here");
      throw new CofferError("input/unknown-id", { what: "tenant" });
    });
  } catch (error) {
    if (isAnother) return undefined;
    throw error;
  }
}

/** Open with the keys of a kept session or of another tab. What was kept stays so; `keepSession` keeps what another tab handed over. */
async function openHeld(
  host: WorkerHost,
  tenantId: string,
  { keepSession, userName }: OpenOptions,
): Promise<TenantSnapshot> {
  const { device } = await host.ready();
  const row = (await device.listTenants()).find((known) => known.tenantId === tenantId);
  if (row === undefined) throw new CofferError("input/unknown-id", { what: "tenant" });
  const snapshot = await host.enter(row, async (session) => {
    await session.access.unlockHeld();
    const self = session.core.unlocked?.identity.publicIdentity.userName;
    if (userName !== undefined && userName !== self)
      throw new CofferError("input/unknown-id", { what: "user" });
  });
  if (keepSession) await host.keepSession(row.tenantId, true);
  return snapshot;
}
