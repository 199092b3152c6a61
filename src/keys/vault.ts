/**
 * The vault: an identity at rest, under a password.
 *
 * | part | field | size |
 * |---|---|---|
 * | head | version | u8, 1 |
 * | | signingKey | 32, Ed25519 public key |
 * | | encryptionKey | 32, X25519 public key |
 * | | createdAtMs | u64 |
 * | slots | slotCount | u8, 1 … 4 |
 * | each slot | kind | u8: 1 password |
 * | | parameters | see kdf-codec.ts |
 * | | master | box of 32 bytes under the password's key; AAD "coffer/vault-slot/v1\0" ‖ head ‖ kind ‖ parameters |
 * | body | signing | box of the Ed25519 seed(32) under HKDF "signing" |
 * | | encryption | box of the X25519 scalar(32) under HKDF "encryption" |
 * | | userName | sized box of the name, UTF-8, under HKDF "profile" |
 * | | | AAD of the body: "coffer/vault-" ‖ purpose ‖ "/v1\0" ‖ head ‖ slots |
 * | end | checksum | 16, SHA-256("coffer/vault-checksum/v1\0" ‖ all before it), cut |
 *
 * A box is nonce(12) ‖ ciphertext ‖ tag(16) of AES-256-GCM. HKDF runs over the master, without salt; its info is the purpose.
 * The bag key's info is "tenant:v1:" ‖ the signing key as base64url: an identity is made before its tenant is known and
 * belongs to one tenant, so its signing key stands for it.
 *
 * The checksum tells damage from a wrong password. It protects nothing: what an attacker changes, the tags find. A slot that
 * was changed opens nothing, and the body is bound to every slot, so no vault opens in part.
 */
import {
  assert,
  bytesToId,
  bytesToUtf8,
  ByteReader,
  ByteWriter,
  CofferError,
  concatBytes,
  equalBytes,
  utf8ToBytes,
  type AuthorKey,
} from "../std/index.ts";
import type { Crypto, KdfParameters, Key } from "../crypto/index.ts";
import { boxOverheadBytes, openBox, sealBox } from "./box.ts";
import { publicIdentityOf } from "./identity.ts";
import { readKdfParameters, writeKdfParameters } from "./kdf-codec.ts";
import type { IdentitySecrets, LockedVault, UnlockedIdentity } from "./keys.ts";
import { isName, maxNameBytes, requireName } from "./name.ts";
import { requirePassword } from "./password.ts";

const vaultVersion = 1;
const passwordSlot = 1;
const maxSlots = 4;
const maxVaultBytes = 4096;
const headBytes = 1 + 32 + 32 + 8;
const checksumBytes = 16;
const secretBoxBytes = 32 + boxOverheadBytes;

const slotDomain = utf8ToBytes("coffer/vault-slot/v1\0");
const checksumDomain = utf8ToBytes("coffer/vault-checksum/v1\0");
const noSalt = new Uint8Array(0);

interface Slot {
  readonly parameters: KdfParameters;
  /** head ‖ kind ‖ parameters, as they stand in the vault */
  readonly bound: Uint8Array;
  readonly master: Uint8Array;
}

interface VaultParts {
  readonly locked: LockedVault;
  readonly slots: readonly Slot[];
  /** head ‖ slots */
  readonly bound: Uint8Array;
  readonly signing: Uint8Array;
  readonly encryption: Uint8Array;
  readonly userName: Uint8Array;
}

interface VaultKeys {
  readonly signing: Key;
  readonly encryption: Key;
  readonly profileKey: Key;
  readonly bagKey: Key;
}

/**
 * Put a new identity under a password. The secrets are wiped once they are in the vault.
 *
 * @throws `input/weak-password`, `input/too-large` for a password over 1024 bytes, `input/invalid` for a name that cannot be one
 */
