/** Files of documents on the page: pieces to the worker and back, and the edits that name them. */
import type { computed, effect, Signal } from "@preact/signals-core";
import {
  attachmentField,
  attachmentLimits,
  derivedField,
  derivedKinds,
  encodeRecord,
  findDerived,
  readAttachments,
  readPart,
  readRecord,
  safeType,
  type AttachmentRecord,
} from "../attachment/index.ts";
import { shareStructure, type Mark, type Path } from "../draft/index.ts";
import { CofferError, concatBytes, toCofferError, type Release } from "../std/index.ts";
import { throwIfAborted, unlessAborted } from "./abort.ts";
import type {
  Attachment,
  AttachmentName,
  AttachmentRange,
  AttachmentRun,
  ExtractKind,
  ExtractRun,
  NewAttachment,
} from "./attachment-types.ts";
import type { DatabaseCore } from "./database.ts";
import { derive, type Derivation } from "./derive.ts";
import type { DocCore } from "./doc.ts";
import { piecesOf, tellProgress, type Content } from "./attachment-pieces.ts";
import { followMarks } from "./marks.ts";
import { inBackground, runCallers } from "./session.ts";
import type { Doc } from "./types.ts";

const { chunkBytes, partBytes } = attachmentLimits;
const piecesInBlob = partBytes / chunkBytes;
/** so much of a file may be on its way to the disk: a part is read and sealed while the one before it is being stored */
const aheadBytes = 2 * partBytes;
/** so much of a stream is copied at a stretch: then the page has its turn */
const taskBytes = partBytes / 4;

type Fields = Record<string, unknown>;

/** What is known of a file before its bytes are. */
interface Source {
  readonly pieces: AsyncGenerator<Uint8Array | Blob, void>;
  readonly totalBytes: number | undefined;
  /** the file itself, where it is one */
  readonly file?: Blob;
}

/** Add a file. */
export async function addAttachment(
  core: DatabaseCore,
  doc: Doc,
  file: Blob,
  options: NewAttachment = {},
): Promise<Attachment> {
  const source = sourceOf(file);
  const { name = "name" in file ? String(file.name) : "", type = file.type } = options;
  return add(core, doc, source, { ...options, name, type });
}

/** Add a file from a stream. */
export async function addAttachmentStream(
  core: DatabaseCore,
  doc: Doc,
  stream: ReadableStream<Uint8Array>,
  options: NewAttachment & { name: string },
): Promise<Attachment> {
  const reader = runCallers(() => stream.getReader());
  const source = { pieces: piecesOfStream(reader, options.signal), totalBytes: undefined };
  try {
    return await add(core, doc, source, options);
  } catch (cause) {
    inBackground(reader.cancel(cause));
    throw cause;
  }
}

async function add(
  core: DatabaseCore,
  doc: Doc,
  source: Source,
  options: NewAttachment & { readonly name: string },
): Promise<Attachment> {
  const own = core.own(doc);
  const { atMs, id, parts } = await upload(core, own, source, options);
  const record = encodeRecord({
    name: options.name,
    type: options.type ?? "",
    addedAtMs: atMs,
    parts: parts.flatMap((part) => readPart(part) ?? []),
  });
  const read = readRecord(id, record);
  if (read === undefined) throw new CofferError("input/invalid");
  const made = await derive(derivation(core, own, read, source.file), options);
  // One edit: whoever undoes it takes out all of it.
  const fields = { [attachmentField(id)]: record, ...made.fields };
  await name(core, own, [...parts, ...made.parts], (draft) => void Object.assign(draft, fields));
  return toAttachment(read, fields);
}

/** What is needed to make something of a file whose bytes are stored. */
function derivation(
  core: DatabaseCore,
  own: DocCore,
  record: AttachmentRecord,
  file: Blob | undefined,
): Derivation {
  return {
    record,
    read: async (signal) => file ?? blobOf(core, own, record, { signal }),
    store: async (content, signal) =>
      (await upload(core, own, sourceOf(content), signal === undefined ? {} : { signal })).parts,
  };
}

