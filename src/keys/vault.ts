/**
 * The vault: an identity at rest, and the ways to open it: passwords, passkeys, recovery codes.
 *
 * Guarantees
 * - V1 a written vault can be read
 * - V2 every way in wraps the same master; who adds or removes one opens the vault first
 * - V3 a vault keeps at least one way in, and what opened it before a change of others opens it after
 * - V4 each way has an id of its own, for as long as it is there
 *
 * Its bytes are in vault-codec.ts. A way that was removed still opens a copy of the vault from before: as ever with encryption at rest,
 * what was copied while it could be opened stays openable.
 */
import {
  assert,
  bytesToUtf8,
  ByteWriter,
  CofferError,
  concatBytes,
  equalBytes,
  utf8ToBytes,
  type AuthorKey,
} from "../std/index.ts";
import type { Crypto, Key } from "../crypto/index.ts";
import { openBox, sealBox } from "./box.ts";
import { publicIdentityOf } from "./identity.ts";
import type { IdentitySecrets, LockedVault, UnlockedIdentity, UnlockSecret } from "./keys.ts";
import { isName, requireName } from "./name.ts";
import { requirePassword } from "./password.ts";
import {
  checksumOf,
  encodeHead,
  encodeSlots,
  parseVault,
  vaultLimits,
  vaultVersion,
  type SlotFacts,
  type VaultParts,
} from "./vault-codec.ts";
import { openSlots, sealSlot, type NewSlot } from "./vault-slots.ts";

const noSalt = new Uint8Array(0);

interface VaultKeys {
  readonly signing: Key;
  readonly encryption: Key;
  readonly profileKey: Key;
  readonly bagKey: Key;
}

/** Secrets and name of an identity while they are moved from one form of its vault to another. */
interface Body {
  readonly signingSecret: Uint8Array<ArrayBuffer>;
  readonly encryptionSecret: Uint8Array<ArrayBuffer>;
  readonly userName: string;
}

/** What is to become of the ways into a vault. */
export interface VaultChange {
  /** a way that opens it now */
  readonly secret: string | UnlockSecret;
  readonly add?: NewSlot;
  /** ids of the ways that go */
  readonly remove?: (slots: readonly SlotFacts[]) => readonly string[];
  readonly nowMs: number;
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
  const { signingKey, encryptionKey } = publicIdentity;