export async function createVault(
  crypto: Crypto,
  options: { readonly secrets: IdentitySecrets; readonly password: string; readonly nowMs: number },
): Promise<{ readonly vault: Uint8Array<ArrayBuffer>; readonly identity: UnlockedIdentity }> {
  const { secrets, password, nowMs } = options;
  requireName(secrets.userName);
  requirePassword(password);
  const signing = await crypto.importSigningPair(secrets.signingSecret);
  const encryption = await crypto.importEncryptionPair(secrets.encryptionSecret);
  if (signing === undefined || encryption === undefined)
    throw new CofferError("input/invalid", { reason: "secrets" });
  const publicIdentity = publicIdentityOf(secrets.userName, signing, encryption);

  const master = crypto.randomBytes(32);
  const keys = await deriveVaultKeys(crypto, master, publicIdentity.signingKey);
  const head = new ByteWriter(headBytes)
    .u8(vaultVersion)
    .fixed(signing.publicKey, 32)
    .fixed(encryption.publicKey, 32)
    .u64(nowMs)
    .toBytes();
  const slot = await sealSlot(crypto, { head, master, password });
  master.fill(0);
  const bound = concatBytes(head, new Uint8Array([1]), slot);
  const body = new ByteWriter()
    .fixed(bound)
    .fixed(await sealBox(crypto, keys.signing, secrets.signingSecret, bodyData("signing", bound)))
    .fixed(await sealBox(crypto, keys.encryption, secrets.encryptionSecret, bodyData("encryption", bound)))
    .sized(await sealBox(crypto, keys.profileKey, utf8ToBytes(secrets.userName), bodyData("profile", bound)))
    .toBytes();
  const vault = concatBytes(body, checksumOf(crypto, body));
  assert(vault.length <= maxVaultBytes && parseVault(vault) !== undefined, "V1: a written vault can be read");
  secrets.signingSecret.fill(0);
  secrets.encryptionSecret.fill(0);
  const { bagKey, profileKey } = keys;
  return { vault, identity: { publicIdentity, signing, encryption, bagKey, profileKey } };
}

/**
 * Read what a vault says while it is locked. Only its form is checked: nothing of it is authenticated before unlocking.
 *
 * @throws `entry/corrupt`
 */
export function readVault(vault: Uint8Array): LockedVault {
  return requireParts(vault).locked;
}

/**
 * Open a vault: one derivation from the password for each slot until one opens, then all keys from its master.
 *
 * @throws `key/wrong-password`; `key/parameters` before any work when a slot asks for too little or too much of it;
 *   `entry/corrupt` when the vault is damaged or was changed
 */
export async function unlockVault(
  crypto: Crypto,
  vault: Uint8Array,
  password: string,
): Promise<UnlockedIdentity> {
  const parts = requireParts(vault);
  const end = vault.length - checksumBytes;
  if (!equalBytes(vault.subarray(end), checksumOf(crypto, vault.subarray(0, end)))) throw corrupt("checksum");
  const master = await openSlots(crypto, parts.slots, password);
  if (master === undefined) throw new CofferError("key/wrong-password");
  try {
    return await openBody(crypto, parts, master);
  } finally {
    master.fill(0);
  }
}

async function sealSlot(
  crypto: Crypto,
  options: { readonly head: Uint8Array; readonly master: Uint8Array; readonly password: string },
): Promise<Uint8Array<ArrayBuffer>> {
  const parameters = crypto.createKdfParameters();
  const writer = new ByteWriter().u8(passwordSlot);
  writeKdfParameters(writer, parameters);
  const slotHead = writer.toBytes();
  const additionalData = concatBytes(slotDomain, options.head, slotHead);
  const key = await passwordKey(crypto, options.password, parameters);
  return concatBytes(slotHead, await sealBox(crypto, key, options.master, additionalData));
}

async function openSlots(
  crypto: Crypto,
  slots: readonly Slot[],
  password: string,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  for (const slot of slots) {
    const key = await passwordKey(crypto, password, slot.parameters);
    const master = await openBox(crypto, key, slot.master, concatBytes(slotDomain, slot.bound));
    if (master !== undefined) return master;
  }
  return undefined;
}

