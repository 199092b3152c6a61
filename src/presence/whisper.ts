/**
 * What members say to each other for the moment: sealed under the database's current key, signed by who says it, kept by nobody.
 *
 * | field | bytes |
 * |---|---|
 * | version | u8, 1 |
 * | keyId, epoch, fingerprint | 16, u32, 8: the content key |
 * | sender | 32: the Ed25519 key of the user's device |
 * | voice | 16 random: one presence, such as one tab while it is open |
 * | number | varint ≥ 1: grows with every whisper of a voice |
 * | saidAtMs | u64 |
 * | ciphertext | sized: AES-256-GCM of the padded plaintext, tag(16) at its end |
 * | signature | 64: Ed25519 by `sender` over `coffer/whisper/v1\0`, tenantId(32), dbId(16) and everything before |
 *
 * | plaintext | bytes |
 * |---|---|
 * | kind | u8: 0 `state`, 1 `gone`, 2 `ask`, 3 `broadcast` |
 * | name | text, at most 64 bytes; empty unless `broadcast` |
 * | value | text: JSON, at most 2,048 bytes; `null` for `gone` and `ask` |
 *
 * The key is `HKDF-SHA-256(content key, voice, info)`, 32 bytes, where info is the text `coffer/whisper/v1` and keyId, u32 epoch,
 * tenantId, dbId, sender, each length-prefixed; the nonce is the number, 96-bit big-endian, and everything before the ciphertext is
 * authenticated with it. So no key meets a nonce twice, and no whisper opens for another database, tenant or sender. A whole whisper
 * is at most 4,096 bytes. Padding hides how much is said.
 *
 * What is told beside that to who carries it: the database's and the key's id, sender, voice, number, time and size class.
 */
import type { Crypto, Key } from "../crypto/index.ts";
import { paddedSizeBytes, padInto, unpad, type ContentKey, type KeyName } from "../entry/index.ts";
import {
  assert,
  bytesToHex,
  bytesToId,
  ByteReader,
  ByteWriter,
  CofferError,
  idToBytes,
  utf8ToBytes,
  type AuthorKey,
  type DbId,
  type TenantId,
} from "../std/index.ts";

export const whisperLimits = {
  /** of a sealed whisper */
  bytes: 4096,
  /** of a value as JSON */
  valueBytes: 2048,
  nameBytes: 64,
} as const;

const version = 1;
const domain = utf8ToBytes("coffer/whisper/v1\0");
const voiceBytes = 16;
const signatureBytes = 64;
const tagBytes = 16;
const kinds = ["state", "gone", "ask", "broadcast"] as const;

/** What is said. `value` is plain JSON. */
export interface Saying {
  readonly kind: (typeof kinds)[number];
  readonly name: string;
  readonly value: unknown;
}

/** What anybody can read of a whisper, before anything of it is proven. */
export interface WhisperHeader {
  readonly keyName: KeyName;
  readonly sender: AuthorKey;
  /** 32 hex digits */
  readonly voice: string;
  readonly number: number;
  readonly saidAtMs: number;
}

/** Where a whisper is said. */
export interface WhisperPlace {
  readonly tenantId: TenantId;
  readonly dbId: DbId;
}

/** Who says something. */
export interface Speaker extends WhisperPlace {
  readonly content: ContentKey;
  readonly sender: AuthorKey;
  readonly signingKey: Key;
  /** 16 bytes, fresh for every presence */
  readonly voice: Uint8Array;
}

/**
 * Seal a saying. The caller never uses one number twice for a voice.
 *
 * @throws `input/too-large` for a name or a value over its limit
 */
export async function sealWhisper(
  crypto: Pick<Crypto, "derive" | "importCipherKey" | "encrypt" | "sign">,
  speaker: Speaker,
  { number, saidAtMs }: Pick<WhisperHeader, "number" | "saidAtMs">,
  saying: Saying,
): Promise<Uint8Array<ArrayBuffer>> {
  assert(
    number >= 1 && speaker.voice.length === voiceBytes,
    "whisper: numbers begin with 1, a voice has 16 bytes",
  );
  const { content, sender, voice } = speaker;
  const writer = new ByteWriter(512)
    .u8(version)
    .fixed(idToBytes(content.keyId), 16)
    .u32(content.epoch)
    .fixed(content.fingerprint, 8)
    .fixed(idToBytes(sender), 32)
    .fixed(voice, voiceBytes)
    .varint(number)
    .u64(saidAtMs);
  const header = writer.toBytes();
  const plaintext = encodeSaying(saying);
  const padded = new Uint8Array(paddedSizeBytes(plaintext.length));
  padInto(padded, plaintext);
  const key = await whisperKey(
    crypto,
    { ...speaker, keyId: content.keyId, epoch: content.epoch },
    content.key,
  );
  writer.sized(await crypto.encrypt(key, nonceOf(number), padded, header));
  const signature = await crypto.sign(speaker.signingKey, preimageOf(speaker, writer.toBytes()));
  return writer.fixed(signature, signatureBytes).toBytes();
}

/** How reading a whisper ended. */
export type WhisperVerdict =
  | { readonly kind: "opened"; readonly header: WhisperHeader; readonly saying: Saying }
  | { readonly kind: "no-key" }
  | { readonly kind: "forged"; readonly reason: "malformed" | "signature" | "sealed" };

