/**
 * The bytes of a vault: an identity at rest, with a slot for each way to open it.
 *
 * | part | field | size |
 * |---|---|---|
 * | head | version | u8, 2 |
 * | | signingKey | 32, Ed25519 public key |
 * | | encryptionKey | 32, X25519 public key |
 * | | createdAtMs | u64 |
 * | slots | slotCount | u8, 1 … 8, of them at most 4 passwords |
 * | each slot | kind | u8: 1 password, 2 passkey, 3 recovery code |
 * | | slotId | 8, random, of no other slot here |
 * | | addedAtMs | u64 |
 * | | parameters | password: see kdf-codec.ts; passkey: sized credential id (1 … 1023) ‖ salt(32); recovery code: salt(32) |
 * | | master | box of 32 bytes under the slot's key; AAD "coffer/vault-slot/v1\0" ‖ head ‖ the slot up to here |
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
 * The key of a slot
 *
 * | kind | key |
 * |---|---|
 * | password | what the password function gives |
 * | passkey | HKDF of what the authenticator's PRF gives for the salt, same salt, info "coffer/passkey-slot/v1\0" ‖ signingKey |
 * | recovery code | HKDF of SHA-256("coffer/recovery-code/v1\0" ‖ the code's 18 random bytes), the salt, info "coffer/recovery-slot/v1\0" ‖ signingKey |
 *
 * The checksum tells damage from a wrong password. It protects nothing: what an attacker changes, the tags find. A slot that
 * was changed opens nothing, and the body is bound to every slot, so no vault opens in part, and none opens with a slot that
 * was put in or left out by who could not open it.
 *
 * Version 1 has exactly one slot, a password without slotId and addedAtMs. It is read, and written as version 2 with the next change
 * of its slots.
 */
import {
  assert,
  bytesToHex,
  bytesToId,
  ByteReader,
  ByteWriter,
  concatBytes,
  idToBytes,
  parseHex,
  utf8ToBytes,
} from "../std/index.ts";
import type { Crypto, KdfParameters } from "../crypto/index.ts";
import { boxOverheadBytes } from "./box.ts";
import { readKdfParameters, writeKdfParameters } from "./kdf-codec.ts";
import type { LockedVault } from "./keys.ts";
import { maxNameBytes } from "./name.ts";

/** The version that is written. */
export const vaultVersion = 2;
/** Bounds of what is read; a writer keeps them too. */
export const vaultLimits = { slots: 8, passwords: 4, credentialIdBytes: 1023, bytes: 4096 } as const;

const firstVersion = 1;
const headBytes = 1 + 32 + 32 + 8;
const slotIdBytes = 8;
const slotSaltBytes = 32;
const checksumBytes = 16;
const secretBoxBytes = 32 + boxOverheadBytes;
const kindBytes = { password: 1, passkey: 2, "recovery-code": 3 } as const;
const slotDomain = utf8ToBytes("coffer/vault-slot/v1\0");
const checksumDomain = utf8ToBytes("coffer/vault-checksum/v1\0");

/** How the secret of a slot becomes its key, in the clear. */
export type SlotParameters =
  | { readonly kind: "password"; readonly kdf: KdfParameters }
  | { readonly kind: "passkey"; readonly credentialId: Uint8Array; readonly salt: Uint8Array }
  | { readonly kind: "recovery-code"; readonly salt: Uint8Array };

/** A slot as it can be told while the vault is locked. */
export interface SlotFacts {
  /** 16 hex digits; of a vault of version 1 zeros */
  readonly id: string;
  readonly addedAtMs: number;
  readonly parameters: SlotParameters;
}

/** A slot with its box. */
export interface Slot extends SlotFacts {
  /** additional data of the box: domain ‖ head ‖ the slot up to its box */
  readonly bound: Uint8Array;
  /** the slot as it stands in the vault */
  readonly bytes: Uint8Array;
  readonly master: Uint8Array;
}

/** A vault, taken apart. */
export interface VaultParts {
  readonly version: number;
  readonly locked: LockedVault;
  readonly head: Uint8Array;
  readonly slots: readonly Slot[];
  /** head ‖ slots: what the body is bound to */
  readonly bound: Uint8Array;
  readonly signing: Uint8Array;
  readonly encryption: Uint8Array;
  readonly userName: Uint8Array;
  /** what the checksum is over */
  readonly summed: Uint8Array;
  readonly checksum: Uint8Array;
}

/** Write the head of a vault. */
export function encodeHead({ signingKey, encryptionKey, createdAtMs }: LockedVault): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(headBytes).u8(vaultVersion).fixed(idToBytes(signingKey), 32);
  return writer.fixed(encryptionKey, 32).u64(createdAtMs).toBytes();
}

