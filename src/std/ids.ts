/**
 * Opaque ids. In memory and in the API each is base64url text of fixed-size bytes; on the wire it is the bytes.
 *
 * | id | bytes | what it is |
 * |---|---|---|
 * | TenantId | 32 | SHA-256 of the genesis record |
 * | DbId | 16 | HMAC of the database's name under the tenant's names key, cut |
 * | KeyId | 16 | HMAC of the key's name under the tenant's names key, cut |
 * | GroupId | 16 | HMAC of the group's folded name under the tenant's names key, cut |
 * | DocId | 16 | SHA-256 over tenant, database, key, author, writer nonce and counter, cut |
 * | CommitHash | 32 | SHA-256 of the commit header |
 * | EntryHash | 32 | SHA-256 of context, index and entry header |
 * | AuthorKey | 32 | Ed25519 public key |
 */
import { bytesToBase64url, parseBase64url } from "./base64url.ts";
import { assert } from "./assert.ts";
import type { ByteReader } from "./codec.ts";

declare const brand: unique symbol;
type Opaque<Name extends string> = string & { readonly [brand]: Name };

export type TenantId = Opaque<"TenantId">;
export type DbId = Opaque<"DbId">;
export type KeyId = Opaque<"KeyId">;
export type GroupId = Opaque<"GroupId">;
export type DocId = Opaque<"DocId">;
export type CommitHash = Opaque<"CommitHash">;
export type EntryHash = Opaque<"EntryHash">;
export type AuthorKey = Opaque<"AuthorKey">;
/** `<docId>_d_<depsFingerprint>_<entryHash>` */
export type EntryId = Opaque<"EntryId">;

/** The kinds of fixed-size ids and their sizes in bytes. */
export const idSizes = {
  TenantId: 32,
  DbId: 16,
  KeyId: 16,
  GroupId: 16,
  DocId: 16,
  CommitHash: 32,
  EntryHash: 32,
  AuthorKey: 32,
} as const;

interface IdTypes {
  TenantId: TenantId;
  DbId: DbId;
  KeyId: KeyId;
  GroupId: GroupId;
  DocId: DocId;
  CommitHash: CommitHash;
  EntryHash: EntryHash;
  AuthorKey: AuthorKey;
}

/** Make an id from bytes of its size; the size is the caller's promise. */
export function bytesToId<Kind extends keyof IdTypes>(kind: Kind, bytes: Uint8Array): IdTypes[Kind] {
  assert(bytes.length === idSizes[kind], `ids: ${kind} has ${idSizes[kind]} bytes`);
  return bytesToBase64url(bytes) as IdTypes[Kind];
}

/** Read an id of a format. As with everything else that is read: behind the end it is zeros, and the reader keeps the error. */
export function readId<Kind extends keyof IdTypes>(reader: ByteReader, kind: Kind): IdTypes[Kind] {
  const bytes = reader.fixed(idSizes[kind]);
  return bytesToId(kind, reader.error === undefined ? bytes : new Uint8Array(idSizes[kind]));
}

/** Read an id from untrusted text; `undefined` when it is not canonical or has another size. */
export function parseId<Kind extends keyof IdTypes>(kind: Kind, text: unknown): IdTypes[Kind] | undefined {
  if (typeof text !== "string" || text.length > 64) return undefined;
  const bytes = parseBase64url(text);
  return bytes?.length === idSizes[kind] ? (text as IdTypes[Kind]) : undefined;
}

/** The bytes of an id. */
export function idToBytes(id: IdTypes[keyof IdTypes]): Uint8Array<ArrayBuffer> {
  const bytes = parseBase64url(id);
  assert(bytes !== undefined, "ids: an id is canonical base64url");
  return bytes;
}
