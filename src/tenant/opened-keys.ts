/** Opens what the tenant's store holds under its user's vault: key bag and names, with what a backup brought. */
import { CofferError } from "../std/index.ts";
import {
  loadBag,
  openBagSecrets,
  openPrivate,
  wipeSecrets,
  type BagSecrets,
  type UnlockedIdentity,
} from "../keys/index.ts";
import type { TenantCore, Unlocked } from "./core.ts";
import { adoptImported } from "./imported-keys.ts";
import { decodeTenantNames, slotNames, tenantNamesPurpose } from "./slots.ts";

/** Open key bag and names. @throws `key/missing` when the store has lost them, `entry/corrupt` */
export async function openKeys(core: TenantCore, identity: UnlockedIdentity): Promise<Unlocked> {
  const { crypto } = core.world;
  await adoptImported(crypto, core.store, identity);
  const [bag, sealedNames] = await Promise.all([
    readSealed(core, slotNames.bag),
    readSealed(core, slotNames.names),
  ]);
  const secrets = await openBagSecrets(crypto, identity, bag, { minVersion: 0 });
  try {
    const names = decodeTenantNames(await openPrivate(crypto, identity, tenantNamesPurpose, sealedNames));
    return {
      identity,
      bag: await loadBag(crypto, secrets),
      keyIds: new Map(),
      deadWraps: new Set(),
      ...names,
    };
  } finally {
    wipeSecrets(secrets);
  }
}

/** Read the raw key bag for a moment, to wrap keys for someone. @throws `access/locked` */
export async function withBagSecrets<T>(
  core: TenantCore,
  use: (secrets: BagSecrets) => Promise<T>,
): Promise<T> {
  const bag = await readSealed(core, slotNames.bag);
  const secrets = await openBagSecrets(core.world.crypto, core.keys.identity, bag, { minVersion: 0 });
  try {
    return await use(secrets);
  } finally {
    wipeSecrets(secrets);
  }
}

async function readSealed({ store }: TenantCore, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const slot = await store.readSlot(name);
  if (slot === undefined)
    throw new CofferError("key/missing", {
      what: "tenant",
      message: "This device has lost the tenant's data. Restore a backup, or ask to be let in again.",
    });
  if (!(slot.value instanceof Uint8Array)) throw new CofferError("entry/corrupt", { slot: name });
  return slot.value;
}
