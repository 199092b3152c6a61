/**
 * Named keys: made by a user for documents that not every member reads.
 *
 * Key bag and names are slots of the device, written together by compare-and-swap, so that two tabs lose none of each other's. A tab
 * whose bag another one has changed takes the new one: when the store tells it, and before it says that a key is missing.
 */
import { CofferError, equalBytes, type KeyId } from "../std/index.ts";
import { deriveNameId } from "../entry/index.ts";
import {
  addKey,
  loadBag,
  openBagSecrets,
  openPrivate,
  readKeyName,
  sealBag,
  sealPrivate,
  wipeSecrets,
  type BagSecrets,
  type UnlockedIdentity,
} from "../keys/index.ts";
import type { Store } from "../store/index.ts";
import { keyNames, type TenantCore, type TenantWorld } from "./core.ts";
import {
  decodeTenantNames,
  encodeTenantNames,
  slotNames,
  tenantNamesPurpose,
  type TenantNames,
} from "./slots.ts";
import { again, swapSlots } from "./swap.ts";

interface ReadKeys {
  readonly secrets: BagSecrets;
  readonly names: TenantNames;
  /** versions of the slots */
  readonly bagVersion: number;
  readonly namesVersion: number;
}

/**
 * Make a key under a name: 32 fresh bytes, epoch 1.
 *
 * @throws `input/invalid` for a name that is none, or is taken; `access/locked`
 */
export async function createKey(core: TenantCore, text: string): Promise<void> {
  (await makeKey(core, readKeyName(text))).fill(0);
}

/** What the keys of lists of recipients are called: no user gives such a name, and none is shown one. */
export const listKeyPrefix = "$for/";

/** Tell whether a name is that of a list's key. */
export function isListKey(name: string): boolean {
  return name.startsWith(listKeyPrefix);
}

/** Make a key under any name; gives its bytes, which the caller wipes. @throws as {@link createKey} */
export async function makeKey(core: TenantCore, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const { crypto } = core.world;
  const keyId = core.keyIdOf(name);
  const key = { keyId, epoch: 1, secret: crypto.randomBytes(32) };
  try {
    await changeKeys(core, ({ names, secrets }) => {
      if (secrets.keys.some(({ secret }) => equalBytes(secret, key.secret))) return undefined;
      requireFree(core, { names, secrets }, keyId);
      const isHeld = secrets.keys.some((known) => known.keyId === keyId);
      return { secrets: isHeld ? secrets : addKey(secrets, key), names: addKeyNames(names, [name]) };
    });
    return key.secret;
  } catch (error) {
    key.secret.fill(0);
    throw error;
  }
}

/** Names of keys beside those that are there. */
export function addKeyNames(names: TenantNames, added: readonly string[]): TenantNames {
  return { ...names, keyNames: [...new Set([...names.keyNames, ...added])].sort() };
}

/** Key bag and names in the clear, while they are changed. */
export type HeldKeys = Pick<ReadKeys, "secrets" | "names">;

/**
 * Change key bag and names together, and take them over. `change` may be asked again where another tab came between, or where the
 * store does not say whether it wrote; what is as it should be already it leaves alone.
 *
 * @throws `access/locked`, and what `change` throws
 */
export async function changeKeys(
  core: TenantCore,
  change: (before: HeldKeys) => HeldKeys | undefined,
): Promise<void> {
  const { crypto } = core.world;
  await swapSlots("key bag", async (swap) => {
    const { identity } = core.keys;
    const read = await readKeys(core.world, core.store, identity);
    try {
      const changed = change(read);
      if (changed === undefined) return undefined;
      const bag = await sealBag(crypto, identity, changed.secrets);
      const names = await sealPrivate(crypto, identity, tenantNamesPurpose, encodeTenantNames(changed.names));
      const writing = core.store.write({
        slots: [
          { name: slotNames.bag, value: bag, expectedVersion: read.bagVersion },
          { name: slotNames.names, value: names, expectedVersion: read.namesVersion },
        ],
        durability: "strict",
      });
      return (await swap(writing)) ? undefined : again;
    } finally {
      wipeSecrets(read.secrets);
    }
  });
  await reloadKeys(core);
}

/**
 * Take key bag and names as they are stored now; nothing happens while the tenant is locked.
 *
 * @returns whether they are newer than those that were in use
 */
export async function reloadKeys(core: TenantCore): Promise<boolean> {
  const before = core.unlocked;
  if (before === undefined) return false;
  const { secrets, names } = await readKeys(core.world, core.store, before.identity);
  try {
    const bag = await loadBag(core.world.crypto, secrets);
    // What was locked meanwhile stays locked, and an older bag never takes the place of a newer one.
    const now = core.unlocked;
    if (now?.identity !== before.identity || bag.version < now.bag.version) return false;
    core.unlocked = { ...now, bag, ...names };
    return bag.version > now.bag.version || names.keyNames.length > now.keyNames.length;
  } finally {
    wipeSecrets(secrets);
  }
}

/** See to it that a key can be used: another tab may have made it. @throws `key/missing`, `access/locked` */
export async function requireKey(core: TenantCore, name: string): Promise<void> {
  const keyId = core.keyIdOf(name);
  if (core.keys.bag.current(keyId) === undefined) await reloadKeys(core);
  if (core.keys.bag.current(keyId) === undefined) throw new CofferError("key/missing", { keyId });
}

/** @throws `input/invalid` when a name stands for the same key: ids are made of what names look like */
function requireFree(core: TenantCore, { names, secrets }: HeldKeys, keyId: KeyId): void {
  const taken = [...Object.values(keyNames), ...names.keyNames];
  const idOf = (name: string): KeyId => deriveNameId(core.world.crypto, secrets.namesKey, "key", name);
  if (taken.some((name) => idOf(name) === keyId))
    throw new CofferError("input/invalid", { message: "There is a key of this name already." });
}

async function readKeys(
  { crypto }: Pick<TenantWorld, "crypto">,
  store: Store,
  identity: UnlockedIdentity,
): Promise<ReadKeys> {
  const bag = await readBytes(store, slotNames.bag);
  const names = await readBytes(store, slotNames.names);
  const opened = await openPrivate(crypto, identity, tenantNamesPurpose, names.value);
  return {
    secrets: await openBagSecrets(crypto, identity, bag.value, { minVersion: 0 }),
    names: decodeTenantNames(opened),
    bagVersion: bag.version,
    namesVersion: names.version,
  };
}

async function readBytes(
  store: Store,
  name: string,
): Promise<{ readonly value: Uint8Array<ArrayBuffer>; readonly version: number }> {
  const slot = await store.readSlot(name);
  if (!(slot?.value instanceof Uint8Array)) throw new CofferError("entry/corrupt", { slot: name });
  return { value: slot.value, version: slot.version };
}
