/**
 * Creating documents in bulk: while other threads encrypt a commit, the next one is encoded, and while it is being stored, that one is
 * sealed.
 *
 * ```
 *   encode 1 │ seal 1            │ seal 2            │ seal 3 │
 *            └ encrypt, encode 2 ┴ encrypt, encode 3 ┘        │
 *                                └ store 1 ──┘       └ store 2 ──┘└ store 3 ──┘ resolve
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
  const encode = createBatches(values, createEncoder(room, key));
  const encodeNext = (): (() => Batch) => {
    writer.prepare(key);
    return encode();
  };
  const storing: Promise<void>[] = [];
  const docIds: DocId[] = [];
  /** Seal a batch, and encode the next one meanwhile. */
  const flush = async (batch: Batch): Promise<() => Batch> => {
    let next: (() => Batch) | undefined;
    const meanwhile = (): void => {
      next = encodeNext();
    };
    const { stored } = await writer.begin(batch.drafts, "relaxed", { meanwhile });
    const entered = stored.then((written) => enter(room, written, batch));
    // It may fail while the next ones are being sealed; their end tells of it.
    entered.catch(() => undefined);
    storing.push(entered);
    for (const { docId } of batch.documents) docIds.push(docId);
    return next ?? encodeNext();
  };
  const seal = async (): Promise<void> => {
    let batch = encodeNext()();
    // When what was begun has failed, it says why.
    while (batch.drafts.length > 0 && writer.nonce === nonce && !isOver()) {
      const next = await flush(batch);
      if (writer.nonce !== nonce) return;
      batch = next();
    }
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

interface EncodedDocument {
  readonly document: NewDocument;
  readonly draft: EntryDraft;
}

/**
 * Encodes values, as many at a time as a commit holds; none once all are. What is wrong with one of them is thrown when its batch is
 * asked for.
 */
function createBatches(
  values: readonly DraftValue[],
  encode: (value: DraftValue) => EncodedDocument,
): () => () => Batch {
  let at = 0;
  /** it was encoded, and the batch before it was full */
  let left: EncodedDocument | undefined;
  const fill = (): Batch => {
    const batch: Batch = { documents: [], drafts: [], sizeBytes: 0 };
    for (; at < values.length; at += 1) {
      const value = values[at] ?? null;
      const { document, draft } = (left ??= encode(value));
      const sizeBytes = sealedSizeBytes(draft.plaintext.length);
      const isFull =
        batch.drafts.length >= entryLimits.entriesPerCommit ||
        batch.sizeBytes + sizeBytes > entryLimits.commitTargetBytes;
      if (isFull && batch.drafts.length > 0) return batch;
      left = undefined;
      batch.documents.push(document);
      batch.drafts.push(draft);
      batch.sizeBytes += sizeBytes;
    }
    return batch;
  };
  return () => {
    try {
      const batch = fill();
      return () => batch;
    } catch (cause) {
      return () => {
        throw cause;
      };
    }
  };
}

function createEncoder(
  { core, writer }: CreatingRoom,
  key: ContentKey,
): (value: DraftValue) => EncodedDocument {
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
