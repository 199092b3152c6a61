/**
 * The sync-only key of this device: it can prove to a server that it moves commits for a user, and nothing else. Its private key cannot
 * be exported; it rests in the tenant's store, where the service worker finds it while everything else is locked.
 */
import { bytesToId, isCofferError, type AuthorKey } from "../std/index.ts";
import { linkSlots, parseDelegation, readDeviceSigner, signDelegation } from "../sync/index.ts";
import type { TenantCore } from "./core.ts";

const validForMs = 90 * 24 * 60 * 60 * 1000;
const renewBeforeMs = 60 * 24 * 60 * 60 * 1000;

/** Make the device's key, or renew its certificate, with the user's signature. The tenant must be unlocked. */
export async function ensureDeviceSigner(core: TenantCore): Promise<void> {
  const known = await readDeviceSigner(core.store);
  const userKey = core.keys.identity.publicIdentity.signingKey;
  const { env } = core.world;
  const delegation = known?.delegation === undefined ? undefined : parseDelegation(known.delegation);
  const leftMs = delegation?.userKey === userKey ? delegation.expiresAtMs - env.nowMs() : 0;
  if (leftMs > renewBeforeMs) return;
  try {
    const deviceKey = known?.key ?? (await createDeviceKey(core));
    await writeDelegation(core, { deviceKey, userKey, expiresAtMs: env.nowMs() + validForMs });
  } catch (error) {
    // A certificate that still holds serves until the disk has room for the next one.
    if (leftMs <= 0 || !isCofferError(error) || error.code !== "store/quota") throw error;
  }
}

async function createDeviceKey(core: TenantCore): Promise<AuthorKey> {
  const created = await core.world.crypto.createSealedSigningPair();
  const slots = [
    { name: linkSlots.deviceKey, value: created.privateKey, expectedVersion: 0 },
    { name: linkSlots.devicePublic, value: created.publicKey, expectedVersion: 0 },
  ];
  const result = await core.store.write({ slots, durability: "strict" });
  // On a conflict another tab was first: its key is this device's.
  const stored = result.kind === "stored" ? undefined : await core.store.readSlot(linkSlots.devicePublic);
  return bytesToId("AuthorKey", stored?.value instanceof Uint8Array ? stored.value : created.publicKey);
}

async function writeDelegation(
  core: TenantCore,
  certified: { deviceKey: AuthorKey; userKey: AuthorKey; expiresAtMs: number },
): Promise<void> {
  const { crypto } = core.world;
  const { privateKey } = core.keys.identity.signing;
  const delegation = await signDelegation(crypto, privateKey, {
    ...certified,
    tenantId: core.tenantId,
    scope: "sync",
  });
  await core.store.write({
    slots: [{ name: linkSlots.deviceDelegation, value: delegation }],
    durability: "strict",
  });
}
