/** What the tests of the fold share: a tenant whose people, commits and databases are named by words. */
import { createWebCrypto } from "../crypto/index.ts";
import type { Commit, CommitHeader } from "../entry/index.ts";
import {
  bytesToId,
  utf8ToBytes,
  type AuthorKey,
  type CommitHash,
  type DbId,
  type TenantId,
} from "../std/index.ts";
import { createDirectory, type DirectoryRecord } from "./index.ts";

/** What checks and hashes. */
export const crypto = createWebCrypto();
/** 32 bytes of a word. */
export const bytesOf = (text: string): Uint8Array => crypto.sha256(utf8ToBytes(text));
/** The key of somebody. */
export const keyOf = (name: string): AuthorKey => bytesToId("AuthorKey", bytesOf(`user ${name}`));
/** The hash of a commit. */
export const hashOf = (name: string): CommitHash => bytesToId("CommitHash", bytesOf(`commit ${name}`));
/** A database by its name. */
export const dbOf = (name: string): DbId => bytesToId("DbId", bytesOf(`db ${name}`).subarray(0, 16));
/** The tenant of these tests. */
export const tenantId: TenantId = bytesToId("TenantId", bytesOf("tenant"));
/** Its admin. */
export const admin = keyOf("admin");
/** Its directory before the first commit. */
export const empty = createDirectory(crypto, tenantId, admin);
/** One of its databases. */
export const contacts = dbOf("contacts");

/** A commit that the admin signed, outside the directory if nothing is said. */
export function commitOf(
  name: string,
  header: Partial<CommitHeader>,
  entryTypes: readonly string[] = ["directory_record"],
): Commit {
  const zero = new Uint8Array(32);
  const entries = entryTypes.map((entryType, index) => ({
    entryHash: bytesToId("EntryHash", bytesOf(`${name} ${index}`)),
    header: {
      entryType,
      docId: "",
      dependencies: [],
      keyIndex: 0,
      docCounter: 0,
      ciphertextSizeBytes: 0,
      ciphertextHash: zero,
    },
  })) as unknown as Commit["entries"];
  return {
    commitHash: hashOf(name),
    header: {
      suite: 1,
      tenantId,
      dbId: contacts,
      author: admin,
      writerNonce: zero.subarray(16),
      writerSeq: 1,
      predecessors: [],
      directoryHead: undefined,
      seen: { logKeyId: zero.subarray(24), epoch: 0, size: 0, rootPrefix: zero.subarray(16) },
      createdAtMs: 0,
      salt: zero,
      keys: [],
      entryHashes: [],
      ...header,
    },
    entries,
    signature: new Uint8Array(64),
    bytes: new Uint8Array(0),
  };
}

/** A grant; every device of a person asks under the person's name. */
export const grant = (name: string, person = name): DirectoryRecord => ({
  kind: "grantaccess",
  userKey: keyOf(name),
  encryptionKey: bytesOf(`encryption ${name}`),
  nameHash: bytesOf(`name ${person}`),
});

/** A card. */
export const card = (name: string, userName = name): DirectoryRecord => ({
  kind: "membercard",
  userKey: keyOf(name),
  userName,
});
