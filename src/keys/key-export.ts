/**
 * A named key as text that members hand to each other: `mdb://key/<base64url>`, sealed under a password, signed by who made it.
 *
 * | field | size |
 * |---|---|
 * | version, kind | see join-uri.ts |
 * | tenantId | 32 |
 * | author | 32, Ed25519 public key of the member who made it |
 * | createdAtMs | u64 |
 * | parameters | of the password, see kdf-codec.ts |
 * | sealed | sized box: nonce(12) ‖ ciphertext ‖ tag(16) under Argon2id(password, parameters); AAD "coffer/key-export/v1\0" ‖ all before it |
 * | signature | 64, by author |
 *
 * | inside | size |
 * |---|---|
 * | name | sized UTF-8, 1 … 256 bytes: what the key is called |
 * | keyCount, keys | see key-bag.ts, 1 … 200: the epochs of this one key |
 *
 * The password keeps it from whoever carries it; the signature keeps who knows the password from putting another key in its place.
 * Whether the author is a member, and whether the epochs are the directory's, is for the caller to judge.
 */
import {
  bytesToId,
  ByteReader,
  ByteWriter,
  CofferError,
  concatBytes,
  idToBytes,
  utf8ToBytes,
  type AuthorKey,
  type TenantId,
} from "../std/index.ts";
import type { Crypto, KdfParameters, Key } from "../crypto/index.ts";
import { openBox, sealBox } from "./box.ts";
import { invalidJoin, isSignedBy, joinKinds, joinVersion, readJoinUri, writeJoinUri } from "./join-uri.ts";
import { readKdfParameters, writeKdfParameters } from "./kdf-codec.ts";
import { encodeKeySecrets, readKeySecrets } from "./key-bag.ts";
import type { KeySecret, UnlockedIdentity } from "./keys.ts";
import { isName, maxNameBytes } from "./name.ts";
import { requireStrongPassword } from "./password.ts";

const sealDomain = utf8ToBytes("coffer/key-export/v1\0");
const maxKeys = 200;
const maxSealedBytes = 12 * 1024;

/** A named key with its epochs, as it stands in an export. */
export interface ExportedKey {
  readonly name: string;
  /** epochs of one key, at least one */
  readonly keys: readonly KeySecret[];
}

/** An export that was opened. */
export interface OpenedExport extends ExportedKey {
  /** who signed it */
  readonly author: AuthorKey;
  readonly createdAtMs: number;
}

/** What an export is made of. */
export interface ExportDraft extends ExportedKey {
  readonly identity: UnlockedIdentity;
  readonly tenantId: TenantId;
  readonly password: string;
  readonly nowMs: number;
}

/**
 * Write a key as `mdb://key/…`.
 *
 * @throws `input/weak-password`; `input/too-large` over 200 epochs
 */
export async function encodeKeyExport(crypto: Crypto, draft: ExportDraft): Promise<string> {
  const { identity, keys } = draft;
  requireStrongPassword(draft.password);
  if (keys.length > maxKeys) throw new CofferError("input/too-large", { keys: keys.length });
  const parameters = crypto.createKdfParameters();
  const writer = new ByteWriter()
    .u8(joinVersion)
    .u8(joinKinds.key.byte)
    .fixed(idToBytes(draft.tenantId), 32)
    .fixed(idToBytes(identity.publicIdentity.signingKey), 32)
    .u64(draft.nowMs);
  writeKdfParameters(writer, parameters);
  const bound = writer.toBytes();
  const secrets = encodeKeySecrets(keys);
  const plaintext = concatBytes(new ByteWriter().text(draft.name).toBytes(), secrets);
  secrets.fill(0);
  try {
    const key = await passwordKey(crypto, draft.password, parameters);
    writer.sized(await sealBox(crypto, key, plaintext, concatBytes(sealDomain, bound)));
  } finally {
    plaintext.fill(0);
  }
  return writeJoinUri(crypto, "key", writer.toBytes(), identity.signing.privateKey);
}

/**
 * Open an export from untrusted text. Everything that needs no password is judged before it is used.
 *
 * @throws `input/too-large`, `input/invalid` (also: of another tenant), `protocol/version`; `entry/forged` when its author did not
 *   sign it; `key/parameters`; `key/wrong-password`; `entry/corrupt` when what the author sealed cannot be read
 */
export async function openKeyExport(
  crypto: Crypto,
  uri: string,
  { tenantId, password }: { readonly tenantId: TenantId; readonly password: string },
): Promise<OpenedExport> {
  const message = readJoinUri("key", uri);
  const { reader, signed } = message;
  const tenantBytes = reader.fixed(32);
  const authorBytes = reader.fixed(32).slice();
  const createdAtMs = reader.u64();
  const parameters = readKdfParameters(reader);
  const bound = signed.subarray(0, reader.offset);
  const sealed = reader.sized(maxSealedBytes);
  if (!reader.finish()) throw invalidJoin("key", reader.error ?? "form");
  if (!(await isSignedBy(crypto, message, authorBytes)))
    throw new CofferError("entry/forged", { what: "key" });
  if (bytesToId("TenantId", tenantBytes) !== tenantId) throw invalidJoin("key", "other tenant");

  const key = await passwordKey(crypto, password, parameters);
  const plaintext = await openBox(crypto, key, sealed, concatBytes(sealDomain, bound));
  if (plaintext === undefined)
    throw new CofferError("key/wrong-password", {
      what: "key",
      message: "The password of this key is wrong.",
    });
  const exported = parseExported(plaintext);
  plaintext.fill(0);
  if (exported === undefined) throw new CofferError("entry/corrupt", { what: "key" });
  return { ...exported, author: bytesToId("AuthorKey", authorBytes), createdAtMs };
}

async function passwordKey(crypto: Crypto, password: string, parameters: KdfParameters): Promise<Key> {
  const secret = await crypto.deriveFromPassword(password, parameters);
  const key = await crypto.importCipherKey(secret);
  secret.fill(0);
  return key;
}

function parseExported(bytes: Uint8Array): ExportedKey | undefined {
  const reader = new ByteReader(bytes);
  const name = reader.text(maxNameBytes);
  const keys = readKeySecrets(reader, maxKeys);
  const isOne = keys.length > 0 && keys.every(({ keyId }) => keyId === keys[0]?.keyId);
  return reader.finish() && isName(name) && isOne ? { name, keys } : undefined;
}