/** Put bytes at the end of a file. */
export async function appendToAttachment(
  core: DatabaseCore,
  doc: Doc,
  ...[file, bytes, options = {}]: readonly [AttachmentName, Blob | Uint8Array, (AttachmentRun & ExtractRun)?]
): Promise<void> {
  const own = core.own(doc);
  const before = find(own, file);
  const { id } = before;
  const source = sourceOf(bytes instanceof Blob ? bytes : new Blob([new Uint8Array(bytes)]));
  const { parts } = await upload(core, own, source, options);
  const added = parts.flatMap((part) => readPart(part) ?? []);
  const sizeBytes = before.sizeBytes + source.totalBytes;
  const record = { ...before, parts: [...before.parts, ...added], sizeBytes };
  const made = await derive(derivation(core, own, record, undefined), options);
  await name(core, own, [...parts, ...made.parts], (draft) => {
    const stored = draft[attachmentField(id)] as { parts: Uint8Array[] } | undefined;
    if (stored === undefined) throw new CofferError("input/unknown-id", { what: "attachment" });
    if (parts.length > 0) dropDerived(draft, id);
    stored.parts.push(...parts);
    Object.assign(draft, made.fields);
  });
}

function dropDerived(draft: Fields, id: string): void {
  for (const kind of derivedKinds) if (derivedField(id, kind) in draft) delete draft[derivedField(id, kind)];
}

/** Take a file out of its document. */
export async function removeAttachment(core: DatabaseCore, doc: Doc, file: AttachmentName): Promise<void> {
  const own = core.own(doc);
  const { id } = find(own, file);
  await own.change((draft: Fields) => {
    delete draft[attachmentField(id)];
    dropDerived(draft, id);
  });
}

/** What comes next is another task of the page, at once, in a hidden tab too. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** Send a file's pieces, one after the other. Whatever stops it leaves nothing in the document. */
async function upload(
  core: DatabaseCore,
  own: DocCore,
  source: Source,
  options: AttachmentRun & Pick<NewAttachment, "deduplicate">,
) {
  const { onProgress, signal } = options;
  throwIfAborted(signal);
  const opening = core.call((api) => api.openUpload(core.subscription, own.place.id, options.deduplicate));
  let doneBytes = 0;
  let sentBytes = 0;
  let copiedBytes = 0;
  let isOver = false;
  /** of each piece that is on its way: it and all before it are stored; the oldest first */
  const writes: Promise<void>[] = [];
  let last: Promise<void> = Promise.resolve();
  const follow = async (before: Promise<void>, writing: Promise<void>, size: number): Promise<void> => {
    await before;
    await writing;
    if (isOver) return;
    void writes.shift();
    doneBytes += size;
    // At once, and not when more comes: what is read from may be slow.
    tellProgress(onProgress, { doneBytes, totalBytes: source.totalBytes });
  };
  try {
    const id = await unlessAborted(signal, opening);
    for await (const piece of source.pieces) {
      throwIfAborted(signal);
      const size = piece instanceof Blob ? piece.size : piece.length;
      sentBytes += size;
      const writing = core.call((api) => api.writeUpload(id, piece), "stores");
      last = follow(last, writing, size);
      // What fails is thrown when its turn to be waited for has come.
      for (const promise of [writing, last]) promise.catch(() => undefined);
      writes.push(last);
      while (sentBytes - doneBytes > aheadBytes) await unlessAborted(signal, writes[0] ?? last);
      // A Blob is handed over without its bytes.
      if (!(piece instanceof Blob)) copiedBytes += size;
      if (copiedBytes < taskBytes) continue;
      copiedBytes = 0;
      await nextTask();
    }
    await unlessAborted(signal, last);
    throwIfAborted(signal);
    return await core.call((api) => api.finishUpload(id), "stores");
  } catch (cause) {
    isOver = true;
    inBackground(opening.then(async (id) => core.call((api) => api.abortUpload(id))));
    throw toCofferError(cause);
  }
}

/** Have the document name what was stored; from then on it may be sent. */
async function name(
  core: DatabaseCore,
  own: DocCore,
  parts: readonly Uint8Array[],
  edit: (draft: Fields) => void,
): Promise<void> {
  await own.change(edit);
  // Where that fails, the next opening sees it by itself: the file is there.
  await Promise.allSettled([core.call((api) => api.nameParts(core.subscription, parts))]);
}

/** A file, or a range of it, as a Blob. */
export async function getAttachment(
  core: DatabaseCore,
  doc: Doc,
  file: AttachmentName,
  options: AttachmentRange = {},
): Promise<Blob> {
  const own = core.own(doc);
  return blobOf(core, own, find(own, file, options.extract), options);
}

