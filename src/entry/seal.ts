/** Sealing: what one action wrote becomes one commit, encrypted entry by entry and signed once. */
import {
  assert,
  bytesToHex,
  bytesToId,
  CofferError,
  compareBytes,
  equalBytes,
  idToBytes,
  type CommitHash,
  type EntryHash,
} from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import {
  additionalDataOf,
  additionalDataSizeBytes,
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
  type EntryHeader,
} from "./entry.ts";
import { createDocIdDerivation, isNameFrom } from "./ids.ts";
import { maxPlaintextBytes, padInto, paddedSizeBytes, sealedSizeBytes, tagBytes } from "./padding.ts";
import { deriveSealingKey, nonceOf, saltBytes, type SealingKey } from "./sealing-key.ts";

/** A commit that was made here: its bytes are its own. What travels apart is among its entries, and not in its bytes. */
export interface SealedCommit extends Commit {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Seal a draft: encrypt each entry under a salt drawn for this call, then sign them all at once.
 *
 * Predecessors and dependencies may come in any order. Sealing the same draft again makes another commit;
 * whoever retries sends the first one's bytes.
 *
 * @param meanwhile called once when all entries are being encrypted: other threads are at work then, and this one is free
 * @throws `input/too-large` before anything is signed when a limit would be broken
 */
export async function sealCommit(
  crypto: Crypto,
  draft: CommitDraft,
  meanwhile?: () => void,
): Promise<SealedCommit> {
  checkDraft(draft);
  const { salt, keys } = await takeKeys(crypto, draft);
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
  const sealed = await sealEntries(crypto, { draft, core, keys, meanwhile });
  const entries = sealed.map(({ entry }) => entry);
  const coreBytes = encodeCore(core);
  const unsigned = encodeUnsigned(
    coreBytes,
    entries.map((entry, index) => travelling(entry, draft.entries[index])),
  );
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
    bytes: unsigned.fixed(signature, signatureBytes).toBytes(),
  };
}

