/**
 * An edit between its replay and its commit: its changes are in the open document already, and in the log not yet. The document is
 * pinned until then; were it loaded from the log meanwhile, it would lack them.
 */
import { assert, CofferError, type DocId, type KeyId, type Release } from "../std/index.ts";
import { isEmptyChange, type DocChange, type ReplayResult } from "../doc/index.ts";
import { entryLimits, sealedSizeBytes, type ContentKey, type EntryDraft } from "../entry/index.ts";
import type { Catalog, CatalogDoc, NewEntry, Summary } from "./catalog.ts";
import { findChange } from "./find-entry.ts";
import type { WrittenCommit } from "./writer.ts";

/** A change that is to become an entry. */
export interface PreparedChange {
  readonly change: DocChange;
  readonly entryType: "doc_change" | "doc_delete";
}

/** The changes of one edit of one document. */
export interface PreparedEdit {
  readonly docId: DocId;
  /** the key that the document is sealed under */
  readonly key: ContentKey;
  /** none when the edit changed nothing */
  readonly changes: readonly PreparedChange[];
  readonly replay: ReplayResult;
  /** what the document shows with them; `undefined` on a branch, where it shows nothing of them */
  readonly summary: Summary | undefined;
  /** nothing may follow under the nonce that it was written under */
  readonly endsNonce: boolean;
  /** let go of the document */
  readonly unpin: Release;
}

/** What a commit still has room for. It may go over its target by the edit that fills it. */
export class CommitRoom {
  #entryCount = 0;
  #sizeBytes = 0;
  #isEnded = false;
  readonly #keyIds = new Set<KeyId>();

  take({ changes, key, endsNonce }: PreparedEdit): void {
    this.#entryCount += changes.length;
    for (const { change } of changes) this.#sizeBytes += sealedSizeBytes(change.bytes.length);
    this.#keyIds.add(key.keyId);
    this.#isEnded ||= endsNonce;
  }

  get isFull(): boolean {
    return (
      this.#isEnded ||
      this.#entryCount >= entryLimits.entriesPerCommit ||
      this.#sizeBytes >= entryLimits.commitTargetBytes ||
      this.#keyIds.size >= entryLimits.keysPerCommit
    );
  }
}

/** The entries of edits, in order. A change may depend on one before it. @throws `doc/missing` */
export function entriesOf(edits: readonly PreparedEdit[], catalog: Catalog): readonly EntryDraft[] {
  const entries: EntryDraft[] = [];
  const indexes = new Map<string, number>();
  for (const { docId, key, changes } of edits) {
    const doc = catalog.get(docId);
    if (doc === undefined) throw new CofferError("doc/missing", { docId });
    for (const { change, entryType } of changes) {
      const dependencies = change.deps.map((hash) => dependencyOf(doc, indexes.get(hash), hash));
      indexes.set(change.hash, entries.length);
      entries.push({ entryType, docId, dependencies, key, plaintext: change.bytes });
    }
  }
  return entries;
}

function dependencyOf(
  doc: CatalogDoc,
  index: number | undefined,
  hash: string,
): EntryDraft["dependencies"][number] {
  if (index !== undefined) return { index };
  const found = doc.entries[findChange(doc, hash)];
  assert(found !== undefined, "a change depends on accepted changes only");
  return found.entryHash;
}

/** What the catalog is told of written edits. */
export function newEntriesOf(
  edits: readonly PreparedEdit[],
  { commit, position }: WrittenCommit,
): readonly NewEntry[] {
  const changes = edits.flatMap(({ docId, key, changes: own }) =>
    own.map(({ change, entryType }) => ({ docId, keyId: key.keyId, change, entryType })),
  );
  return changes.map(({ docId, keyId, change, entryType }, entryIndex): NewEntry => {
    const entryHash = commit.entries[entryIndex]?.entryHash;
    assert(entryHash !== undefined, "a sealed commit has the entries it was given");
    return {
      docId,
      keyId,
      author: commit.header.author,
      atMs: commit.header.createdAtMs,
      entryType,
      position,
      entryIndex,
      entryHash,
      changeHash: change.hash,
      dependencyHashes: change.deps,
      actor: change.actor,
      seq: change.seq,
      note: change.note,
      isEmpty: isEmptyChange(change),
    };
  });
}