async function blobOf(
  core: DatabaseCore,
  own: DocCore,
  record: Content,
  options: AttachmentRange,
): Promise<Blob> {
  const parts: Blob[] = [];
  let pieces: Uint8Array<ArrayBuffer>[] = [];
  // A Blob of some pieces at a time lets the browser keep them elsewhere than in memory.
  for await (const piece of piecesOf(core, own, record, options)) {
    pieces.push(piece);
    if (pieces.length < piecesInBlob) continue;
    parts.push(new Blob(pieces));
    pieces = [];
  }
  return new Blob([...parts, ...pieces], { type: safeType(record.type) });
}

/** A range of a file as bytes. */
export async function getAttachmentRange(
  core: DatabaseCore,
  doc: Doc,
  ...[file, from, to]: readonly [AttachmentName, number, number]
): Promise<Uint8Array> {
  const own = core.own(doc);
  const record = find(own, file);
  const pieces: Uint8Array[] = [];
  for await (const piece of piecesOf(core, own, record, { from, to })) pieces.push(piece);
  return concatBytes(...pieces);
}

/** A file, or a range of it, as a stream. */
export async function streamAttachment(
  core: DatabaseCore,
  doc: Doc,
  file: AttachmentName,
  options: AttachmentRange = {},
): Promise<ReadableStream<Uint8Array>> {
  const own = core.own(doc);
  const pieces = piecesOf(core, own, find(own, file, options.extract), options);
  return new ReadableStream<Uint8Array>(
    {
      async pull(stream) {
        const { done, value } = await pieces.next();
        if (done === true) stream.close();
        else stream.enqueue(value);
      },
      cancel: () => inBackground(pieces.return()),
    },
    { highWaterMark: 0 },
  );
}

function find(own: DocCore, file: AttachmentName): AttachmentRecord;
function find(own: DocCore, file: AttachmentName, kind: ExtractKind | undefined): Content;
function find(own: DocCore, file: AttachmentName, kind?: ExtractKind): Content {
  const id = typeof file === "string" ? file : file.id;
  const { data = {} } = own.shown.peek();
  const record = readRecord(id, data[attachmentField(id)]);
  if (record !== undefined && kind === undefined) return record;
  const derived = record && kind && findDerived(data, record, kind);
  if (derived === undefined) throw new CofferError("input/unknown-id", { what: kind ?? "attachment" });
  const { part, type } = derived;
  return { parts: [part], sizeBytes: part.sizeBytes, type };
}

/** The record of a file that a document names. @throws input/unknown-id */
export function findAttachment(own: DocCore, file: AttachmentName): AttachmentRecord {
  return find(own, file);
}

function sourceOf(file: Blob): Source & { readonly totalBytes: number } {
  if (!(file instanceof Blob))
    throw new CofferError("input/invalid", { message: "A file is a Blob or a File." });
  return { pieces: piecesOfBlob(file), totalBytes: file.size, file };
}

/** Slices, which hold no bytes: they are read where they are sealed. */
async function* piecesOfBlob(file: Blob): AsyncGenerator<Blob, void> {
  for (let from = 0; from < file.size; from += partBytes) yield file.slice(from, from + partBytes);
}

async function* piecesOfStream(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void> {
  for (;;) {
    const { done, value } = await unlessAborted(
      signal,
      reader.read().catch((cause: unknown) => {
        throw toCofferError(cause, "input/invalid");
      }),
    );
    if (done) return;
    if (!(value instanceof Uint8Array))
      throw new CofferError("input/invalid", { message: "A file is read from a stream of bytes." });
    // A copy: a message would take the whole of the buffer behind a view along.
    for (let from = 0; from < value.length; from += partBytes) yield value.slice(from, from + partBytes);
  }
}

function toAttachment(record: AttachmentRecord, data: { readonly [field: string]: unknown }): Attachment {
  const { parts: _, ...shown } = record;
  const extracts = derivedKinds.filter((kind) => findDerived(data, record, kind) !== undefined);
  return { ...shown, extracts };
}

/** Follow the files of a document, or, at a path, the marks of a text, until the release. */
export function follow(
  core: DocCore,
  path: Path | undefined,
  shown: Signal<readonly Attachment[] | readonly Mark[] | undefined>,
  signals: { readonly computed: typeof computed; readonly effect: typeof effect },
): Release {
  if (path !== undefined)
    return followMarks(core, path, shown as Signal<readonly Mark[] | undefined>, signals);
  return signals.effect(() => {
    const { data } = core.shown.value;
    const now = data && readAttachments(data).map((record) => toAttachment(record, data));
    shown.value = shareStructure(shown.peek(), now);
  });
}