/** What of an entry its commit's bytes hold. */
function travelling(entry: CommitEntry, draft: EntryDraft | undefined): CommitEntry {
  const { entryHash, header } = entry;
  return draft?.isApart === true && header !== undefined ? { entryHash, header } : entry;
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
  for (const { ciphertext, entryType, isApart = false, plaintext, dependencies } of entries) {
    assert(
      ciphertext === undefined || (isApart && plaintext.length === 0),
      "entry: what is sealed already is apart",
    );
    checkCount("ciphertext bytes", ciphertext?.length ?? 0, sealedSizeBytes(maxPlaintextBytes(entryType)));
    assert(!isApart || entryType === "attachment_chunk", "entry: chunks alone travel apart");
    checkCount("plaintext bytes", plaintext.length, maxPlaintextBytes(entryType));
    checkCount("dependencies", dependencies.length, entryLimits.dependencies);
    if (!isApart) sizeBytes += sealedSizeBytes(plaintext.length);
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

/** The salt of a commit and its keys: those that were prepared, where they are for its one content key. */
async function takeKeys(
  crypto: Crypto,
  { entries, prepared }: CommitDraft,
): Promise<{ readonly salt: Uint8Array; readonly keys: readonly CommitKey[] }> {
  const [only, ...others] = new Set(entries.map(({ key }) => key));
  const taken = only === undefined || others.length > 0 ? undefined : prepared?.take(only);
  if (only !== undefined && taken !== undefined)
    return { salt: taken.salt, keys: [commitKeyOf(only, new Set([only]), taken.sealing)] };
  const salt = crypto.randomBytes(saltBytes);
  return { salt, keys: await deriveKeys(crypto, entries, salt) };
}

function commitKeyOf(content: ContentKey, contents: ReadonlySet<ContentKey>, sealing: SealingKey): CommitKey {
  const { keyId, epoch, fingerprint } = content;
  const committed = { keyId, epoch, fingerprint, commitment: sealing.commitment };
  return { contents, keyId: idToBytes(keyId), name: encodeKeyName(content), committed, sealing };
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
  const keys = [...groups.values()].map(async ({ content, contents }) =>
    commitKeyOf(content, contents, await deriveSealingKey(crypto, content, salt)),
  );
  return (await Promise.all(keys)).sort((a, b) => compareBytes(a.name, b.name));
}

interface SealedEntry {
  readonly entry: CommitEntry;
  readonly hash: Uint8Array;
}

interface SealingCommit {
  readonly core: CommitCore;
  readonly context: Uint8Array;
  readonly keys: readonly CommitKey[];
  readonly deriveDocId: ReturnType<typeof createDocIdDerivation>;
  /** zeros that padded plaintexts and additional data take their room from */
  readonly arena: Uint8Array<ArrayBuffer>;
  arenaOffset: number;
  readonly sealed: SealedEntry[];
}

/** Seal the entries in order, as many at once as depend on none of those that are begun with them. */
async function sealEntries(
  crypto: Crypto,
  parts: {
    readonly draft: CommitDraft;
    readonly core: CommitCore;
    readonly keys: readonly CommitKey[];
    readonly meanwhile: (() => void) | undefined;
  },
): Promise<readonly SealedEntry[]> {
  const { draft, core, keys, meanwhile } = parts;
  const { entries } = draft;
  let arenaBytes = 0;
  for (const { plaintext, dependencies } of entries)
    arenaBytes += paddedSizeBytes(plaintext.length) + additionalDataSizeBytes(dependencies.length);
  const commit: SealingCommit = {
    core,
    context: contextOf(crypto, core),
    keys,
    deriveDocId: createDocIdDerivation(crypto, core),
    arena: new Uint8Array(arenaBytes),
    arenaOffset: 0,
    sealed: [],
  };
  while (commit.sealed.length < entries.length) {
    const from = commit.sealed.length;
    const begun: BegunEntry[] = [];
    for (let index = from; index < entries.length; index++) {
      const entry = entries[index];
      if (entry === undefined || dependsOn(entry, index) >= from) break;
      begun.push(beginEntry(crypto, commit, { draft: entry, index }));
    }
    const encrypting = Promise.all(begun.map(({ ciphertext }) => ciphertext));
    if (from + begun.length === entries.length) meanwhile?.();
    const ciphertexts = await encrypting;
    for (const [at, { additionalData, header }] of begun.entries()) {
      const ciphertext = ciphertexts[at] ?? noBytes;
      const isLarge = ciphertext.length >= largeBytes;
      const ciphertextHash = isLarge ? await crypto.digest(ciphertext) : crypto.sha256(ciphertext);
      commit.sealed.push(endEntry(crypto, { additionalData, header, ciphertext, ciphertextHash }));
    }
  }
  commit.arena.fill(0);
  return commit.sealed;
}

const noBytes = new Uint8Array(0);

/** From this size on a ciphertext is hashed by another thread: this one has the chunks before it to store. */
const largeBytes = 32 * 1024;

/** The last entry of the same commit that an entry depends on, -1 for none. */
function dependsOn({ dependencies }: EntryDraft, index: number): number {
  let last = -1;
  for (const dependency of dependencies) {
    if (typeof dependency === "string") continue;
    assert(dependency.index < index, "entry: a dependency in the same commit comes earlier");
    last = Math.max(last, dependency.index);
  }
  return last;
}

/** An entry that is being encrypted. */
interface BegunEntry {
  readonly additionalData: Uint8Array;
  readonly header: Omit<EntryHeader, "ciphertextHash">;
  readonly ciphertext: Promise<Uint8Array<ArrayBuffer>>;
}

function beginEntry(
  crypto: Crypto,
  commit: SealingCommit,
  { draft, index }: { readonly draft: EntryDraft; readonly index: number },
): BegunEntry {
  const { entryType, docCounter = 0 } = draft;
  const keyIndex = commit.keys.findIndex(({ contents }) => contents.has(draft.key));
  const key = commit.keys[keyIndex];
  assert(key !== undefined, "entry: every key of the draft was derived");
  const docId = idToBytes(draft.docId);
  checkDocId(commit, draft, { key, docId });
  const plaintext = takeRoom(commit, paddedSizeBytes(draft.plaintext.length));
  padInto(plaintext, draft.plaintext);
  const sealedAlready = draft.ciphertext;
  const dependencies = draft.dependencies.length === 0 ? [] : resolveDependencies(draft, commit.sealed);
  const header = {
    docId: draft.docId,
    entryType,
    dependencies: dependencies.map(({ id }) => id),
    keyIndex,
    docCounter,
    ciphertextSizeBytes: sealedAlready?.length ?? plaintext.length + tagBytes,
  };
  const fields = {
    entryType,
    docId,
    keyName: key.name,
    docCounter,
    dependencies: dependencies.map(({ bytes }) => bytes),
    ciphertextSizeBytes: header.ciphertextSizeBytes,
  };
  const room = takeRoom(commit, additionalDataSizeBytes(dependencies.length));
  const additionalData = additionalDataOf(commit.context, index, fields, room);
  const ciphertext =
    sealedAlready === undefined
      ? crypto.encrypt(key.sealing.cipherKey, nonceOf(index), plaintext, additionalData)
      : Promise.resolve(sealedAlready);
  return { additionalData, header, ciphertext };
}

function takeRoom(commit: SealingCommit, sizeBytes: number): Uint8Array<ArrayBuffer> {
  const start = commit.arenaOffset;
  commit.arenaOffset += sizeBytes;
  return commit.arena.subarray(start, commit.arenaOffset);
}

function endEntry(
  crypto: Crypto,
  {
    additionalData,
    header,
    ciphertext,
    ciphertextHash,
  }: Omit<BegunEntry, "ciphertext"> & Pick<EntryHeader, "ciphertextHash"> & { ciphertext: Uint8Array },
): SealedEntry {
  assert(
    ciphertext.length === header.ciphertextSizeBytes,
    "entry: the ciphertext has the size that was bound",
  );
  const hash = hashEntry(crypto, additionalData, ciphertextHash);
  const entryHash = bytesToId("EntryHash", hash);
  return { entry: { entryHash, header: { ...header, ciphertextHash }, ciphertext }, hash };
}

/** A document's id must be what readers will derive; otherwise the commit would be refused everywhere. */
function checkDocId(
  { core, deriveDocId }: SealingCommit,
  draft: EntryDraft,
  { key, docId }: { readonly key: CommitKey; readonly docId: Uint8Array },
): void {
  const { docCounter = 0, entryType, name } = draft;
  if (entryType === "doc_create") {
    const origin = { ...core, keyId: key.committed.keyId, docCounter };
    const isDerived = name !== undefined && name.docId === draft.docId && isNameFrom(name, origin);
    assert(
      isDerived || equalBytes(docId, deriveDocId(key.keyId, docCounter)),
      "entry: a new document's id is derived from its origin",
    );
    return;
  }
  assert(docCounter === 0, "entry: only doc_create has a counter");
  const isDirectory = entryType === "directory_record";
  assert(!isDirectory || docId.every((byte) => byte === 0), "entry: a directory record has no document");
}

function resolveDependencies(draft: EntryDraft, sealed: readonly SealedEntry[]): readonly Hash<EntryHash>[] {
  const ids = draft.dependencies.map((dependency) => {
    if (typeof dependency === "string") return dependency;
    const earlier = sealed[dependency.index];
    assert(earlier !== undefined, "entry: a dependency in the same commit exists");
    return earlier.entry.entryHash;
  });
  return sortHashes(ids);
}