/** Read what stands openly in a whisper; `undefined` for what is none. Never throws. */
export function readWhisperHeader(bytes: Uint8Array): WhisperHeader | undefined {
  return readWhisper(bytes)?.header;
}

/**
 * Verify and open a whisper. Never throws, whatever the bytes. Whether it is new, and whether its sender may speak, the caller judges
 * first: it costs less.
 */
export async function openWhisper(
  crypto: Pick<Crypto, "derive" | "importCipherKey" | "decrypt" | "verify">,
  place: WhisperPlace,
  bytes: Uint8Array,
  findKey: (name: KeyName) => ContentKey | undefined,
): Promise<WhisperVerdict> {
  const read = readWhisper(bytes);
  if (read === undefined) return { kind: "forged", reason: "malformed" };
  const { header, voice, ciphertext, opened, signed, signature } = read;
  const { keyId, epoch } = header.keyName;
  const content = findKey(header.keyName);
  if (content === undefined) return { kind: "no-key" };
  const isSigned = await crypto.verify(idToBytes(header.sender), signature, preimageOf(place, signed));
  if (!isSigned) return { kind: "forged", reason: "signature" };
  const key = await whisperKey(crypto, { ...place, keyId, epoch, voice, sender: header.sender }, content.key);
  const padded = await crypto.decrypt(key, nonceOf(header.number), ciphertext, opened);
  const plaintext = padded && unpad(padded);
  const saying = plaintext && decodeSaying(plaintext);
  return saying === undefined ? { kind: "forged", reason: "sealed" } : { kind: "opened", header, saying };
}

interface ReadWhisper {
  readonly header: WhisperHeader;
  readonly voice: Uint8Array;
  readonly ciphertext: Uint8Array;
  /** everything before the ciphertext */
  readonly opened: Uint8Array;
  /** everything before the signature */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

function readWhisper(bytes: Uint8Array): ReadWhisper | undefined {
  if (bytes.length > whisperLimits.bytes) return undefined;
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version) reader.fail("version");
  const keyId = reader.fixed(16);
  const epoch = reader.u32();
  const fingerprint = reader.fixed(8);
  const sender = reader.fixed(32);
  const voice = reader.fixed(voiceBytes);
  const number = reader.varint();
  if (number === 0) reader.fail("number");
  const saidAtMs = reader.u64();
  const opened = bytes.subarray(0, reader.offset);
  const ciphertext = reader.sized(whisperLimits.bytes);
  if (ciphertext.length < tagBytes) reader.fail("ciphertext");
  const signed = bytes.subarray(0, reader.offset);
  const signature = reader.fixed(signatureBytes);
  if (!reader.finish()) return undefined;
  const keyName: KeyName = { keyId: bytesToId("KeyId", keyId), epoch, fingerprint };
  const header = {
    keyName,
    sender: bytesToId("AuthorKey", sender),
    voice: bytesToHex(voice),
    number,
    saidAtMs,
  };
  return { header, voice, ciphertext, opened, signed, signature };
}

interface KeyPlace extends WhisperPlace, Pick<KeyName, "keyId" | "epoch"> {
  readonly sender: AuthorKey;
  readonly voice: Uint8Array;
}

async function whisperKey(
  crypto: Pick<Crypto, "derive" | "importCipherKey">,
  { tenantId, dbId, keyId, epoch, sender, voice }: KeyPlace,
  content: Key,
): Promise<Key> {
  const info = new ByteWriter(160)
    .text("coffer/whisper/v1")
    .sized(idToBytes(keyId))
    .sized(new ByteWriter(4).u32(epoch).toBytes())
    .sized(idToBytes(tenantId))
    .sized(idToBytes(dbId))
    .sized(idToBytes(sender))
    .toBytes();
  const secret = await crypto.derive(content, voice, info, 32);
  const key = await crypto.importCipherKey(secret);
  secret.fill(0);
  return key;
}

function nonceOf(number: number): Uint8Array {
  return new ByteWriter(12).u32(0).u64(number).toBytes();
}

function preimageOf({ tenantId, dbId }: WhisperPlace, signed: Uint8Array): Uint8Array {
  return new ByteWriter(signed.length + 80)
    .fixed(domain)
    .fixed(idToBytes(tenantId), 32)
    .fixed(idToBytes(dbId), 16)
    .fixed(signed)
    .toBytes();
}

function encodeSaying({ kind, name, value }: Saying): Uint8Array {
  const text = JSON.stringify(kind === "state" || kind === "broadcast" ? (value ?? null) : null);
  const isShort =
    utf8ToBytes(text).length <= whisperLimits.valueBytes &&
    utf8ToBytes(name).length <= whisperLimits.nameBytes;
  if (!isShort) throw new CofferError("input/too-large", { maxBytes: whisperLimits.valueBytes });
  return new ByteWriter()
    .u8(kinds.indexOf(kind))
    .text(kind === "broadcast" ? name : "")
    .text(text)
    .toBytes();
}

function decodeSaying(bytes: Uint8Array): Saying | undefined {
  const reader = new ByteReader(bytes);
  const kind = kinds[reader.u8()];
  const name = reader.text(whisperLimits.nameBytes);
  const text = reader.text(whisperLimits.valueBytes);
  if (!reader.finish() || kind === undefined || (name !== "" && kind !== "broadcast")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return kind === "state" || kind === "broadcast" || value === null ? { kind, name, value } : undefined;
  } catch {
    return undefined;
  }
}