/** Write a slot up to its box. */
export function encodeSlotHead({ id, addedAtMs, parameters }: SlotFacts): Uint8Array<ArrayBuffer> {
  const idBytes = parseHex(id);
  assert(idBytes !== undefined, "V4: the id of a slot is hex");
  const writer = new ByteWriter().u8(kindBytes[parameters.kind]).fixed(idBytes, slotIdBytes).u64(addedAtMs);
  if (parameters.kind === "password") writeKdfParameters(writer, parameters.kdf);
  else {
    if (parameters.kind === "passkey") writer.sized(parameters.credentialId);
    writer.fixed(parameters.salt, slotSaltBytes);
  }
  return writer.toBytes();
}

/** What the box of a slot is bound to. */
export function slotData(head: Uint8Array, slotHead: Uint8Array): Uint8Array<ArrayBuffer> {
  return concatBytes(slotDomain, head, slotHead);
}

/** What a body is bound to, before its purpose. */
export function encodeSlots(head: Uint8Array, slots: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return concatBytes(head, new Uint8Array([slots.length]), ...slots);
}

/** The checksum of all that stands before it. */
export function checksumOf(crypto: Pick<Crypto, "sha256">, summed: Uint8Array): Uint8Array {
  return crypto.sha256(checksumDomain, summed).subarray(0, checksumBytes);
}

/** Take a vault apart; `undefined` when it is none. Nothing of it is authenticated. */
export function parseVault(bytes: Uint8Array): VaultParts | undefined {
  if (bytes.length > vaultLimits.bytes) return undefined;
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== vaultVersion && version !== firstVersion) reader.fail("version");
  const signingKey = reader.fixed(32);
  const encryptionKey = reader.fixed(32).slice();
  const createdAtMs = reader.u64();
  const head = bytes.subarray(0, headBytes);
  const slots: Slot[] = [];
  const slotCount = reader.u8();
  if (slotCount < 1 || slotCount > (version === firstVersion ? 1 : vaultLimits.slots)) reader.fail("slots");
  while (slots.length < slotCount && reader.error === undefined)
    slots.push(
      version === firstVersion ? readFirstSlot(reader, bytes, createdAtMs) : readSlot(reader, bytes),
    );
  if (!areSlots(slots)) reader.fail("slots");
  const bound = bytes.subarray(0, reader.offset);
  const signing = reader.fixed(secretBoxBytes);
  const encryption = reader.fixed(secretBoxBytes);
  const userName = reader.sized(maxNameBytes + boxOverheadBytes);
  const summed = bytes.subarray(0, reader.offset);
  const checksum = reader.fixed(checksumBytes);
  if (!reader.finish()) return undefined;
  const locked = { signingKey: bytesToId("AuthorKey", signingKey), encryptionKey, createdAtMs };
  return { version, locked, head, slots, bound, signing, encryption, userName, summed, checksum };
}

/** Whether slots may stand in one vault. */
export function areSlots(slots: readonly SlotFacts[]): boolean {
  const passwords = slots.filter(({ parameters }) => parameters.kind === "password");
  return (
    slots.length >= 1 &&
    slots.length <= vaultLimits.slots &&
    passwords.length <= vaultLimits.passwords &&
    new Set(slots.map(({ id }) => id)).size === slots.length
  );
}

function readSlot(reader: ByteReader, bytes: Uint8Array): Slot {
  const start = reader.offset;
  const kind = reader.u8();
  const id = bytesToHex(reader.fixed(slotIdBytes));
  const addedAtMs = reader.u64();
  const parameters = readParameters(reader, kind);
  return endSlot(reader, bytes, { start, id, addedAtMs, parameters });
}

function readFirstSlot(reader: ByteReader, bytes: Uint8Array, addedAtMs: number): Slot {
  const start = reader.offset;
  if (reader.u8() !== kindBytes.password) reader.fail("slot kind");
  const parameters = { kind: "password", kdf: readKdfParameters(reader) } as const;
  return endSlot(reader, bytes, { start, id: "0".repeat(2 * slotIdBytes), addedAtMs, parameters });
}

function endSlot(
  reader: ByteReader,
  bytes: Uint8Array,
  { start, ...facts }: SlotFacts & { readonly start: number },
): Slot {
  const bound = slotData(bytes.subarray(0, headBytes), bytes.subarray(start, reader.offset));
  const master = reader.fixed(secretBoxBytes);
  return { ...facts, bound, master, bytes: bytes.subarray(start, reader.offset) };
}

function readParameters(reader: ByteReader, kind: number): SlotParameters {
  if (kind === kindBytes.password) return { kind: "password", kdf: readKdfParameters(reader) };
  if (kind === kindBytes.passkey) {
    const credentialId = reader.sized(vaultLimits.credentialIdBytes).slice();
    if (credentialId.length === 0) reader.fail("credential");
    return { kind: "passkey", credentialId, salt: reader.fixed(slotSaltBytes).slice() };
  }
  if (kind !== kindBytes["recovery-code"]) reader.fail("slot kind");
  return { kind: "recovery-code", salt: reader.fixed(slotSaltBytes).slice() };
}
