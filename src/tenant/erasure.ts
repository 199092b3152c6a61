/**
 * What an author erased: entries that nobody may ever bring, so that whoever lacks them waits for nothing.
 *
 * A `doc_purge` entry names, as its dependencies, entries of its own author that are gone from the device that wrote it; its document is
 * theirs, its plaintext is empty. Others keep what they have of them.
 *
 * ```
 *   an entry without its ciphertext ──► absent ──── named by a doc_purge of its author ────► purged: counted as settled
 *                                          └─────── the whole commit comes after all ─────────────┴────► judged as ever
 * ```
 *
 * Guarantees
 * - P1 only an author settles what is missing of their own: a server that takes ciphertexts out of commits is seen, whatever it sends
 * - P2 naming an entry twice, or one that is here, changes nothing
 * - P3 the order in which commit and naming come does not matter
 */
import type { AuthorKey, EntryHash } from "../std/index.ts";
import type { CommitEntry } from "../entry/index.ts";

/** An entry, as its author names it. */
export type ErasedName = `${AuthorKey}|${EntryHash}`;

/** What names an erased entry: another author's word says nothing of it. */
export function erasedName(author: AuthorKey, entryHash: EntryHash): ErasedName {
  return `${author}|${entryHash}`;
}

/** The entries that an entry names as erased; none for one of another type. */
export function erasedBy({ header }: CommitEntry): readonly EntryHash[] {
  return header?.entryType === "doc_purge" ? header.dependencies : [];
}
