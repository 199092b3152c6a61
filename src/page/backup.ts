/** Backup files on the page: bytes from the worker into a stream, and from a stream into the worker. */
import { CofferError, toCofferError } from "../std/index.ts";
import { throwIfAborted, unlessAborted } from "./abort.ts";
import { inBackground, runCallers, type Session } from "./session.ts";
import type { BackupOptions, BackupProgress, BackupReport, Coffer } from "./types.ts";

/** what one call takes in, so that the worker answers others in between */
const pieceBytes = 1024 * 1024;

type BackupSource = { readonly id: string; readonly session: Session };

/** A backup under way, as its stream holds it. */
interface RunningBackup {
  readonly options: BackupOptions;
  pieces?: AsyncGenerator<Uint8Array, void>;
}

/** Hand a stream its next piece, which is made only now. Without one it was given up: the export ends. */
export async function readBackup(
  source: BackupSource,
  backup: RunningBackup,
  stream?: ReadableStreamDefaultController<Uint8Array>,
): Promise<void> {
  const pieces = (backup.pieces ??= iterateBackup(source, backup.options));
  if (stream === undefined) {
    // A piece that is under way is waited for.
    inBackground(pieces.return());
    return;
  }
  const { done, value } = await pieces.next();
  if (done === true) stream.close();
  else stream.enqueue(value);
}

/** The bytes of a backup, each piece made when it is asked for. */
async function* iterateBackup(
  { id: tenantId, session }: BackupSource,
  { password, documents = true, resume, signal }: BackupOptions,
): AsyncGenerator<Uint8Array, void> {
  throwIfAborted(signal);
  const from = resume && { header: resume.head, sizeBytes: resume.sizeBytes };
  const opening = session.call((api) => api.openExport(tenantId, { password, documents, resume: from }));
  const giveUp = (): void =>
    inBackground(opening.then(async (id) => session.call((api) => api.abortBackup(id))));
  signal?.addEventListener("abort", giveUp);
  let isDone = false;
  try {
    const id = await unlessAborted(signal, opening);
    for (;;) {
      throwIfAborted(signal);
      const bytes = await unlessAborted(
        signal,
        session.call((api) => api.readExport(id)),
      );
      isDone = bytes === undefined;
      if (bytes === undefined) return;
      yield bytes;
    }
  } finally {
    signal?.removeEventListener("abort", giveUp);
    if (!isDone && signal?.aborted !== true) giveUp();
  }
}

/** Take in a backup file, piece by piece. What was taken in before it broke off stays. */
export async function importBackup(
  session: Session,
  file: Parameters<Coffer["importBackup"]>[0],
  { password, signal, onProgress }: Parameters<Coffer["importBackup"]>[1],
): Promise<BackupReport> {
  throwIfAborted(signal);
  const reader = runCallers(() => (file instanceof Blob ? file.stream() : file).getReader());
  const opening = session.call((api) => api.openImport(password));
  try {
    const id = await unlessAborted(signal, opening);
    let progress: BackupProgress = { sizeBytes: 0, commitCount: 0 };
    for await (const piece of pieces(reader, signal)) {
      const { commitCount } = await unlessAborted(
        signal,
        session.call((api) => api.writeImport(id, piece)),
      );
      progress = { sizeBytes: progress.sizeBytes + piece.length, commitCount };
      const now = progress;
      if (onProgress !== undefined) runCallers(() => onProgress(now));
    }
    const report = await session.call((api) => api.finishImport(id), "stores");
    inBackground(session.call((api) => api.measureStorage()));
    return report;
  } catch (cause) {
    inBackground(opening.then(async (id) => session.call((api) => api.abortBackup(id))));
    inBackground(reader.cancel(cause));
    throw toCofferError(cause);
  }
}

async function* pieces(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void> {
  for (;;) {
    throwIfAborted(signal);
    const { done, value } = await unlessAborted(signal, readFrom(reader));
    if (done) return;
    if (!(value instanceof Uint8Array))
      throw new CofferError("input/invalid", { message: "A backup is read from a stream of bytes." });
    for (let from = 0; from < value.length; from += pieceBytes) {
      // A copy: a message would take the whole of the buffer behind a view along.
      yield value.slice(from, from + pieceBytes);
    }
  }
}

/** What the caller's stream fails with leaves as a `CofferError`. */
async function readFrom(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  try {
    return await reader.read();
  } catch (cause) {
    throw toCofferError(cause, "input/invalid");
  }
}