async function openBody(crypto: Crypto, parts: VaultParts, master: Uint8Array): Promise<UnlockedIdentity> {
  const { bound, locked } = parts;
  const keys = await deriveVaultKeys(crypto, master, locked.signingKey);
  const { bagKey, profileKey } = keys;
  const signingSecret = await openBox(crypto, keys.signing, parts.signing, bodyData("signing", bound));
  const encryptionSecret = await openBox(
    crypto,
    keys.encryption,
    parts.encryption,
    bodyData("encryption", bound),
  );
  const nameBytes = await openBox(crypto, profileKey, parts.userName, bodyData("profile", bound));
  try {
    const userName = nameBytes && bytesToUtf8(nameBytes);
    const signing = signingSecret && (await crypto.importSigningPair(signingSecret));
    const encryption = encryptionSecret && (await crypto.importEncryptionPair(encryptionSecret));
    if (userName === undefined || signing === undefined || encryption === undefined) throw corrupt("body");
    const publicIdentity = publicIdentityOf(userName, signing, encryption);
    const isSame =
      publicIdentity.signingKey === locked.signingKey &&
      equalBytes(publicIdentity.encryptionKey, locked.encryptionKey);
    if (!isSame || !isName(userName)) throw corrupt("identity");
    return { publicIdentity, signing, encryption, bagKey, profileKey };
  } finally {
    signingSecret?.fill(0);
    encryptionSecret?.fill(0);
  }
}

async function passwordKey(crypto: Crypto, password: string, parameters: KdfParameters): Promise<Key> {
  const secret = await crypto.deriveFromPassword(password, parameters);
  const key = await crypto.importCipherKey(secret);
  secret.fill(0);
  return key;
}

async function deriveVaultKeys(
  crypto: Crypto,
  master: Uint8Array,
  signingKey: AuthorKey,
): Promise<VaultKeys> {
  const root = await crypto.importDerivationKey(master);
  const keyFor = async (info: string): Promise<Key> => {
    const secret = await crypto.derive(root, noSalt, utf8ToBytes(info), 32);
    const key = await crypto.importCipherKey(secret);
    secret.fill(0);
    return key;
  };
  return {
    signing: await keyFor("signing"),
    encryption: await keyFor("encryption"),
    profileKey: await keyFor("profile"),
    bagKey: await keyFor(`tenant:v1:${signingKey}`),
  };
}

function bodyData(purpose: "signing" | "encryption" | "profile", bound: Uint8Array): Uint8Array {
  return concatBytes(utf8ToBytes(`coffer/vault-${purpose}/v1\0`), bound);
}

function checksumOf(crypto: Crypto, bytes: Uint8Array): Uint8Array {
  return crypto.sha256(checksumDomain, bytes).subarray(0, checksumBytes);
}

function requireParts(vault: Uint8Array): VaultParts {
  const parts = parseVault(vault);
  if (parts !== undefined) return parts;
  if (vault[0] !== undefined && vault[0] > vaultVersion) {
    throw corrupt("version", "This vault is damaged, or a newer version of the application wrote it.");
  }
  throw corrupt("form");
}

function corrupt(reason: string, message?: string): CofferError {
  return new CofferError("entry/corrupt", {
    what: "vault",
    reason,
    ...(message === undefined ? {} : { message }),
  });
}

function parseVault(bytes: Uint8Array): VaultParts | undefined {
  if (bytes.length > maxVaultBytes) return undefined;
  const reader = new ByteReader(bytes);
  if (reader.u8() !== vaultVersion) reader.fail("version");
  const signingKeyBytes = reader.fixed(32);
  const encryptionKey = reader.fixed(32).slice();
  const createdAtMs = reader.u64();
  const slotCount = reader.u8();
  if (slotCount < 1 || slotCount > maxSlots) reader.fail("slots");
  const head = bytes.subarray(0, headBytes);
  const slots: Slot[] = [];
  for (let i = 0; i < slotCount && reader.error === undefined; i++) slots.push(readSlot(reader, bytes, head));
  const bound = bytes.subarray(0, reader.offset);
  const signing = reader.fixed(secretBoxBytes);
  const encryption = reader.fixed(secretBoxBytes);
  const userName = reader.sized(maxNameBytes + boxOverheadBytes);
  reader.fixed(checksumBytes);
  if (!reader.finish()) return undefined;
  const locked = { signingKey: bytesToId("AuthorKey", signingKeyBytes), encryptionKey, createdAtMs };
  return { locked, slots, bound, signing, encryption, userName };
}

function readSlot(reader: ByteReader, bytes: Uint8Array, head: Uint8Array): Slot {
  const start = reader.offset;
  if (reader.u8() !== passwordSlot) reader.fail("slot kind");
  const parameters = readKdfParameters(reader);
  const bound = concatBytes(head, bytes.subarray(start, reader.offset));
  return { parameters, bound, master: reader.fixed(secretBoxBytes) };
}
