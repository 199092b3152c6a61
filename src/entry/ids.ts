/**
 * What identifies things, as hashes. Every preimage begins with its domain and a zero byte, and all other
 * fields but the last have fixed sizes.
 *
 * | id | kept | of | domain | fields |
 * |---|---|---|---|---|
 * | document | 16 bytes | SHA-256 | coffer/doc/v1 | tenantId, dbId, keyId, author, writerNonce, u64 counter |
 * | Automerge actor | 16 bytes | SHA-256 | coffer/actor/v1 | author, writerNonce, docId |
 * | database, key, group | 16 bytes | HMAC, names key | coffer/name/v1 | u8 kind (1 database, 2 key, 3 group), name (NFKC) |
 * | directory's database | 16 bytes | SHA-256 | coffer/directory/v1 | tenantId |
 * | key fingerprint | 8 bytes | SHA-256 | coffer/key/v1 | key bytes(32) |
 * | dependencies' fingerprint | 4 bytes | SHA-256 | coffer/deps/v1 | entry hashes(32 each), sorted |
 */
import {
  assert,
  bytesToHex,
  bytesToId,
  concatBytes,
  equalBytes,
  idToBytes,
  utf8ToBytes,
  type AuthorKey,
  type DbId,
  type DocId,
  type EntryHash,
  type EntryId,
  type GroupId,
  type KeyId,
  type TenantId,
} from "../std/index.ts";
import type { Crypto, Verifier } from "../crypto/index.ts";
import type { ContentKey, DocName, DocOrigin, EntryHeader } from "./entry.ts";

const docDomain = utf8ToBytes("coffer/doc/v1\0");
const actorDomain = utf8ToBytes("coffer/actor/v1\0");
const nameDomain = utf8ToBytes("coffer/name/v1\0");
const logDomain = utf8ToBytes("coffer/log/v1\0");
const directoryDomain = utf8ToBytes("coffer/directory/v1\0");
const keyDomain = utf8ToBytes("coffer/key/v1\0");
const dependenciesDomain = utf8ToBytes("coffer/deps/v1\0");

/** Derive a document's id. Its key is part of it, so a document can never slide to a weaker key. */
export function deriveDocId(crypto: Pick<Verifier, "sha256">, origin: DocOrigin): DocId {
  const derived = createDocIdDerivation(crypto, origin)(idToBytes(origin.keyId), origin.docCounter);
  return bytesToId("DocId", derived);
}

/** Prepare to derive the ids of many documents of one writer: 16 bytes for a key id and counter. */
export function createDocIdDerivation(
  crypto: Pick<Verifier, "sha256">,
  writer: Omit<DocOrigin, "keyId" | "docCounter">,
): (keyId: Uint8Array, docCounter: number) => Uint8Array {
  const start = concatBytes(docDomain, idToBytes(writer.tenantId), idToBytes(writer.dbId));
  const end = concatBytes(idToBytes(writer.author), writer.writerNonce);
  assert(writer.writerNonce.length === 16, "ids: a writer nonce has 16 bytes");
  const preimage = concatBytes(start, new Uint8Array(16), end, new Uint8Array(8));
  const counter = new DataView(preimage.buffer, preimage.length - 8);
  return (keyId, docCounter) => {
    assert(keyId.length === 16, "ids: a key id has 16 bytes");
    assert(Number.isSafeInteger(docCounter) && docCounter >= 0, "ids: a counter");
    preimage.set(keyId, start.length);
    counter.setUint32(0, Math.floor(docCounter / 0x1_0000_0000));
    counter.setUint32(4, docCounter % 0x1_0000_0000);
    return crypto.sha256(preimage).subarray(0, 16);
  };
}

/** Derive the Automerge actor that a writer uses in one document: 32 hex digits. */
export function deriveActorId(
  crypto: Pick<Verifier, "sha256">,
  writer: { readonly author: AuthorKey; readonly writerNonce: Uint8Array; readonly docId: DocId },
): string {
  return createActorDerivation(crypto, writer)(idToBytes(writer.docId));
}

/** Prepare to derive the actors of one writer in many documents: 32 hex digits for the bytes of a document's id. */
export function createActorDerivation(
  crypto: Pick<Verifier, "sha256">,
  writer: { readonly author: AuthorKey; readonly writerNonce: Uint8Array },
): (docId: Uint8Array) => string {
  const start = concatBytes(actorDomain, idToBytes(writer.author), writer.writerNonce);
  const preimage = concatBytes(start, new Uint8Array(16));
  return (docId) => {
    preimage.set(docId, start.length);
    return bytesToHex(crypto.sha256(preimage).subarray(0, 16));
  };
}

const madeNames = new WeakSet<DocName>();

