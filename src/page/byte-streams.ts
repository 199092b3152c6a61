/** Files between streams of the page and the worker, piece by piece. */
import { CofferError, toCofferError } from "../std/index.ts";
import { throwIfAborted, unlessAborted } from "./abort.ts";
import type { BackupProgress } from "./backup-types.ts";
import { inBackground, runCallers, type Session } from "./session.ts";

/** what one call takes in, so that the worker answers others in between */
const pieceBytes = 1024 * 1024;

/** A file that is being written, as its stream holds it. */
export interface RunningExport<Options> {
  readonly options: Options;
  pieces?: AsyncGenerator<Uint8Array, void>;
}

/** Hand a stream its next piece, which is made only now. Without one it was given up: the export ends. */
export async function handOn<Options>(
  running: RunningExport<Options>,
  stream: ReadableStreamDefaultController<Uint8Array> | undefined,
  begin: (options: Options) => AsyncGenerator<Uint8Array, void>,
): Promise<void> {
  const pieces = (running.pieces ??= begin(running.options));
  if (stream === undefined) {
    // A piece that is under way is waited for.
    inBackground(pieces.return());
    return;
  }
  const { done, value } = await pieces.next();
  if (done === true) stream.close();
  else stream.enqueue(value);
}

/** The bytes of a file that the worker writes, each piece made when it is asked for. */
export async function* iterateExport(
  session: Session,
  signal: AbortSignal | undefined,
  open: () => Promise<number>,
): AsyncGenerator<Uint8Array, void> {
  throwIfAborted(signal);
  const opening = open();
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

/** How a file is taken in: by which calls, and who hears of it. */
export interface Import<Report> {
  readonly open: () => Promise<number>;
  readonly finish: (id: number) => Promise<Report>;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined;
}

/** Take in a file, piece by piece. What was taken in before it broke off stays. */
export async function takeIn<Report>(
  session: Session,
  file: Blob | ReadableStream<Uint8Array>,
  { open, finish, signal, onProgress }: Import<Report>,
): Promise<Report> {
  throwIfAborted(signal);
  const reader = runCallers(() => (file instanceof Blob ? file.stream() : file).getReader());
  const opening = open();
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
    const report = await finish(id);
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
      throw new CofferError("input/invalid", { message: "A file is read from a stream of bytes." });
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
