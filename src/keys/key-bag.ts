/**
 * The key bag: all content keys of a tenant that this identity holds, sealed as one.
 *
 * | field | size |
 * |---|---|
 * | format | u8, 1 |
 * | box | nonce(12) ‖ ciphertext ‖ tag(16) under the bag key; AAD "coffer/bag/v1\0" ‖ signingKey(32) |
 *
 * | inside the box | size |
 * |---|---|
 * | version | u64 |
 * | namesKey | 32 |
 * | deviceSecret | 32 |
 * | keyCount | varint, ≤ 10 000 |
 * | keyCount × keyId, epoch, secret | 16, u32, 32; ascending and unique as these 52 bytes |
 *
 * An old bag is as well sealed as a new one, so whoever opens a bag says the version it remembers.
 */
import {
  assert,
  bytesToHex,
  bytesToId,
  ByteReader,
  ByteWriter,
  CofferError,
  compareBytes,
  concatBytes,
  copyBytes,
  equalBytes,
  idToBytes,
  utf8ToBytes,
  type KeyId,
} from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import { createContentKey, type ContentKey, type KeyName } from "../entry/index.ts";
import { openBox, sealBox } from "./box.ts";
import type { BagSecrets, KeyBag, KeySecret, UnlockedIdentity } from "./keys.ts";

const bagFormat = 1;
const bagDomain = utf8ToBytes("coffer/bag/v1\0");
const maxKeys = 10_000;
const keyRowBytes = 16 + 4 + 32;
const maxBagBytes = 1024 * 1024;

/**
 * Seal a bag. Keys are sorted, doubled ones left out.
 *
 * @throws `input/too-large` over 10 000 keys
 */
export async function sealBag(
  crypto: Crypto,
  identity: UnlockedIdentity,
  secrets: BagSecrets,
): Promise<Uint8Array<ArrayBuffer>> {
  const plaintext = encodeSecrets(secrets);
  const box = await sealBox(crypto, identity.bagKey, plaintext, bagData(identity));
  plaintext.fill(0);
  return concatBytes(new Uint8Array([bagFormat]), box);
}

/**
 * Open a bag with its secrets in the clear.
 *
 * @throws `entry/corrupt`: damaged, of another identity, or (`detail: "older"`) of a version below `minVersion`
 */
export async function openBagSecrets(
  crypto: Crypto,
  identity: UnlockedIdentity,
  bytes: Uint8Array,
  options: { readonly minVersion: number },
): Promise<BagSecrets> {
  if (bytes.length > maxBagBytes || bytes[0] !== bagFormat) throw corrupt("format");
  const plaintext = await openBox(crypto, identity.bagKey, bytes.subarray(1), bagData(identity));
  if (plaintext === undefined) throw corrupt("seal");
  const secrets = parseSecrets(plaintext);
  plaintext.fill(0);
  if (secrets === undefined) throw corrupt("content");
  if (secrets.version < options.minVersion) throw corrupt("older");
  return secrets;
}

/** Make the keys of an opened bag usable and unreadable. The names key stays bytes, for it makes ids synchronously. */
export async function loadBag(crypto: Crypto, secrets: BagSecrets): Promise<KeyBag> {
  const keyByName = new Map<string, ContentKey>();
  const currentById = new Map<KeyId, ContentKey>();
  for (const secret of secrets.keys) {
    const key = await createContentKey(crypto, secret);
    keyByName.set(textOf(key), key);
    const best = currentById.get(key.keyId);
    if (best === undefined || isPreferred(key, best)) currentById.set(key.keyId, key);
  }
  const names = [...keyByName.values()].map(({ keyId, epoch, fingerprint }) => ({
    keyId,
    epoch,
    fingerprint,
  }));
  return {
    version: secrets.version,
    namesKey: copyBytes(secrets.namesKey),
    deviceKey: await crypto.importDerivationKey(secrets.deviceSecret),
    find: (name) => keyByName.get(textOf(name)),
    current: (keyId) => currentById.get(keyId),
    list: () => names,
  };
}