/** Prepare to name many new documents of one writer under one key: the id of each, and the actor that creates it. */
export function createDocNaming(
  crypto: Pick<Verifier, "sha256">,
  origin: Omit<DocOrigin, "docCounter">,
): (docCounter: number) => DocName {
  const keyId = idToBytes(origin.keyId);
  const own = { ...origin, writerNonce: origin.writerNonce.slice() };
  const deriveId = createDocIdDerivation(crypto, own);
  const deriveActor = createActorDerivation(crypto, own);
  return (docCounter) => {
    const docId = deriveId(keyId, docCounter);
    const name = { origin: own, docCounter, docId: bytesToId("DocId", docId), actor: deriveActor(docId) };
    madeNames.add(name);
    return name;
  };
}

/** Tell whether a name was derived, and from this origin. */
export function isNameFrom(name: DocName, origin: DocOrigin): boolean {
  const { tenantId, dbId, keyId, author, writerNonce } = name.origin;
  return (
    madeNames.has(name) &&
    name.docCounter === origin.docCounter &&
    tenantId === origin.tenantId &&
    dbId === origin.dbId &&
    keyId === origin.keyId &&
    author === origin.author &&
    equalBytes(writerNonce, origin.writerNonce)
  );
}

/*
 * Automerge's isolated form of an actor, which `changeAt` behind one's own last change yields: a magic
 * number, the level of concurrency (from 1, shortest LEB128), the actor.
 */
const isolatedPrefix = /^13b22309(?:[89a-f][0-9a-f]){0,4}(?!00)[0-7][0-9a-f]$/;

/** Tell whether an actor is the expected one, or Automerge's isolated form of it. */
export function isActorOf(actorHex: string, expectedHex: string): boolean {
  if (actorHex === expectedHex) return true;
  if (!actorHex.endsWith(expectedHex)) return false;
  return isolatedPrefix.test(actorHex.slice(0, actorHex.length - expectedHex.length));
}

/** Write an entry's id: `<docId>_d_<dependencies' fingerprint, 8 hex digits>_<entryHash>`. */
export function entryIdOf(
  crypto: Pick<Verifier, "sha256">,
  header: EntryHeader,
  entryHash: EntryHash,
): EntryId {
  const fingerprint = crypto.sha256(dependenciesDomain, ...header.dependencies.map(idToBytes)).subarray(0, 4);
  return `${header.docId}_d_${bytesToHex(fingerprint)}_${entryHash}` as EntryId;
}

/** Name a key by its bytes: 8 bytes. */
export function keyFingerprint(
  crypto: Pick<Verifier, "sha256">,
  secret: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return crypto.sha256(keyDomain, secret).slice(0, 8);
}

/** Make a content key that can be used and not read from 32 secret bytes, which the caller then forgets. */
export async function createContentKey(
  crypto: Pick<Crypto, "sha256" | "importDerivationKey">,
  named: { readonly keyId: KeyId; readonly epoch: number; readonly secret: Uint8Array },
): Promise<ContentKey> {
  const { keyId, epoch, secret } = named;
  return {
    keyId,
    epoch,
    fingerprint: keyFingerprint(crypto, secret),
    key: await crypto.importDerivationKey(secret),
  };
}

const nameKinds = { db: ["DbId", 1], key: ["KeyId", 2], group: ["GroupId", 3] } as const;

/** Derive the opaque id that a name has on the wire; two devices that use one name offline meet in it. */
export function deriveNameId(
  crypto: Pick<Crypto, "hmacSha256">,
  namesKey: Uint8Array,
  kind: "db",
  name: string,
): DbId;
export function deriveNameId(
  crypto: Pick<Crypto, "hmacSha256">,
  namesKey: Uint8Array,
  kind: "key",
  name: string,
): KeyId;
export function deriveNameId(
  crypto: Pick<Crypto, "hmacSha256">,
  namesKey: Uint8Array,
  kind: "group",
  name: string,
): GroupId;
export function deriveNameId(
  crypto: Pick<Crypto, "hmacSha256">,
  namesKey: Uint8Array,
  kind: keyof typeof nameKinds,
  name: string,
): DbId | KeyId | GroupId {
  const [idKind, byte] = nameKinds[kind];
  const kindByte = new Uint8Array([byte]);
  const mac = crypto.hmacSha256(namesKey, nameDomain, kindByte, utf8ToBytes(name.normalize("NFKC")));
  return bytesToId(idKind, mac.subarray(0, 16));
}

/** What members call the logs of a server by, 8 bytes: nobody else can tell whose they are. `serverKey`: 32 bytes. */
export function deriveLogKeyId(
  crypto: Pick<Crypto, "hmacSha256">,
  namesKey: Uint8Array,
  serverKey: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return crypto.hmacSha256(namesKey, logDomain, serverKey).slice(0, 8);
}

/** The id of the database that holds a tenant's directory. */
export function directoryDbId(crypto: Pick<Verifier, "sha256">, tenantId: TenantId): DbId {
  return bytesToId("DbId", crypto.sha256(directoryDomain, idToBytes(tenantId)).subarray(0, 16));
}
