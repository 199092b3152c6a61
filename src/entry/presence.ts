/** How much of a commit is there, and making one of two copies that lack different things. */
import { encodeCommit } from "./codec.ts";
import { entryLimits, type Commit, type CommitEntry, type EntryHeader } from "./entry.ts";

/** `whole`; `partial`: every header, but not every ciphertext; `bare`: not every header. */
export type Presence = "whole" | "partial" | "bare";

/** Tell how much of a commit is there. An attachment chunk is there with its header: its ciphertext travels apart. */
export function presenceOf({ entries }: Pick<Commit, "entries">): Presence {
  if (entries.every(({ ciphertext, header }) => ciphertext !== undefined || isChunk(header))) return "whole";
  return entries.every(({ header }) => header !== undefined) ? "partial" : "bare";
}

/**
 * Put into a copy of a commit what another copy of the same commit has beyond it. The signature of the held one stays: either is the
 * author's, over the same bytes.
 *
 * The ciphertext of an attachment chunk is taken from nobody: it is kept apart.
 *
 * @param isWanted whether the ciphertext of an entry with this header is to be taken
 * @returns the filled copy's bytes; `undefined` when the other has nothing more, or when both together are over the limit of a
 *   commit, which only its author can bring about
 */
export function fillCommit(
  held: Commit,
  brought: Pick<Commit, "entries">,
  isWanted: (header: EntryHeader) => boolean = () => true,
): Uint8Array<ArrayBuffer> | undefined {
  let isFilled = false;
  const entries = held.entries.map((entry, index) => {
    const other = brought.entries[index];
    if (other?.header === undefined || partsOf(other) <= partsOf(entry) || !isWanted(other.header))
      return entry;
    if (isChunk(other.header)) {
      if (entry.header !== undefined) return entry;
      isFilled = true;
      return { entryHash: other.entryHash, header: other.header };
    }
    isFilled = true;
    return other;
  });
  if (!isFilled) return undefined;
  const bytes = encodeCommit({ ...held, entries });
  return bytes.length > entryLimits.commitBytes ? undefined : bytes;
}

/**
 * Leave the ciphertexts of some entries out of a commit; its hash and signature cover their headers, so it verifies as before.
 *
 * @param isMeant whether what an entry with this header holds is to go
 * @returns the bytes that are left; `undefined` when it holds nothing of that
 */
export function eraseEntries(
  commit: Commit,
  isMeant: (header: EntryHeader) => boolean,
): Uint8Array<ArrayBuffer> | undefined {
  let isErased = false;
  const entries = commit.entries.map((entry): CommitEntry => {
    const { ciphertext, entryHash, header } = entry;
    if (ciphertext === undefined || header === undefined || !isMeant(header)) return entry;
    isErased = true;
    return { entryHash, header };
  });
  return isErased ? encodeCommit({ ...commit, entries }) : undefined;
}

function isChunk(header: EntryHeader | undefined): boolean {
  return header?.entryType === "attachment_chunk";
}

function partsOf({ header, ciphertext }: CommitEntry): number {
  if (header === undefined) return 0;
  return ciphertext === undefined ? 1 : 2;
}