/** A bag with one more key, and the next version. The secrets are shared with the bag before. */
export function addKey(secrets: BagSecrets, key: KeySecret): BagSecrets {
  return { ...secrets, version: secrets.version + 1, keys: [...secrets.keys, key] };
}

/** Forget the secrets of an opened bag. */
export function wipeSecrets(secrets: BagSecrets): void {
  secrets.namesKey.fill(0);
  secrets.deviceSecret.fill(0);
  for (const key of secrets.keys) key.secret.fill(0);
}

/** Writers on all devices choose alike: the highest epoch, then the lowest fingerprint. */
function isPreferred(key: KeyName, other: KeyName): boolean {
  if (key.epoch !== other.epoch) return key.epoch > other.epoch;
  return compareBytes(key.fingerprint, other.fingerprint) < 0;
}

function textOf(name: KeyName): string {
  return `${name.keyId} ${name.epoch} ${bytesToHex(name.fingerprint)}`;
}

function bagData(identity: UnlockedIdentity): Uint8Array {
  return concatBytes(bagDomain, idToBytes(identity.publicIdentity.signingKey));
}

function corrupt(detail: "format" | "seal" | "content" | "older"): CofferError {
  return new CofferError("entry/corrupt", { what: "key bag", detail });
}

function encodeSecrets(secrets: BagSecrets): Uint8Array<ArrayBuffer> {
  if (secrets.keys.length > maxKeys) throw new CofferError("input/too-large", { keys: secrets.keys.length });
  assert(secrets.namesKey.length === 32 && secrets.deviceSecret.length === 32, "B1: secrets have 32 bytes");
  const version = new ByteWriter(8).u64(secrets.version).toBytes();
  const keys = encodeKeySecrets(secrets.keys);
  const plaintext = concatBytes(version, secrets.namesKey, secrets.deviceSecret, keys);
  keys.fill(0);
  return plaintext;
}

function parseSecrets(bytes: Uint8Array): BagSecrets | undefined {
  const reader = new ByteReader(bytes);
  const version = reader.u64();
  const namesKey = reader.fixed(32).slice();
  const deviceSecret = reader.fixed(32).slice();
  const keys = readKeySecrets(reader, maxKeys);
  return reader.finish() ? { version, namesKey, deviceSecret, keys } : undefined;
}

/**
 * Encode keys: varint count, then rows of keyId(16), u32 epoch, secret(32), sorted, each once. No copy of a secret stays
 * behind but in what is returned.
 */
export function encodeKeySecrets(keys: readonly KeySecret[]): Uint8Array<ArrayBuffer> {
  const rows = keys.map(encodeKeySecret).sort(compareBytes);
  const unique = rows.filter((row, index) => {
    const before = rows[index - 1];
    return before === undefined || !equalBytes(before, row);
  });
  const count = new ByteWriter(8).varint(unique.length).toBytes();
  const bytes = concatBytes(count, ...unique);
  for (const row of rows) row.fill(0);
  return bytes;
}

function encodeKeySecret({ keyId, epoch, secret }: KeySecret): Uint8Array<ArrayBuffer> {
  const row = concatBytes(idToBytes(keyId), new ByteWriter(4).u32(epoch).toBytes(), secret);
  assert(row.length === keyRowBytes, "B2: a key row has 52 bytes");
  return row;
}

/** Read what {@link encodeKeySecrets} made; the reader remembers what is wrong. */
export function readKeySecrets(reader: ByteReader, most: number): readonly KeySecret[] {
  const keys: KeySecret[] = [];
  const count = reader.varint(most);
  let before: Uint8Array | undefined;
  for (let i = 0; i < count && reader.error === undefined; i++) {
    const row = reader.fixed(keyRowBytes);
    if (reader.error !== undefined) break;
    if (before !== undefined && compareBytes(before, row) >= 0) reader.fail("keys not ascending");
    before = row;
    const fields = new ByteReader(row);
    keys.push({
      keyId: bytesToId("KeyId", fields.fixed(16)),
      epoch: fields.u32(),
      secret: fields.fixed(32).slice(),
    });
  }
  return keys;
}
