/**
 * The ways into the vaults of a tenant on this device: its user's, and its admin's where that is here.
 *
 * A change reads the vault, makes the new one, and puts it in the place of the very one that was read: of changes that cross, from several
 * tabs, none undoes another. Other devices and backup files keep the ways that they have.
 */
import { CofferError, isCofferError, type AuthorKey } from "../std/index.ts";
import {
  changeVault,
  createRecoveryCode,
  readVaultSlots,
  type NewSlot,
  type SlotFacts,
  type UnlockSecret,
} from "../keys/index.ts";
import type { TenantWorld } from "./core.ts";
import type { Device, DeviceTenant } from "./device.ts";

/** Whose vault: of whom this device holds one for the tenant. */
export interface VaultPlace {
  readonly world: TenantWorld;
  readonly device: Device;
  readonly row: DeviceTenant;
  /** the user's when it is not said */
  readonly key: AuthorKey | undefined;
}

/** A way in that is to be made; the code of a new recovery slot is made here. */
export type AddedSlot = Exclude<NewSlot, { kind: "recovery-code" }> | { readonly kind: "recovery-code" };

/** The ways into a vault, as they can be told under lock. @throws `input/unknown-id`, `entry/corrupt` */
export async function listKeySlots(place: VaultPlace): Promise<readonly SlotFacts[]> {
  return readVaultSlots(await place.device.readVault(vaultKey(place)));
}

/** Of which kinds the ways into a vault are; none of one that is damaged or gone. */
export async function kindsOfWays(place: VaultPlace): Promise<readonly SlotFacts["parameters"]["kind"][]> {
  try {
    const slots = await listKeySlots(place);
    return [...new Set(slots.map(({ parameters }) => parameters.kind))];
  } catch (error) {
    if (!isCofferError(error) || error.code.startsWith("store/")) throw error;
    return [];
  }
}

/**
 * Add a way in. Of a recovery code this is the only time it is told.
 *
 * @throws as `changeVault`, `store/…`
 */
export async function addKeySlot(
  place: VaultPlace,
  secret: UnlockSecret,
  added: AddedSlot,
): Promise<{ readonly id: string; readonly recoveryCode: string | undefined }> {
  const { crypto } = place.world;
  const recoveryCode = added.kind === "recovery-code" ? createRecoveryCode(crypto) : undefined;
  const add = added.kind === "recovery-code" ? { kind: added.kind, code: recoveryCode ?? "" } : added;
  const { added: id } = await change(place, { secret, add });
  return { id: id ?? "", recoveryCode };
}

/** Take a way in away. @throws `input/unknown-id`, `input/invalid` for the last one, as `changeVault`, `store/…` */
export async function removeKeySlot(place: VaultPlace, secret: UnlockSecret, id: string): Promise<void> {
  await change(place, { secret, remove: () => [id] });
}

/** Put a password in the place of all there are; other ways stay. @throws as `changeVault`, `store/…` */
export async function changePassword(
  place: VaultPlace,
  secret: UnlockSecret,
  password: string,
): Promise<void> {
  await change(place, {
    secret,
    add: { kind: "password", password },
    remove: (slots) => slots.flatMap(({ id, parameters }) => (parameters.kind === "password" ? [id] : [])),
  });
}

async function change(
  place: VaultPlace,
  how: Omit<Parameters<typeof changeVault>[2], "nowMs">,
): Promise<Awaited<ReturnType<typeof changeVault>>> {
  const { crypto, env } = place.world;
  return place.device.replaceVault(vaultKey(place), async (vault) =>
    changeVault(crypto, vault, { ...how, nowMs: env.nowMs() }),
  );
}

/** @throws `input/unknown-id` when the tenant has no such vault here */
function vaultKey({ row, key }: VaultPlace): AuthorKey {
  if (key === undefined || key === row.userKey) return row.userKey;
  if (key === row.adminKey) return key;
  throw new CofferError("input/unknown-id", { what: "user" });
}
