/** Sealing: what one action wrote becomes one commit, encrypted entry by entry and signed once. */
import {
  assert,
  bytesToHex,
  bytesToId,
  CofferError,
  compareBytes,
  concatBytes,
  equalBytes,
  idToBytes,
  type CommitHash,
  type EntryHash,
} from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import {
  additionalDataOf,
  commitSuite,
  contextOf,
  encodeCore,
  encodeKeyName,
  encodeUnsigned,
  hashEntry,
  maxCreatedAtMs,
  noSeenHead,
  signatureBytes,
  signedBytesOf,
  type CommitCore,
} from "./codec.ts";
import {
  entryLimits,
  type Commit,
  type CommitDraft,
  type CommitEntry,
  type CommittedKey,
  type ContentKey,
  type EntryDraft,
} from "./entry.ts";
import { createDocIdDerivation } from "./ids.ts";
import { maxPlaintextBytes, pad, sealedSizeBytes, tagBytes } from "./padding.ts";
import { deriveSealingKey, nonceOf, type SealingKey } from "./sealing-key.ts";

/**
 * Seal a draft: encrypt each entry under a salt drawn for this call, then sign them all at once.
 *
 * Predecessors and dependencies may come in any order. Sealing the same draft again makes another commit;
 * whoever retries sends the first one's bytes.
 *
 * @throws `input/too-large` before anything is signed when a limit would be broken
 */
export async function sealCommit(crypto: Crypto, draft: CommitDraft): Promise<Commit> {
  checkDraft(draft);
  const salt = crypto.randomBytes(32);
  const keys = await deriveKeys(crypto, draft.entries, salt);
  const core: CommitCore = {
    suite: commitSuite,
    tenantId: draft.tenantId,
    dbId: draft.dbId,
    author: draft.author,
    writerNonce: draft.writerNonce,
    writerSeq: draft.writerSeq,
    predecessors: sortPredecessors(draft.predecessors),
    directoryHead: draft.directoryHead,
    seen: draft.seen ?? noSeenHead(),
    createdAtMs: draft.createdAtMs,
    salt,
    keys: keys.map(({ committed }) => committed),
  };
  const sealed = await sealEntries(crypto, { draft, core, keys });
  const entries = sealed.map(({ entry }) => entry);
  const coreBytes = encodeCore(core);
  const unsigned = encodeUnsigned(coreBytes, entries);
  checkSize(unsigned.length + signatureBytes);
  const signedBytes = signedBytesOf(
    coreBytes,
    sealed.map(({ hash }) => hash),
  );
  const signature = await crypto.sign(draft.signingKey, signedBytes);
  return {
    commitHash: bytesToId("CommitHash", crypto.sha256(signedBytes)),
    header: { ...core, entryHashes: entries.map(({ entryHash }) => entryHash) },
    entries,
    signature,
    bytes: concatBytes(unsigned, signature),
  };
}

function checkDraft(draft: CommitDraft): void {
  const { entries, predecessors, writerSeq, createdAtMs } = draft;
  assert(entries.length > 0, "entry: a commit has an entry");
  assert(Number.isSafeInteger(writerSeq) && writerSeq >= 1, "entry: writers count from 1");
  assert(writerSeq === 1 || predecessors.length === 1, "entry: one predecessor after the first commit");
  assert(
    Number.isInteger(createdAtMs) && createdAtMs >= 0 && createdAtMs <= maxCreatedAtMs,
    "entry: createdAt is a date",
  );
  checkCount("entries", entries.length, entryLimits.entriesPerCommit);
  checkCount("predecessors", predecessors.length, entryLimits.predecessors);
  let sizeBytes = 0;
  for (const { entryType, plaintext, dependencies } of entries) {
    checkCount("plaintext bytes", plaintext.length, maxPlaintextBytes(entryType));
    checkCount("dependencies", dependencies.length, entryLimits.dependencies);
    sizeBytes += sealedSizeBytes(plaintext.length);
  }
  checkSize(sizeBytes);
}

function checkSize(sizeBytes: number): void {
  checkCount("commit bytes", sizeBytes, entryLimits.commitBytes);
}

function checkCount(what: string, count: number, limit: number): void {
  if (count > limit) throw new CofferError("input/too-large", { what, count, limit });
}

function sortPredecessors(predecessors: readonly CommitHash[]): readonly CommitHash[] {
  return sortHashes(predecessors).map(({ id }) => id);
}

interface Hash<Id> {
  readonly id: Id;
  readonly bytes: Uint8Array;
}

function sortHashes<Id extends CommitHash | EntryHash>(ids: readonly Id[]): readonly Hash<Id>[] {
  const hashes = [...new Set(ids)].map((id) => ({ id, bytes: idToBytes(id) }));
  return hashes.sort((a, b) => compareBytes(a.bytes, b.bytes));
}

/** One key of the commit; several objects of a draft can hold the same key. */
interface CommitKey {
  readonly contents: ReadonlySet<ContentKey>;
  /** 16 bytes */
  readonly keyId: Uint8Array;
  readonly name: Uint8Array;
  readonly committed: CommittedKey;
  readonly sealing: SealingKey;
}

