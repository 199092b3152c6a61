/** Opening: from a verified commit back to plaintext, with exactly the keys that its header names. */
import { assert, equalBytesConstantTime, idToBytes } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import { additionalDataOf, contextOf, encodeKeyName } from "./codec.ts";
import type { Commit, CommittedKey, ContentKey, KeyName, OpenVerdict } from "./entry.ts";
import { unpad } from "./padding.ts";
import { deriveSealingKey, nonceOf, type SealingKey } from "./sealing-key.ts";

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
  return openSome(crypto, commit, { findKey, indexes: [...commit.entries.keys()] });
}

/** Open one entry of a verified commit, as {@link openEntries} does. */
export async function openEntry(
  crypto: Opening,
  commit: Commit,
  entryIndex: number,
  findKey: FindKey,
): Promise<OpenVerdict> {
  const [verdict] = await openSome(crypto, commit, { findKey, indexes: [entryIndex] });
  assert(verdict !== undefined, "entry: one entry, one verdict");
  return verdict;
}

async function openSome(
  crypto: Opening,
  commit: Commit,
  which: { readonly findKey: FindKey; readonly indexes: readonly number[] },
): Promise<readonly OpenVerdict[]> {
  const context = contextOf(crypto, commit.header);
  const keys = new Map<number, Promise<SealingKey | OpenVerdict>>();
  return Promise.all(
    which.indexes.map(async (index): Promise<OpenVerdict> => {
      const entry = commit.entries[index];
      assert(entry !== undefined, "entry: the index is one of the commit's");
      const { header, ciphertext } = entry;
      if (header === undefined || ciphertext === undefined) return { kind: "absent" };
      const named = commit.header.keys[header.keyIndex];
      assert(named !== undefined, "entry: a verified entry's key is one of the commit's");
      const opened = keys.get(header.keyIndex) ?? openKey(crypto, commit.header.salt, named, which.findKey);
      keys.set(header.keyIndex, opened);
      const key = await opened;
      if ("kind" in key) return key;
      const additionalData = additionalDataOf(context, index, {
        ...header,
        docId: idToBytes(header.docId),
        keyName: encodeKeyName(named),
        dependencies: header.dependencies.map(idToBytes),
      });
      const padded = await crypto.decrypt(key.cipherKey, nonceOf(index), ciphertext, additionalData);
      if (padded === undefined) return { kind: "forged", reason: "ciphertext" };
      const plaintext = unpad(padded);
      return plaintext === undefined ? { kind: "forged", reason: "padding" } : { kind: "opened", plaintext };
    }),
  );
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
