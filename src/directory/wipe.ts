/**
 * How a device is told that it is to forget a tenant, also while it is locked: the entry of a wipe record has one dependency, made of the
 * user's key. The commit's signature covers it, and no key is needed to read it. See records.ts.
 */
import {
  bytesToId,
  idToBytes,
  utf8ToBytes,
  type AuthorKey,
  type DbId,
  type EntryHash,
} from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import type { Commit } from "../entry/index.ts";

const domain = utf8ToBytes("coffer/wipe/v1\0");

/** What the entry of a wipe record depends on. */
export function wipeMark(crypto: Pick<Verifier, "sha256">, userKey: AuthorKey): EntryHash {
  return bytesToId("EntryHash", crypto.sha256(domain, idToBytes(userKey)));
}

/** Tell whether a verified commit is the admin's word that a user's devices are to forget the tenant. */
export function isWipeOf(
  crypto: Pick<Verifier, "sha256">,
  { entries, header }: Commit,
  user: { readonly userKey: AuthorKey; readonly adminKey: AuthorKey; readonly directoryDbId: DbId },
): boolean {
  const mark = wipeMark(crypto, user.userKey);
  const isMarked = entries.some(
    (entry) => entry.header?.entryType === "directory_record" && entry.header.dependencies.includes(mark),
  );
  return header.author === user.adminKey && header.dbId === user.directoryDbId && isMarked;
}