/** The distinct keys that entries use, in the order that the commit lists them. */
async function deriveKeys(
  crypto: Crypto,
  entries: readonly EntryDraft[],
  salt: Uint8Array,
): Promise<readonly CommitKey[]> {
  const groups = new Map<string, { readonly content: ContentKey; readonly contents: Set<ContentKey> }>();
  for (const content of new Set(entries.map(({ key }) => key))) {
    const name = bytesToHex(encodeKeyName(content));
    const group = groups.get(name) ?? { content, contents: new Set() };
    group.contents.add(content);
    groups.set(name, group);
  }
  checkCount("keys", groups.size, entryLimits.keysPerCommit);
  const keys = [...groups.values()].map(async ({ content, contents }) => {
    const { keyId, epoch, fingerprint } = content;
    const sealing = await deriveSealingKey(crypto, content, salt);
    const committed = { keyId, epoch, fingerprint, commitment: sealing.commitment };
    return { contents, keyId: idToBytes(keyId), name: encodeKeyName(content), committed, sealing };
  });
  return (await Promise.all(keys)).sort((a, b) => compareBytes(a.name, b.name));
}

interface SealedEntry {
  readonly entry: CommitEntry;
  readonly hash: Uint8Array;
}

interface SealingCommit {
  readonly context: Uint8Array;
  readonly keys: readonly CommitKey[];
  readonly deriveDocId: ReturnType<typeof createDocIdDerivation>;
  /** one for each entry begun so far, in order */
  readonly sealed: Promise<SealedEntry>[];
}

/** Seal all entries at once; one that depends on entries of this commit waits for their hashes. */
async function sealEntries(
  crypto: Crypto,
  parts: { readonly draft: CommitDraft; readonly core: CommitCore; readonly keys: readonly CommitKey[] },
): Promise<readonly SealedEntry[]> {
  const { draft, core, keys } = parts;
  const context = contextOf(crypto, core);
  const commit: SealingCommit = {
    context,
    keys,
    deriveDocId: createDocIdDerivation(crypto, core),
    sealed: [],
  };
  for (const entry of draft.entries) commit.sealed.push(sealEntry(crypto, commit, entry));
  return Promise.all(commit.sealed);
}

async function sealEntry(crypto: Crypto, commit: SealingCommit, draft: EntryDraft): Promise<SealedEntry> {
  const index = commit.sealed.length;
  const { entryType, docCounter = 0 } = draft;
  const keyIndex = commit.keys.findIndex(({ contents }) => contents.has(draft.key));
  const key = commit.keys[keyIndex];
  assert(key !== undefined, "entry: every key of the draft was derived");
  const docId = idToBytes(draft.docId);
  checkDocId(draft, docId, () => commit.deriveDocId(key.keyId, docCounter));
  const plaintext = pad(draft.plaintext);
  const ciphertextSizeBytes = plaintext.length + tagBytes;
  const dependencies =
    draft.dependencies.length === 0 ? [] : await resolveDependencies(draft, index, commit.sealed);
  const additionalData = additionalDataOf(commit.context, index, {
    entryType,
    docId,
    keyName: key.name,
    docCounter,
    dependencies: dependencies.map(({ bytes }) => bytes),
    ciphertextSizeBytes,
  });
  const ciphertext = await crypto.encrypt(key.sealing.cipherKey, nonceOf(index), plaintext, additionalData);
  assert(ciphertext.length === ciphertextSizeBytes, "entry: the ciphertext has the size that was bound");
  const ciphertextHash = crypto.sha256(ciphertext);
  const hash = hashEntry(crypto, additionalData, ciphertextHash);
  const header = {
    docId: draft.docId,
    entryType,
    dependencies: dependencies.map(({ id }) => id),
    keyIndex,
    docCounter,
    ciphertextSizeBytes,
    ciphertextHash,
  };
  return { entry: { entryHash: bytesToId("EntryHash", hash), header, ciphertext }, hash };
}

/** A document's id must be what readers will derive; otherwise the commit would be refused everywhere. */
function checkDocId(draft: EntryDraft, docId: Uint8Array, derive: () => Uint8Array): void {
  if (draft.entryType === "doc_create") {
    assert(equalBytes(docId, derive()), "entry: a new document's id is derived from its origin");
    return;
  }
  assert((draft.docCounter ?? 0) === 0, "entry: only doc_create has a counter");
  const isDirectory = draft.entryType === "directory_record";
  assert(!isDirectory || docId.every((byte) => byte === 0), "entry: a directory record has no document");
}

async function resolveDependencies(
  draft: EntryDraft,
  index: number,
  sealed: readonly Promise<SealedEntry>[],
): Promise<readonly Hash<EntryHash>[]> {
  const ids = draft.dependencies.map(async (dependency) => {
    if (typeof dependency === "string") return dependency;
    assert(dependency.index < index, "entry: a dependency in the same commit comes earlier");
    const earlier = await sealed[dependency.index];
    assert(earlier !== undefined, "entry: a dependency in the same commit exists");
    return earlier.entry.entryHash;
  });
  return sortHashes(await Promise.all(ids));
}
