/** Files through the public API: added, read back, and at any offset; one that is larger than memory; and what they are measured against. */
import type { Attachment, Database, Doc } from "cofferdb";
import { askWorker } from "./ask.ts";
import { Checker, makeFile, makePiece, mebibyte } from "./file-content.ts";
import type { DexieFileTimes, FileQuestion, FileStageTimes } from "./file-worker.ts";
import { watchMainThread } from "./main-thread.ts";
import { measureMemoryNow } from "./memory.ts";
import { foundTenant, removeSession, required, type BenchSession } from "./session.ts";

interface Film {
  readonly title: string;
}

interface OpenFilm {
  readonly session: BenchSession;
  readonly db: Database<Film>;
  readonly doc: Doc<Film>;
}

/** Milliseconds. */
export interface FileTimes {
  readonly addMs: number;
  readonly readMs: number;
  /** from the call for a stream at a random offset until its first bytes */
  readonly streamMs: readonly number[];
  /** the same for 64 KiB at once */
  readonly rangeMs: readonly number[];
  /** of the page, over all of it; 0: none over 50 ms */
  readonly longestTaskMs: number;
}

async function openFilm(cofferName: string): Promise<OpenFilm> {
  const session = await foundTenant(cofferName);
  const db = await session.tenant.openDB<Film>("films");
  return { session, db, doc: await db.createDocument({ title: "bench" }) };
}

/** Add a file of so many mebibytes, read it back as a stream, and at random offsets. */
export async function measureFile(options: {
  readonly cofferName: string;
  readonly mebibytes: number;
  readonly rounds: number;
}): Promise<FileTimes> {
  const { session, db, doc } = await openFilm(options.cofferName);
  const content = await makeFile(options.mebibytes);
  const watch = watchMainThread();
  const startMs = performance.now();
  const file = await db.addAttachment(doc, content, { name: "film.mp4" });
  const addMs = performance.now() - startMs;
  const readMs = await timed(() => readAll({ db, doc }, file));
  const streamMs: number[] = [];
  const rangeMs: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const from = Math.floor(Math.random() * (content.size - 65_536));
    streamMs.push(await timed(() => readFirst({ db, doc }, file, from)));
    rangeMs.push(await timed(() => db.getAttachmentRange(doc, file, from, from + 65_536)));
  }
  const { longestTaskMs } = await watch.end();
  await removeSession(session);
  return { addMs, readMs, streamMs, rangeMs, longestTaskMs };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

async function readAll(
  { db, doc }: Pick<OpenFilm, "db" | "doc">,
  file: Attachment,
  onPiece?: Beat,
): Promise<void> {
  const checker = new Checker();
  const reader = (await db.streamAttachment(doc, file)).getReader();
  for (let readBytes = 0; ;) {
    const { value } = await reader.read();
    if (value === undefined) break;
    checker.take(value);
    readBytes += value.length;
    await onPiece?.(readBytes);
  }
  checker.end(file.sizeBytes);
}

async function readFirst(
  { db, doc }: Pick<OpenFilm, "db" | "doc">,
  file: Attachment,
  from: number,
): Promise<void> {
  const reader = (await db.streamAttachment(doc, file, { from })).getReader();
  const { value } = await reader.read();
  if (value === undefined || value.length === 0) throw new Error("No bytes came");
  await reader.cancel();
}

type Beat = (doneBytes: number) => Promise<void>;

/** Milliseconds, and bytes beyond what page and worker had before. */
export interface LargeTimes {
  readonly ms: number;
  readonly grownBytes: number;
  readonly longestTaskMs: number;
}

let large: (OpenFilm & { readonly file: Attachment; readonly beforeBytes: number }) | undefined;

/** Stream a generated file in, whose bytes are nowhere but here. */
export async function addLarge(options: {
  readonly cofferName: string;
  readonly mebibytes: number;
}): Promise<LargeTimes> {
  const film = await openFilm(options.cofferName);
  await film.db.addAttachment(film.doc, await makeFile(8), { name: "first.mp4" });
  const beforeBytes = (await measureMemoryNow()).allBytes;
  return watched(beforeBytes, async (beat) => {
    const file = await addGenerated(film, options.mebibytes, beat);
    large = { ...film, beforeBytes, file };
  });
}

function addGenerated({ db, doc }: OpenFilm, mebibytes: number, beat?: Beat): Promise<Attachment> {
  let pieceCount = 0;
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        await beat?.(pieceCount * mebibyte);
        controller.enqueue(makePiece(pieceCount));
        pieceCount += 1;
        if (pieceCount === mebibytes) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  return db.addAttachmentStream(doc, stream, { name: "large.mp4", type: "video/mp4" });
}

/** Stream a generated file in and out again, for whoever watches the page from outside: nothing else is done meanwhile. */
export async function streamFile(options: {
  readonly cofferName: string;
  readonly mebibytes: number;
}): Promise<void> {
  const film = await openFilm(options.cofferName);
  await readAll(film, await addGenerated(film, options.mebibytes));
  await removeSession(film.session);
}

/** Stream it out again, and leave. */
export async function readLarge(): Promise<LargeTimes> {
  const { session, db, doc, beforeBytes, file } = required(large);
  const times = await watched(beforeBytes, (beat) => readAll({ db, doc }, file, beat));
  await removeSession(session);
  large = undefined;
  return times;
}

const lookEveryBytes = 256 * mebibyte;

/** The most that there is beyond what was before, looked at again and again; the time of looking is not counted. */
async function watched(beforeBytes: number, work: (beat: Beat) => Promise<void>): Promise<LargeTimes> {
  let [grownBytes, lookedMs, longestTaskMs, nextLookBytes] = [0, 0, 0, lookEveryBytes / 2];
  let watch = watchMainThread();
  const endWatch = async (): Promise<void> => {
    longestTaskMs = Math.max(longestTaskMs, (await watch.end()).longestTaskMs);
  };
  const allMs = await timed(() =>
    work(async (doneBytes) => {
      if (doneBytes < nextLookBytes) return;
      nextLookBytes += lookEveryBytes;
      lookedMs += await timed(async () => {
        // Looking is a long task itself: it collects.
        await endWatch();
        grownBytes = Math.max(grownBytes, (await measureMemoryNow()).allBytes - beforeBytes);
        watch = watchMainThread();
      });
    }),
  );
  await endWatch();
  return { ms: allMs - lookedMs, grownBytes, longestTaskMs };
}

/** Dexie's plain chunks of the same file, in a worker. */
export async function fileWithDexie(options: {
  readonly databaseName: string;
  readonly mebibytes: number;
}): Promise<DexieFileTimes> {
  const { databaseName, mebibytes } = options;
  const question: FileQuestion = { kind: "dexie", databaseName, file: await makeFile(mebibytes) };
  return askWorker("/bench/file-worker.js", question);
}

/** The stages of the product's way alone. */
export async function fileByStages(options: {
  readonly storeName: string;
  readonly mebibytes: number;
}): Promise<FileStageTimes> {
  const { storeName, mebibytes } = options;
  const question: FileQuestion = { kind: "stages", storeName, file: await makeFile(mebibytes) };
  return askWorker("/bench/file-worker.js", question);
}
