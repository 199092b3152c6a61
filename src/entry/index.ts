/**
 * entry: the sealed unit. Commits as canonical bytes, their ids and hashes; seal, verify, open.
 *
 * Guarantees
 * - E1 every byte of a commit is bound by its signature: what verifies is what the author sealed
 * - E2 one commit, one form for each choice of which entries are present; the commit hash is the same for all
 *      of them
 * - E3 an entry opens only in its own commit, at its own place, under the key its header names: moved,
 *      relabelled or re-signed ciphertext does not open
 * - E4 judging untrusted bytes never throws and takes time and memory in proportion to them, at most 1 MiB
 * - E5 a writer never signs what a reader would refuse for its size
 * - E6 `verifyCommit` and `parseCommit` reach no code that decrypts
 * - E7 an attachment chunk's ciphertext travels apart where its writer says so: a commit is whole with its header
 * - E8 a chunk that is sealed by its content is the same for the same plaintext, under one content key of one tenant and nowhere else; it
 *      opens wherever a commit names its hash
 *
 * It knows no rights, no directory and no documents: whether an author may write is judged above it.
 */
export {
  entryLimits,
  entryTypes,
  type Commit,
  type CommitDraft,
  type CommitEntry,
  type CommitHeader,
  type CommitVerdict,
  type CommittedKey,
  type ContentKey,
  type DocName,
  type DocOrigin,
  type EntryDraft,
  type EntryHeader,
  type EntryType,
  type KeyName,
  type OpenVerdict,
  type SeenHead,
} from "./entry.ts";
export { commitSuite, commitVersion, encodeCommit, noSeenHead } from "./codec.ts";
export {
  createContentKey,
  createDocNaming,
  createActorDerivation,
  deriveActorId,
  deriveDocId,
  deriveLogKeyId,
  deriveNameId,
  directoryDbId,
  entryIdOf,
  isActorOf,
  keyFingerprint,
} from "./ids.ts";
export { contentSealedSizeBytes, createContentSealer, type ContentSealer } from "./content-seal.ts";
export { discloseKey, openDisclosed, openEntries, openEntry, type FindKey } from "./open.ts";
export { maxPlaintextBytes, paddedSizeBytes, padInto, sealedSizeBytes, unpad } from "./padding.ts";
export { eraseEntries, fillCommit, presenceOf, type Presence } from "./presence.ts";
export { sealCommit, type SealedCommit } from "./seal.ts";
export { prepareSealing, type PreparedSealing } from "./sealing-key.ts";
export { parseCommit, readCommitCore, verifyCommit } from "./verify.ts";
