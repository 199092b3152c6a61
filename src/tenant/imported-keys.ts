/**
 * Keys and names that a backup brought, until the next unlocking: only then can they be opened, and held against those that are here.
 *
 * | slot | value |
 * |---|---|
 * | `imported/<file>/bag` | a key bag of this user, as the file had it; `<file>`: 16 hex digits of its nonce |
 * | `imported/<file>/names` | names, likewise |
 *
 * ```
 * unlock ──► open both bags ──► all keys of both, the next version ──► bag; imported ones deleted, all in one write
 *               └── what does not open, or is of other names, is dropped: an import takes nothing away
 * ```
 * The device secret stays this device's own, and where there is no bag yet a fresh one is drawn: two devices restored from one file seal
 * their pages under different keys.
 */
import { CofferError, equalBytes, isCofferError } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import {
  openBagSecrets,
  openPrivate,
  sealBag,
  sealPrivate,
  wipeSecrets,
  type BagSecrets,
  type UnlockedIdentity,
} from "../keys/index.ts";
import type { Slot, Store } from "../store/index.ts";
import {
  decodeTenantNames,
  encodeTenantNames,
  slotNames,
  tenantNamesPurpose,
  type TenantNames,
} from "./slots.ts";
import { again, swapSlots } from "./swap.ts";

const prefix = "imported/";
type ByteSlot = Slot & { readonly value: Uint8Array<ArrayBuffer> };

/** The keys of one file that was imported. */
export interface ImportedKeys {
  readonly bag: ByteSlot;
  readonly names: ByteSlot;
}

/** The names of the slots that hold the keys of one file, until they are adopted. */
export function importedSlotNames(fileName: string): { readonly bag: string; readonly names: string } {
  return { bag: `${prefix}${fileName}/bag`, names: `${prefix}${fileName}/names` };
}

/** What was imported and not adopted yet; a half of a pair does not count. */
export async function readImported(store: Store): Promise<readonly ImportedKeys[]> {
  const slots = new Map((await store.readSlots(prefix)).map((slot) => [slot.name, slot]));
  return [...slots.values()].flatMap((bag) => {
    const names = slots.get(bag.name.replace(/bag$/u, "names"));
    const isPair = bag.name.endsWith("/bag") && names !== undefined;
    return isPair && isBytes(bag) && isBytes(names) ? [{ bag, names }] : [];
  });
}

/** Take over what was imported into key bag and names. @returns whether there was anything. @throws `entry/corrupt` when it is all there is */
export async function adoptImported(
  crypto: Crypto,
  store: Store,
  identity: UnlockedIdentity,
): Promise<boolean> {
  let isFirst = true;
  return swapSlots("key bag", async (swap) => {
    const imported = await readImported(store);
    if (imported.length === 0) return !isFirst;
    isFirst = false;
    const [bagSlot, namesSlot] = await Promise.all([
      store.readSlot(slotNames.bag),
      store.readSlot(slotNames.names),
    ]);
    const here = await openKeys(crypto, identity, bagSlot, namesSlot);
    const merged = await mergeAll(crypto, identity, here, imported);
    try {
      const names = encodeTenantNames(merged.names);
      const writing = store.write({
        slots: [
          {
            name: slotNames.bag,
            value: await sealBag(crypto, identity, merged.secrets),
            expectedVersion: bagSlot?.version ?? 0,
          },
          {
            name: slotNames.names,
            value: await sealPrivate(crypto, identity, tenantNamesPurpose, names),
            expectedVersion: namesSlot?.version ?? 0,
          },
          ...imported.flatMap(({ bag, names: imports }) => [
            { name: bag.name, value: undefined, expectedVersion: bag.version },
            { name: imports.name, value: undefined, expectedVersion: imports.version },
          ]),
        ],
        durability: "strict",
      });
      return (await swap(writing)) ? true : again;
    } finally {
      wipeSecrets(merged.secrets);
    }
  });
}

interface OpenedKeys {
  readonly secrets: BagSecrets;
  readonly names: TenantNames;
}

async function openKeys(
  crypto: Crypto,
  identity: UnlockedIdentity,
  bag: Slot | undefined,
  names: Slot | undefined,
): Promise<OpenedKeys | undefined> {
  if (bag === undefined && names === undefined) return undefined;
  if (!isBytes(bag) || !isBytes(names)) throw new CofferError("entry/corrupt", { slot: slotNames.bag });
  const opened = await openPrivate(crypto, identity, tenantNamesPurpose, names.value);
  return {
    secrets: await openBagSecrets(crypto, identity, bag.value, { minVersion: 0 }),
    names: decodeTenantNames(opened),
  };
}

async function mergeAll(
  crypto: Crypto,
  identity: UnlockedIdentity,
  here: OpenedKeys | undefined,
  imported: readonly ImportedKeys[],
): Promise<OpenedKeys> {
  let merged = here;
  for (const { bag, names } of imported) {
    const opened = await openKeys(crypto, identity, bag, names).catch((error: unknown) => {
      if (!isCofferError(error) || error.code !== "entry/corrupt") throw error;
      return undefined;
    });
    if (opened === undefined) continue;
    if (merged === undefined) {
      opened.secrets.deviceSecret.fill(0);
      merged = { ...opened, secrets: { ...opened.secrets, deviceSecret: crypto.randomBytes(32) } };
    } else if (equalBytes(merged.secrets.namesKey, opened.secrets.namesKey)) merged = merge(merged, opened);
  }
  if (merged === undefined) throw new CofferError("entry/corrupt", { what: "imported keys" });
  return merged;
}

function merge(here: OpenedKeys, other: OpenedKeys): OpenedKeys {
  const version = Math.max(here.secrets.version, other.secrets.version) + 1;
  const keyNames = [...new Set([...here.names.keyNames, ...other.names.keyNames])].sort();
  return {
    // Doubled keys are left out where the bag is sealed.
    secrets: { ...here.secrets, version, keys: [...here.secrets.keys, ...other.secrets.keys] },
    names: { ...here.names, adminName: here.names.adminName || other.names.adminName, keyNames },
  };
}

function isBytes(slot: Slot | undefined): slot is ByteSlot {
  return slot?.value instanceof Uint8Array;
}
