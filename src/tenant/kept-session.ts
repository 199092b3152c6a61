/**
 * A kept session: the keys of an unlocked identity as handles in the device's store, so that the next opening needs no password.
 *
 * | slot | value |
 * |---|---|
 * | `kept/<tenant id>/identity` | u8 version (1) ‖ signing key(32) ‖ sealed under the profile key: encryption key(32) ‖ text user name |
 * | `kept/<tenant id>/signing`, `/encryption`, `/bag`, `/profile` | the private and the cipher keys, not extractable |
 *
 * All five are written and deleted together. The browser keeps such keys in its profile without any password: whoever can run code in
 * that profile can use them, and whoever copies it may read them out of it.
 *
 * ```
 * keep ──► five slots ──► opened by them ──► … ──► lock in any tab, removal, an opening that does not keep, a slot that is wrong: deleted
 * ```
 */
import {
  ByteReader,
  ByteWriter,
  concatBytes,
  copyBytes,
  equalBytes,
  idToBytes,
  isCofferError,
  parseId,
  utf8ToBytes,
  type AuthorKey,
  type TenantId,
} from "../std/index.ts";
import type { Crypto, Key } from "../crypto/index.ts";
import { openPrivate, sealPrivate, type UnlockedIdentity } from "../keys/index.ts";
import type { SlotValue, Store } from "../store/index.ts";

const version = 1;
const purpose = "kept-session";
const maxNameBytes = 1024;
const keyNames = ["signing", "encryption", "bag", "profile"] as const;
const proofDomain = utf8ToBytes("coffer/held-keys/v1\0");

/** The names of the slots of a tenant's kept session. */
export function keptSlotNames(tenantId: TenantId): readonly string[] {
  return ["identity", ...keyNames].map((name) => `kept/${tenantId}/${name}`);
}

/** Keep the session of an identity. */
export async function keepSession(
  crypto: Crypto,
  store: Store,
  tenantId: TenantId,
  identity: UnlockedIdentity,
): Promise<void> {
  const { userName, signingKey, encryptionKey } = identity.publicIdentity;
  const inside = new ByteWriter().fixed(encryptionKey, 32).text(userName).toBytes();
  const sealed = await sealPrivate(crypto, identity, purpose, inside);
  const values: readonly SlotValue[] = [
    concatBytes(new Uint8Array([version]), idToBytes(signingKey), sealed),
    identity.signing.privateKey,
    identity.encryption.privateKey,
    identity.bagKey,
    identity.profileKey,
  ];
  const slots = keptSlotNames(tenantId).map((name, index) => ({ name, value: values[index] }));
  await store.write({ slots, durability: "strict" });
}

/** End the kept session of a tenant. @returns whether there was one; only then is anything written */
export async function endKeptSession(store: Store, tenantId: TenantId): Promise<boolean> {
  const kept = await store.readSlots(`kept/${tenantId}/`);
  if (kept.length === 0) return false;
  await store.write({ slots: kept.map(({ name }) => ({ name, value: undefined })), durability: "strict" });
  return true;
}

/** The tenants of this device that have a kept session. */
export async function listKept(store: Store): Promise<ReadonlySet<TenantId>> {
  const slots = await store.readSlots("kept/");
  return new Set(slots.flatMap(({ name }) => parseId("TenantId", name.split("/")[1]) ?? []));
}

/** The identity of a tenant's kept session; `undefined` when there is none, or when it is not that of the user with this key. */
export async function readKeptSession(
  crypto: Crypto,
  store: Store,
  tenantId: TenantId,
  userKey: AuthorKey,
): Promise<UnlockedIdentity | undefined> {
  const names = keptSlotNames(tenantId);
  const slots = new Map((await store.readSlots(`kept/${tenantId}/`)).map(({ name, value }) => [name, value]));
  const [bytes, ...keys] = names.map((name) => slots.get(name));
  const [signing, encryption, bagKey, profileKey] = keys.map((key) => (isKey(key) ? key : undefined));
  if (!(bytes instanceof Uint8Array) || signing === undefined || encryption === undefined) return undefined;
  if (bagKey === undefined || profileKey === undefined) return undefined;
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version || !equalBytes(reader.fixed(32), idToBytes(userKey))) return undefined;
  const unnamed: UnlockedIdentity = {
    publicIdentity: { userName: "", signingKey: userKey, encryptionKey: new Uint8Array(32) },
    signing: { publicKey: idToBytes(userKey), privateKey: signing },
    encryption: { publicKey: new Uint8Array(32), privateKey: encryption },
    bagKey,
    profileKey,
  };
  const inside = await openNames(crypto, unnamed, reader.fixed(reader.remaining));
  if (inside === undefined) return undefined;
  const { encryptionKey, userName } = inside;
  const identity = {
    ...unnamed,
    publicIdentity: { userName, signingKey: userKey, encryptionKey },
    encryption: { publicKey: encryptionKey, privateKey: encryption },
  };
  return (await provesIdentity(crypto, identity, userKey)) ? identity : undefined;
}

async function openNames(
  crypto: Crypto,
  identity: UnlockedIdentity,
  sealed: Uint8Array,
): Promise<{ readonly encryptionKey: Uint8Array<ArrayBuffer>; readonly userName: string } | undefined> {
  try {
    const reader = new ByteReader(await openPrivate(crypto, identity, purpose, sealed));
    const encryptionKey = copyBytes(reader.fixed(32));
    const userName = reader.text(maxNameBytes);
    return reader.finish() ? { encryptionKey, userName } : undefined;
  } catch (error) {
    if (isCofferError(error)) return undefined;
    throw error;
  }
}

/**
 * Tell whether keys that came from elsewhere are those of a user: the private ones fit the public ones, and none can be read out. Bag
 * and profile key prove themselves by what they open. Never throws, whatever the value.
 */
export async function provesIdentity(
  crypto: Crypto,
  identity: UnlockedIdentity,
  userKey: AuthorKey,
): Promise<boolean> {
  try {
    const { publicIdentity, signing, encryption, bagKey, profileKey } = identity;
    const keys = [signing.privateKey, encryption.privateKey, bagKey, profileKey];
    if (publicIdentity.signingKey !== userKey || keys.some((key) => key.extractable)) return false;
    if (!equalBytes(signing.publicKey, idToBytes(userKey))) return false;
    if (!equalBytes(encryption.publicKey, publicIdentity.encryptionKey)) return false;
    const challenge = concatBytes(proofDomain, crypto.randomBytes(32));
    // Both at once: somebody waits for the document behind them.
    const proofs = await Promise.all([
      provesSigning(crypto, signing, challenge),
      provesEncryption(crypto, encryption, challenge),
    ]);
    return proofs.every(Boolean);
  } catch {
    // A key that is used for what it is not made for is the platform's own exception.
    return false;
  }
}

async function provesSigning(
  crypto: Crypto,
  { privateKey, publicKey }: UnlockedIdentity["signing"],
  challenge: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  return crypto.verify(publicKey, await crypto.sign(privateKey, challenge), challenge);
}

async function provesEncryption(
  crypto: Crypto,
  encryption: UnlockedIdentity["encryption"],
  challenge: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const context = { info: proofDomain, additionalData: new Uint8Array(0) };
  const sealed = await crypto.sealTo(encryption.publicKey, challenge, context);
  const opened = await crypto.openSealed(encryption, sealed, context);
  return opened !== undefined && equalBytes(opened, challenge);
}

function isKey(value: SlotValue | undefined): value is Key {
  return value !== undefined && !(value instanceof Uint8Array);
}
