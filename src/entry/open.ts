/** Opening: from a verified commit back to plaintext, with exactly the keys that its header names. */
import { assert, equalBytesConstantTime, idToBytes } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import { additionalDataOf, additionalDataSizeBytes, contextOf, encodeKeyName } from "./codec.ts";
import type { Commit, CommittedKey, ContentKey, KeyName, OpenVerdict } from "./entry.ts";
import { unpad } from "./padding.ts";
import { deriveSealingKey, deriveSealingSecret, nonceOf, type SealingKey } from "./sealing-key.ts";

type Opening = Pick<Crypto, "sha256" | "derive" | "importCipherKey" | "decrypt">;
/** Finds a content key by its whole name. */
export type FindKey = (name: KeyName) => ContentKey | undefined;

/**
 * Open all entries of a verified commit, in order. Each key is derived once; no key is ever tried, only
 * looked up.
 *
 * Plaintexts are views of memory of their own. Damaged or foreign bytes give a verdict, never an error.
 */
export async function openEntries(
  crypto: Opening,
  commit: Commit,
  findKey: FindKey,
): Promise<readonly OpenVerdict[]> {
  const openKeyOf = (named: CommittedKey): Promise<SealingKey | OpenVerdict> =>
    openKey(crypto, commit.header.salt, named, findKey);
  return openSome(crypto, commit, { openKeyOf, indexes: [...commit.entries.keys()] });
}

/**
 * Open what keys of this one commit open, as `discloseKey` gave them, by their index in its header. That they are derived from the content
 * key cannot be told without it: what a key opens is what the author sealed, unless the author made up the ciphertext for two keys.
 */
export async function openDisclosed(
  crypto: Pick<Opening, "sha256" | "importCipherKey" | "decrypt">,
  commit: Commit,
  keys: ReadonlyMap<number, Uint8Array>,
): Promise<readonly OpenVerdict[]> {
  const openKeyOf = async (named: CommittedKey): Promise<SealingKey | OpenVerdict> => {
    const secret = keys.get(commit.header.keys.indexOf(named));
    if (secret === undefined) return { kind: "no-key", key: named };
    return { cipherKey: await crypto.importCipherKey(secret), commitment: named.commitment };
  };
  return openSome(crypto, commit, { openKeyOf, indexes: [...commit.entries.keys()] });
}

/**
 * The key that opens what one commit holds under one content key, and nothing else: 32 bytes.
 *
 * @returns `undefined` when the content key is not the one that the commit names
 */
export async function discloseKey(
  crypto: Pick<Crypto, "derive">,
  commit: Commit,
  keyIndex: number,
  findKey: FindKey,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const named = commit.header.keys[keyIndex];
  const content = named === undefined ? undefined : findKey(named);
  if (named === undefined || content === undefined) return undefined;
  const { commitment, secret } = await deriveSealingSecret(crypto, content, commit.header.salt);
  if (equalBytesConstantTime(commitment, named.commitment)) return secret;
  secret.fill(0);
  return undefined;
}

/** Open one entry of a verified commit, as {@link openEntries} does. */
export async function openEntry(
  crypto: Opening,
  commit: Commit,
  entryIndex: number,
  findKey: FindKey,
): Promise<OpenVerdict> {
  const openKeyOf = (named: CommittedKey): Promise<SealingKey | OpenVerdict> =>
    openKey(crypto, commit.header.salt, named, findKey);
  const [verdict] = await openSome(crypto, commit, { openKeyOf, indexes: [entryIndex] });
  assert(verdict !== undefined, "entry: one entry, one verdict");
  return verdict;
}

/** What opens the entries under one of a commit's keys. */
interface OpenedKey {
  /** made by {@link encodeKeyName} */
  readonly name: Uint8Array;
  /** or why there is none */
  readonly sealing: SealingKey | OpenVerdict;
}

async function openSome(
  crypto: Pick<Opening, "sha256" | "decrypt">,
  commit: Commit,
  which: {
    readonly openKeyOf: (named: CommittedKey) => Promise<SealingKey | OpenVerdict>;
    readonly indexes: readonly number[];
  },
): Promise<readonly OpenVerdict[]> {
  const keys = await openKeys(commit, which);
  const context = contextOf(crypto, commit.header);
  let roomBytes = 0;
  for (const index of which.indexes)
    roomBytes += additionalDataSizeBytes(commit.entries[index]?.header?.dependencies.length ?? 0);
  // One memory for all of them: hundreds of small ones cost more than what is written there.
  const room = new Uint8Array(roomBytes);
  let roomOffset = 0;
  const opening = which.indexes.map((index): Promise<OpenVerdict> => {
    const entry = commit.entries[index];
    assert(entry !== undefined, "entry: the index is one of the commit's");
    const { header, ciphertext } = entry;
    if (header === undefined || ciphertext === undefined) return Promise.resolve({ kind: "absent" });
    const key = keys.get(header.keyIndex);
    assert(key !== undefined, "entry: a verified entry's key is one of the commit's");
    if ("kind" in key.sealing) return Promise.resolve(key.sealing);
    const start = roomOffset;
    roomOffset += additionalDataSizeBytes(header.dependencies.length);
    const fields = {
      ...header,
      docId: idToBytes(header.docId),
      keyName: key.name,
      dependencies: header.dependencies.map(idToBytes),
    };
    const additionalData = additionalDataOf(context, index, fields, room.subarray(start, roomOffset));
    return crypto.decrypt(key.sealing.cipherKey, nonceOf(index), ciphertext, additionalData).then(verdictOf);
  });
  return Promise.all(opening);
}

/** Open the keys that some entries with ciphertexts are sealed under, each once. */
async function openKeys(
  commit: Commit,
  which: Parameters<typeof openSome>[2],
): Promise<ReadonlyMap<number, OpenedKey>> {
  const keyIndexes = new Set<number>();
  for (const index of which.indexes) {
    const entry = commit.entries[index];
    if (entry?.header !== undefined && entry.ciphertext !== undefined) keyIndexes.add(entry.header.keyIndex);
  }
  const opening = [...keyIndexes].map(async (keyIndex): Promise<[number, OpenedKey]> => {
    const named = commit.header.keys[keyIndex];
    assert(named !== undefined, "entry: a verified entry's key is one of the commit's");
    return [keyIndex, { name: encodeKeyName(named), sealing: await which.openKeyOf(named) }];
  });
  return new Map(await Promise.all(opening));
}

function verdictOf(padded: Uint8Array | undefined): OpenVerdict {
  if (padded === undefined) return { kind: "forged", reason: "ciphertext" };
  const plaintext = unpad(padded);
  return plaintext === undefined ? { kind: "forged", reason: "padding" } : { kind: "opened", plaintext };
}

/** Find and derive a key, and compare its commitment before anything is decrypted with it. */
async function openKey(
  crypto: Opening,
  salt: Uint8Array,
  named: CommittedKey,
  findKey: FindKey,
): Promise<SealingKey | OpenVerdict> {
  const { keyId, epoch, fingerprint, commitment } = named;
  const content = findKey({ keyId, epoch, fingerprint });
  if (content === undefined) return { kind: "no-key", key: { keyId, epoch, fingerprint } };
  const sealing = await deriveSealingKey(crypto, content, salt);
  if (equalBytesConstantTime(sealing.commitment, commitment)) return sealing;
  return { kind: "forged", reason: "commitment" };
}
