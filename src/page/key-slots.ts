/** The calls about ways to open a tenant: password, passkey, recovery code. */
import type { TenantSnapshot, UnlockMessage } from "../../worker/api.ts";
import { CofferError, createSystemEnv } from "../std/index.ts";
import type { ReadonlySignal } from "@preact/signals-core";
import { lockByItself, type AutoLockWorld } from "./auto-lock.ts";
import type {
  AddedKeySlot,
  AutoLockLimits,
  KeySlot,
  KeySlotProof,
  NewKeySlot,
  UnlockWay,
} from "./key-slot-types.ts";
import { askPasskey, createPasskey } from "./passkey.ts";
import type { Session } from "./session.ts";
import type { Identity } from "./types.ts";

/** What these calls need of an open tenant. */
interface OpenTenant {
  readonly id: string;
  readonly session: Session;
  readonly snapshot: ReadonlySignal<TenantSnapshot>;
  /** open what could not be opened under lock */
  reopen(): Promise<void>;
}

/** What opens a vault, for the worker: a passkey is asked for here. `tenantId`: one of this device, or any of them. */
export async function unlockMessage(
  session: Session,
  { password, recoveryCode, passkey }: Partial<UnlockWay>,
  tenantId?: string,
): Promise<UnlockMessage> {
  if (passkey === undefined) return { password, recoveryCode };
  return { passkey: await askPasskey(await session.call((api) => api.passkeys(tenantId))) };
}

/** Unlock, and open what could not be opened under lock. */
export async function unlock(tenant: OpenTenant, way: UnlockWay): Promise<void> {
  const { id, session } = tenant;
  const secret = await unlockMessage(session, way, id);
  await session.call((api) => api.unlock(id, secret));
  await tenant.reopen();
}

/** The ways into a vault. */
export async function getKeySlots(
  { id, session }: OpenTenant,
  { user }: { user?: Identity } = {},
): Promise<readonly KeySlot[]> {
  const slots = await session.call((api) => api.keySlots(id, user?.key));
  return slots.map(({ id: slotId, kind, addedAtMs }) => ({ id: slotId, kind, addedAtMs }));
}

/** Add a way in. */
export async function addKeySlot(
  { id, session, snapshot }: OpenTenant,
  { password, recoveryCode, passkey }: NewKeySlot,
  proof: KeySlotProof,
): Promise<AddedKeySlot> {
  const user = proof.user?.key;
  const secret = await unlockMessage(session, proof, id);
  let made: Awaited<ReturnType<typeof createPasskey>> | undefined;
  if (passkey !== undefined) {
    const slots = await session.call((api) => api.keySlots(id, user));
    const known = slots.flatMap((slot) => slot.passkey ?? []);
    const userName = proof.user?.userName ?? snapshot.peek().self?.userName;
    if (userName === undefined) throw new CofferError("access/locked");
    made = await createPasskey({ userName, known });
  }
  const slot = { password, recoveryCode, passkey: made };
  return session.call((api) => api.addKeySlot(id, user, secret, slot));
}

/** Take a way in away. */
export async function removeKeySlot(
  { id, session }: OpenTenant,
  slotId: string,
  proof: KeySlotProof,
): Promise<void> {
  const secret = await unlockMessage(session, proof, id);
  return session.call((api) => api.removeKeySlot(id, proof.user?.key, secret, slotId));
}

/** Put a new password in the place of all there are. */
export async function changePassword(
  { id, session }: OpenTenant,
  newPassword: string,
  proof: KeySlotProof,
): Promise<void> {
  const secret = await unlockMessage(session, proof, id);
  return session.call((api) => api.changePassword(id, proof.user?.key, secret, newPassword));
}

/** Lock by itself when nobody is there. */
export async function lockWhen({ id, session }: OpenTenant, limits: AutoLockLimits): Promise<() => void> {
  const lock = async (): Promise<void> => session.call((api) => api.lock(id));
  const page = globalThis as unknown as AutoLockWorld["page"];
  return lockByItself(limits, { env: createSystemEnv(), page, channel: `coffer-here/${id}`, lock });
}
