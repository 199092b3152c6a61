/**
 * Creating documents in bulk: while one commit is being stored, the next one is encoded and sealed.
 *
 * ```
 *   encode, seal 1 │ encode, seal 2 │ encode, seal 3 │
 *                  └ store 1 ──┘    └ store 2 ──┘    └ store 3 ──┘ resolve
 * ```
 *
 * Guarantees
 * - K1 documents are in the order of their values, in the log, in the catalog, and in what is told
 * - K2 it ends when nothing of it is in flight; after a write that failed nothing that was begun later is stored
 *
 * What comes next need not wait for the end: see creation-queue.ts.
 */
import { assert, CofferError, type DocId } from "../std/index.ts";
import { summarizeValue, type DocChange } from "../doc/index.ts";
import type { DraftValue } from "../draft/index.ts";
import {
  createDocNaming,
  entryLimits,
  sealedSizeBytes,
  type ContentKey,
  type EntryDraft,
} from "../entry/index.ts";
import type { Catalog, Summary } from "./catalog.ts";
import type { TenantCore } from "./core.ts";
import type { Writer, WrittenCommit } from "./writer.ts";

/** Where documents are made. */
export interface CreatingRoom {
  readonly core: TenantCore;
  readonly catalog: Catalog;
  readonly writer: Writer;
  /** told of each commit that is durable */
  readonly onCreated: (docIds: readonly DocId[]) => void;
}

interface NewDocument {
  readonly docId: DocId;
  readonly change: DocChange;
  readonly summary: Summary;
}

/** The documents of one commit. */
interface Batch {
  readonly documents: NewDocument[];
  readonly drafts: EntryDraft[];
  sizeBytes: number;
}

/** Documents that are sealed, and on their way into the log. */
export interface BegunDocuments {
  /** their ids, once all are durable */
  readonly stored: Promise<readonly DocId[]>;
}

/**
 * Create documents from plain values, sealed under a key, packed into commits. Resolves when the last commit is sealed; `isOver` is asked
 * before each: whoever gave it wants nothing more to be stored.
 */
export async function beginDocuments(
  room: CreatingRoom,
  values: readonly DraftValue[],
  { key, isOver }: { readonly key: ContentKey; readonly isOver: () => boolean },
): Promise<BegunDocuments> {
  const { writer } = room;
  const { nonce } = writer;
  const encode = createEncoder(room, key);
  const storing: Promise<void>[] = [];
  const docIds: DocId[] = [];
  const flush = async (batch: Batch): Promise<void> => {
    const { stored } = await writer.begin(batch.drafts);
    const entered = stored.then((written) => enter(room, written, batch));
    // It may fail while the next ones are being sealed; their end tells of it.
    entered.catch(() => undefined);
    storing.push(entered);
    for (const { docId } of batch.documents) docIds.push(docId);
  };
  // What was begun has failed: it says why.
  const goesOn = (): boolean => writer.nonce === nonce && !isOver();
  const seal = async (): Promise<void> => {
    let batch: Batch = { documents: [], drafts: [], sizeBytes: 0 };
    for (const value of values) {
      if (writer.nonce !== nonce) break;
      const added = encode(value);
      const sizeBytes = sealedSizeBytes(added.draft.plaintext.length);
      const isFull =
        batch.drafts.length >= entryLimits.entriesPerCommit ||
        batch.sizeBytes + sizeBytes > entryLimits.commitTargetBytes;
      if (isFull && batch.drafts.length > 0) {
        if (!goesOn()) return;
        await flush(batch);
        batch = { documents: [], drafts: [], sizeBytes: 0 };
      }
      batch.documents.push(added.document);
      batch.drafts.push(added.draft);
      batch.sizeBytes += sizeBytes;
    }
    if (goesOn() && batch.drafts.length > 0) await flush(batch);
  };
  const sealing = seal();
  const ending = async (): Promise<readonly DocId[]> => {
    try {
      await sealing;
    } finally {
      await Promise.allSettled(storing);
    }
    await Promise.all(storing);
    if (docIds.length < values.length) throw new CofferError("aborted");
    return docIds;
  };
  const stored = ending();
  // Whoever waits for it is told; it need not be listening yet.
  stored.catch(() => undefined);
  await sealing.catch(() => undefined);
  return { stored };
}

function createEncoder(
  { core, writer }: CreatingRoom,
  key: ContentKey,
): (value: DraftValue) => { readonly document: NewDocument; readonly draft: EntryDraft } {
  const { codec, crypto } = core.world;
  const { tenantId } = core;
  const author = core.keys.identity.publicIdentity.signingKey;
  const { keyId } = key;
  const nameDoc = createDocNaming(crypto, {
    tenantId,
    dbId: writer.dbId,
    keyId,
    author,
    writerNonce: writer.nonce,
  });
  const timeMs = core.nowMs();
  return (value) => {
    const docCounter = writer.nextDocCounter();
    const name = nameDoc(docCounter);
    const { docId, actor } = name;
    const { change, value: reading } = codec.encodeCreate({ value, actor, timeMs });
    const draft: EntryDraft = {
      entryType: "doc_create",
      docId,
      dependencies: [],
      key,
      docCounter,
      name,
      plaintext: change.bytes,
    };
    return { document: { docId, change, summary: summarizeValue(reading) }, draft };
  };
}

/** A commit is durable: its documents are there. */
function enter({ catalog, core, onCreated }: CreatingRoom, written: WrittenCommit, batch: Batch): void {
  const { commit, position } = written;
  const { author, createdAtMs } = commit.header;
  core.enterOwn(written);
  for (const [entryIndex, { docId, change, summary }] of batch.documents.entries()) {
    const { entryHash, header } = commit.entries[entryIndex] ?? {};
    const key = commit.header.keys[header?.keyIndex ?? 0];
    assert(entryHash !== undefined && key !== undefined, "a sealed commit has the entries it was given");
    catalog.accept({
      docId,
      keyId: key.keyId,
      author,
      atMs: createdAtMs,
      entryType: "doc_create",
      position,
      entryIndex,
      entryHash,
      changeHash: change.hash,
      dependencyHashes: [],
      actor: change.actor,
      seq: 1,
      note: change.note,
      isEmpty: false,
    });
    catalog.setSummary(docId, summary);
  }
  onCreated(batch.documents.map(({ docId }) => docId));
}