  const master = crypto.randomBytes(32);
  const keys = await deriveVaultKeys(crypto, master, signingKey);
  const head = encodeHead({ signingKey, encryptionKey, createdAtMs: nowMs });
  const secret = { kind: "password", password } as const;
  const place = { head, signingKey, addedAtMs: nowMs };
  const { bytes } = await sealSlot(crypto, place, { secret, master });
  master.fill(0);
  const vault = await sealBody(crypto, keys, { bound: encodeSlots(head, [bytes]), body: secrets });
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

/** Read which ways lead into a vault; nothing of it is authenticated before unlocking. @throws `entry/corrupt` */
export function readVaultSlots(vault: Uint8Array): readonly SlotFacts[] {
  return requireParts(vault).slots.map(({ id, addedAtMs, parameters }) => ({ id, addedAtMs, parameters }));
}

/**
 * Open a vault: one derivation from the password for each slot of one until one opens, then all keys from its master.
 *
 * @throws `key/wrong-password`, whatever the way; `key/parameters` before any work when a slot asks for too little or too much of it;
 *   `input/invalid` for what is no recovery code; `entry/corrupt` when the vault is damaged or was changed
 */
export async function unlockVault(
  crypto: Crypto,
  vault: Uint8Array,
  secret: string | UnlockSecret,
): Promise<UnlockedIdentity> {
  const parts = requireWhole(crypto, vault);
  const { master } = await requireSlot(crypto, parts, secret);
  try {
    const keys = await deriveVaultKeys(crypto, master, parts.locked.signingKey);
    return await withBody(crypto, parts, { keys, use: (body) => identityOf(crypto, parts, { body, keys }) });
  } finally {
    master.fill(0);
  }
}

/**
 * Change the ways into a vault, all or nothing.
 *
 * @throws as `unlockVault` and `sealSlot`; `input/unknown-id` for a way that is not there; `input/invalid` with `reason: "last way in"`;
 *   `input/too-large` for more ways than a vault holds
 */
export async function changeVault(
  crypto: Crypto,
  vault: Uint8Array,
  change: VaultChange,
): Promise<{ readonly vault: Uint8Array<ArrayBuffer>; readonly added: string | undefined }> {
  const parts = requireWhole(crypto, vault);
  const removed = new Set(change.remove?.(parts.slots));
  for (const id of removed)
    if (!parts.slots.some((slot) => slot.id === id))
      throw new CofferError("input/unknown-id", { what: "slot" });
  const { master, slot: opened } = await requireSlot(crypto, parts, change.secret);
  try {
    const { signingKey } = parts.locked;
    const head = encodeHead(parts.locked);
    const kept: Uint8Array[] = [];
    for (const slot of parts.slots) {
      if (removed.has(slot.id)) continue;
      if (parts.version === vaultVersion) kept.push(slot.bytes);
      else {
        // Its only slot, and bound to the old head: the same password opens the new one.
        assert(slot === opened, "V3: a vault of version 1 has one way in");
        const place = { head, signingKey, addedAtMs: slot.addedAtMs };
        kept.push((await sealSlot(crypto, place, { secret: toSecret(change.secret), master })).bytes);
      }
    }
    const place = { head, signingKey, addedAtMs: change.nowMs };
    const added = change.add && (await sealSlot(crypto, place, { secret: change.add, master }));
    const slots = added === undefined ? kept : [...kept, added.bytes];
    if (slots.length === 0) throw new CofferError("input/invalid", { reason: "last way in" });
    const keys = await deriveVaultKeys(crypto, master, signingKey);
    const bound = encodeSlots(head, slots);
    const changed = await withBody(crypto, parts, {
      keys,
      use: (body) => sealBody(crypto, keys, { bound, body }),
    });
    return { vault: changed, added: added?.id };
  } finally {
    master.fill(0);
  }
}

function toSecret(secret: string | UnlockSecret): UnlockSecret {
  return typeof secret === "string" ? { kind: "password", password: secret } : secret;
}

async function requireSlot(
  crypto: Crypto,
  parts: VaultParts,
  secret: string | UnlockSecret,
): Promise<NonNullable<Awaited<ReturnType<typeof openSlots>>>> {
  const opened = await openSlots(crypto, parts, toSecret(secret));
  if (opened === undefined) throw new CofferError("key/wrong-password");
  return opened;
}

/** Seal what is in a vault for its ways in. @throws `input/too-large` when there are too many of them */
async function sealBody(
  crypto: Crypto,
  keys: VaultKeys,
  { bound, body }: { readonly bound: Uint8Array; readonly body: Body },
): Promise<Uint8Array<ArrayBuffer>> {
  const summed = new ByteWriter()
    .fixed(bound)
    .fixed(await sealBox(crypto, keys.signing, body.signingSecret, bodyData("signing", bound)))
    .fixed(await sealBox(crypto, keys.encryption, body.encryptionSecret, bodyData("encryption", bound)))
    .sized(await sealBox(crypto, keys.profileKey, utf8ToBytes(body.userName), bodyData("profile", bound)))
    .toBytes();
  const vault = concatBytes(summed, checksumOf(crypto, summed));
  if (parseVault(vault) === undefined)
    throw new CofferError("input/too-large", { what: "vault", slots: vaultLimits.slots });
  return vault;
}

/** Open what is in a vault for a moment. @throws `entry/corrupt` */
async function withBody<T>(
  crypto: Crypto,
  parts: VaultParts,
  { keys, use }: { readonly keys: VaultKeys; readonly use: (body: Body) => Promise<T> },
): Promise<T> {
  const { bound } = parts;
  const open = (key: Key, box: Uint8Array, purpose: Purpose): Promise<Uint8Array<ArrayBuffer> | undefined> =>
    openBox(crypto, key, box, bodyData(purpose, bound));
  const signingSecret = await open(keys.signing, parts.signing, "signing");
  const encryptionSecret = await open(keys.encryption, parts.encryption, "encryption");
  const nameBytes = await open(keys.profileKey, parts.userName, "profile");
  try {
    const userName = nameBytes && bytesToUtf8(nameBytes);
    if (userName === undefined || signingSecret === undefined || encryptionSecret === undefined)
      throw corrupt("body");
    return await use({ signingSecret, encryptionSecret, userName });
  } finally {
    signingSecret?.fill(0);
    encryptionSecret?.fill(0);
  }
}

async function identityOf(
  crypto: Crypto,
  { locked }: VaultParts,
  { body, keys }: { readonly body: Body; readonly keys: VaultKeys },
): Promise<UnlockedIdentity> {
  const signing = await crypto.importSigningPair(body.signingSecret);
  const encryption = await crypto.importEncryptionPair(body.encryptionSecret);
  if (signing === undefined || encryption === undefined) throw corrupt("body");
  const publicIdentity = publicIdentityOf(body.userName, signing, encryption);
  const isSame =
    publicIdentity.signingKey === locked.signingKey &&
    equalBytes(publicIdentity.encryptionKey, locked.encryptionKey);
  if (!isSame || !isName(body.userName)) throw corrupt("identity");
  const { bagKey, profileKey } = keys;
  return { publicIdentity, signing, encryption, bagKey, profileKey };
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

type Purpose = "signing" | "encryption" | "profile";

function bodyData(purpose: Purpose, bound: Uint8Array): Uint8Array {
  return concatBytes(utf8ToBytes(`coffer/vault-${purpose}/v1\0`), bound);
}

/** @throws `entry/corrupt` */
function requireWhole(crypto: Crypto, vault: Uint8Array): VaultParts {
  const parts = requireParts(vault);
  if (!equalBytes(parts.checksum, checksumOf(crypto, parts.summed))) throw corrupt("checksum");
  return parts;
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
