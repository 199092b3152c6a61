/**
 * A SYNC file: sealed commits, and contents of files, on their way from one device to another without any connection, on a stick, in a
 * mail, in a chat.
 *
 * | field | bytes |
 * |---|---|
 * | magic | 4, "CFRS" |
 * | version | u8: 2 where contents of files, or word of them, are in it; else 1 |
 * | kind | u8: 1 = summary, 2 = bundle |
 * | tenantId | 32 |
 * | body | of a summary: below; of a bundle: PUSH frames (frames.ts), one for each commit, the directory's first; in version 2 CHUNK frames (file-frames.ts), of commits that are in it or that its reader has; and END |
 *
 * | a summary's body | bytes |
 * |---|---|
 * | salt | 8, random |
 * | databases | varint count ≤ 10,000, each dbId(16), varint count, count × id(6), ascending; no database twice; at most 1,048,576 ids in all |
 * | parts | version 2 only: varint count, 1…262,144, count × id(6), ascending: commits whose chunks are all here |
 * | id | as in reconcile-format.ts, under this salt |
 *
 * A summary says what a device has, so that another one can write a bundle of what it lacks; without one the bundle holds everything. Who
 * writes a bundle says how many bytes of files it holds at most.
 * Either is read by devices of that tenant only.
 *
 * A bundle is readable from outside as what a relay sees: the tenant's and the databases' ids, and of each commit its size, time, author's
 * key, document ids and what it depends on; no name, no value, no key. A summary tells the ids, how many commits there are, and to whoever
 * holds a commit, whether it is among them; so with files. Neither is signed as a whole: each commit is, by its author, so who carries a bundle can leave
 * some out, and can change none.
 *
 * Guarantees
 * - B1 what is taken in is genuine: structure, hashes and signature of each commit hold, and it is of this tenant; it is stored unjudged,
 *      and what is here already is not stored again; what is not genuine is told one by one, and the rest goes on
 * - B2 a bundle that is cut, damaged or of another tenant says so; what came whole before stays, and taking it in again goes on. Where a
 *      chunk is not what its commit names, those behind it are taken in too, and the end says that the file is damaged
 * - B3 writing and reading hold some megabytes of commits, whatever the size of the file: at most 64 of them, or 4 MiB and one more; of
 *      chunks at most four
 * - B4 a commit goes missing in a bundle with a chance of 2^-48 for each commit in the summary, and not under the next one's salt
 */
import {
  bytesToId,
  ByteReader,
  ByteWriter,
  CofferError,
  compareBytes,
  concatBytes,
  equalBytes,
  idToBytes,
  utf8ToBytes,
  type CommitHash,
  type DbId,
} from "../std/index.ts";
import { directoryDbId, type Commit } from "../entry/index.ts";
import { ChunkIntake, chooseFiles, wholeParts, writeFiles } from "./bundle-files.ts";
import { fileBodyReader, type FileFrame } from "./file-frames.ts";
import { createFrameReader, encodeFrame } from "./frames.ts";
import type { HeldPlace } from "./held-chunks.ts";
import { syncLimits, type Frame } from "./messages.ts";
import { judgeCommit, readPush, storeGenuine, type PeerPlace, type PeerSource } from "./peer-store.ts";
import { idOf } from "./reconcile.ts";
import { reconcileLimits } from "./reconcile-format.ts";

const magic = utf8ToBytes("CFRS");
const versions = { plain: 1, withFiles: 2 } as const;
const kinds = { summary: 1, bundle: 2 } as const;
const headBytes = 38;
const { idBytes, saltBytes } = reconcileLimits;

export const bundleLimits = {
  /** in all databases of a summary together */
  summaryIds: 1024 * 1024,
  /** parts of files that a summary names */
  summaryParts: 256 * 1024,
  /** that are told one by one; the others are counted */
  refused: 100,
} as const;

/** Commits that are looked up, and stored, at a time. */
const batchCount = 256;
const batchBytes = 256 * 1024;

/** Where bundles are written from and read into. */
export type BundlePlace = PeerSource & HeldPlace & { readonly nowMs: () => number };

/** What taking a bundle in came to. */
export interface BundleReport {
  /** that were in the file and genuine */
  readonly commitCount: number;
  /** of these: that were not here, or not with as much */
  readonly newCount: number;
  /** that were not genuine: forged, damaged, or of another tenant or database than they were filed under */
  readonly refusedCount: number;
  /** the first 100 of them; without a hash it was no commit at all */
  readonly refused: readonly { readonly commitHash: CommitHash | undefined }[];
  /** of contents of files, sealed, that were not here */
  readonly newFileBytes: number;
}

/** Write what is here of a tenant as a summary. Where there is more than it holds, the oldest commits are left out: they come again. */
export async function writeSummary(place: BundlePlace): Promise<Uint8Array<ArrayBuffer>> {
  const { crypto } = place;
  const salt = crypto.randomBytes(saltBytes);
  const parts = (await wholeParts(place)).slice(0, bundleLimits.summaryParts);
  const sets = (await databasesOf(place)).slice(0, syncLimits.databasesPerTenant);
  const writer = headOf(place, "summary", parts.length > 0)
    .fixed(salt)
    .varint(sets.length);
  let left: number = bundleLimits.summaryIds;
  for (const [dbId, { set }] of sets) {
    const items = set.slice(Math.max(0, set.size - left), set.size);
    const ids = items.map((item) => idOf(crypto, salt, item)).toSorted(compareBytes);
    left -= ids.length;
    writer.fixed(idToBytes(dbId)).varint(ids.length);
    for (const id of ids) writer.fixed(id);
  }
  if (parts.length === 0) return writer.toBytes();
  const ids = parts.map((hash) => idOf(crypto, salt, { hash: idToBytes(hash) })).toSorted(compareBytes);
  writer.varint(ids.length);
  for (const id of ids) writer.fixed(id);
  return writer.toBytes();
}

/**
 * Say how many bytes of files a bundle would hold, and how many it would leave out.
 *
 * @throws as {@link writeBundle}
 */
export async function measureFiles(
  place: BundlePlace,
  summary: Uint8Array | undefined,
  maxFileBytes: number,
): Promise<{ readonly fileBytes: number; readonly leftOutBytes: number }> {
  const known = summary === undefined ? undefined : readSummary(place, summary);
  const { fileBytes, leftOutBytes } = await chooseFiles(place, hasWholeIn(place, known), maxFileBytes);
  return { fileBytes, leftOutBytes };
}

function hasWholeIn({ crypto }: BundlePlace, known: Summary | undefined): (hash: CommitHash) => boolean {
  return (hash) =>
    known !== undefined && isAmong(known.partIds, idOf(crypto, known.salt, { hash: idToBytes(hash) }));
}

/**
 * Write what a device lacks that gave this summary, piece by piece; without one everything; of contents of files at most so many bytes.
 *
 * @throws `protocol/version`, `protocol/malformed` for a summary that cannot be read, `input/unknown-id` for one of another tenant
 */
export async function* writeBundle(
  place: BundlePlace,
  summary?: Uint8Array,
  maxFileBytes = 0,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const known = summary === undefined ? undefined : readSummary(place, summary);
  const pieces = new Pieces();
  const { parts } = await chooseFiles(place, hasWholeIn(place, known), maxFileBytes);
  pieces.add(headOf(place, "bundle", parts.length > 0).toBytes());
  for (const [dbId, { positions }] of await databasesOf(place)) {
    const ids = known?.idsByDb.get(dbId);
    const isKnown = (hash: CommitHash): boolean =>
      known !== undefined &&
      ids !== undefined &&
      isAmong(ids, idOf(place.crypto, known.salt, { hash: idToBytes(hash) }));
    // As they are now: the sets go on growing.
    const hashes = [...positions.keys()];
    for (let at = 0; at < hashes.length; at += batchCount) {
      let left: readonly CommitHash[] = hashes.slice(at, at + batchCount).filter((hash) => !isKnown(hash));
      while (left.length > 0) {
        const { frames, rest } = await readPush(place, dbId, left);
        for (const commit of frames.flatMap(({ commits }) => commits)) {
          pieces.add(encodeFrame({ type: "push", dbId, commits: [commit] }));
          if (pieces.sizeBytes >= batchBytes) yield pieces.take();
        }
        left = rest;
      }
    }
  }
  for await (const frame of writeFiles(place, parts)) {
    pieces.add(frame);
    if (pieces.sizeBytes >= batchBytes) yield pieces.take();
  }
  pieces.add(encodeFrame({ type: "end", more: false }));
  yield pieces.take();
}

/** What is on its way into a file, and too little to be handed on. */
class Pieces {
  #parts: Uint8Array[] = [];
  sizeBytes = 0;

  add(part: Uint8Array): void {
    this.#parts.push(part);
    this.sizeBytes += part.length;
  }

  take(): Uint8Array<ArrayBuffer> {
    const piece = concatBytes(...this.#parts);
    this.#parts = [];
    this.sizeBytes = 0;
    return piece;
  }
}

/** The sets of a device, the directory's first. */
async function databasesOf({ crypto, sets, tenantId }: BundlePlace) {
  const directory = directoryDbId(crypto, tenantId);
  return [...(await sets.read())].toSorted(([a], [b]) => Number(b === directory) - Number(a === directory));
}

/** One bundle being taken in, of pieces of any size. */
export class BundleReading {
  readonly #place: PeerPlace;
  readonly #files: ChunkIntake;
  readonly #frames = createFrameReader(fileBodyReader);
  readonly #refused: { readonly commitHash: CommitHash | undefined }[] = [];
  readonly #counts = { commitCount: 0, newCount: 0, refusedCount: 0 };
  #head: Uint8Array = new Uint8Array(0);
  /** genuine, and not stored yet: of one database */
  #batch: { readonly dbId: DbId; readonly commits: Commit[]; sizeBytes: number } | undefined;
  /** what may come next: chunks only in version 2, and no commits behind them */
  #stage: "commits" | "commits or chunks" | "chunks" | "ended" = "commits";
  #hasFailed = false;

  constructor(place: BundlePlace) {
    this.#place = { ...place, room: { receiveBytes: Infinity } };
    this.#files = new ChunkIntake(place);
  }

  /** Genuine commits so far. */
  get commitCount(): number {
    return this.#counts.commitCount;
  }

  /**
   * Take the next bytes, in order, one call after the other. After a failure it only fails, but {@link close} keeps what came before.
   *
   * @throws `protocol/version`, `protocol/malformed`, `input/unknown-id` for a bundle of another tenant, `store/…`
   */
  async take(piece: Uint8Array): Promise<void> {
    if (this.#hasFailed) throw new CofferError("aborted");
    this.#hasFailed = true;
    this.#frames.push(this.#takeHead(piece));
    for (let next = this.#frames.next(); next.kind !== "needs-more"; next = this.#frames.next()) {
      if (next.kind === "malformed" || this.#stage === "ended") throw new CofferError("protocol/malformed");
      await this.#takeFrame(next.frame);
    }
    if (this.#stage === "ended" && !this.#frames.isAtBoundary())
      throw new CofferError("protocol/malformed", { reason: "after the end" });
    this.#hasFailed = false;
  }

  /** The file is over. @throws `entry/corrupt` when something of it is missing, or contents of files are not what was signed, `store/…` */
  async finish(): Promise<BundleReport> {
    if (this.#hasFailed) throw new CofferError("aborted");
    await this.close();
    const { newFileBytes, wrongCount } = this.#files;
    const counts = { ...this.#counts, newFileBytes };
    const detail = this.#stage !== "ended" ? "cut" : wrongCount > 0 ? "files" : undefined;
    if (detail !== undefined) throw new CofferError("entry/corrupt", { what: "bundle", detail, ...counts });
    return { ...counts, refused: this.#refused };
  }

  /** Store what came whole. @throws `store/…` */
  async close(): Promise<void> {
    const batch = this.#batch;
    this.#batch = undefined;
    if (batch !== undefined)
      this.#counts.newCount += await storeGenuine(this.#place, batch.dbId, batch.commits);
  }

  /** @returns what follows the head */
  #takeHead(piece: Uint8Array): Uint8Array {
    const taken = piece.subarray(0, headBytes - this.#head.length);
    if (taken.length === 0) return piece;
    this.#head = new ByteWriter(headBytes).fixed(this.#head).fixed(taken).toBytes();
    if (this.#head.length === headBytes) {
      const isWithFiles = readHead(this.#place, new ByteReader(this.#head), "bundle") === versions.withFiles;
      if (isWithFiles) this.#stage = "commits or chunks";
    }
    return piece.subarray(taken.length);
  }

  async #takeFrame(frame: Frame | FileFrame): Promise<void> {
    if (frame.type === "end") {
      this.#stage = "ended";
      return;
    }
    if (frame.type === "chunk" && this.#stage !== "commits") {
      this.#stage = "chunks";
      // The commits that chunks are held against are in the log.
      await this.close();
      return this.#files.take(frame);
    }
    if (frame.type !== "push" || this.#stage === "chunks")
      throw new CofferError("protocol/malformed", { reason: frame.type });
    for (const bytes of frame.commits) {
      const verdict = await judgeCommit(this.#place, frame.dbId, bytes);
      if (verdict.kind === "genuine") await this.#keep(frame.dbId, verdict.commit);
      else this.#refuse(verdict.commitHash);
    }
  }

  async #keep(dbId: DbId, commit: Commit): Promise<void> {
    if (this.#batch?.dbId !== dbId) await this.close();
    const batch = (this.#batch ??= { dbId, commits: [], sizeBytes: 0 });
    batch.commits.push(commit);
    batch.sizeBytes += commit.bytes.length;
    this.#counts.commitCount += 1;
    if (batch.commits.length >= batchCount || batch.sizeBytes >= batchBytes) await this.close();
  }

  #refuse(commitHash: CommitHash | undefined): void {
    this.#counts.refusedCount += 1;
    if (this.#refused.length < bundleLimits.refused) this.#refused.push({ commitHash });
  }
}

function headOf({ tenantId }: BundlePlace, kind: keyof typeof kinds, isWithFiles: boolean): ByteWriter {
  const version = isWithFiles ? versions.withFiles : versions.plain;
  return new ByteWriter().fixed(magic).u8(version).u8(kinds[kind]).fixed(idToBytes(tenantId));
}

/** @returns its version */
function readHead(
  { tenantId }: Pick<BundlePlace, "tenantId">,
  reader: ByteReader,
  kind: keyof typeof kinds,
): number {
  const isOurs = equalBytes(reader.fixed(magic.length), magic);
  const theirs = reader.u8();
  const isKind = reader.u8() === kinds[kind];
  const owner = reader.fixed(32);
  if (!isOurs || reader.error !== undefined)
    throw new CofferError("protocol/malformed", { reason: "no file of this kind" });
  if (theirs < versions.plain || theirs > versions.withFiles)
    throw new CofferError("protocol/version", { theirs, ours: versions.withFiles });
  if (!isKind) throw new CofferError("protocol/malformed", { reason: `not a ${kind}` });
  if (!equalBytes(owner, idToBytes(tenantId))) throw new CofferError("input/unknown-id", { what: "tenant" });
  return theirs;
}

interface Summary {
  readonly salt: Uint8Array;
  /** ids side by side, ascending: views of the summary itself */
  readonly idsByDb: ReadonlyMap<DbId, Uint8Array>;
  /** of commits whose chunks are all there, likewise */
  readonly partIds: Uint8Array;
}

function readSummary(place: BundlePlace, bytes: Uint8Array): Summary {
  const reader = new ByteReader(bytes);
  const version = readHead(place, reader, "summary");
  const salt = reader.fixed(saltBytes);
  const idsByDb = new Map<DbId, Uint8Array>();
  const databaseCount = reader.varint(syncLimits.databasesPerTenant);
  let left: number = bundleLimits.summaryIds;
  for (let database = 0; database < databaseCount && reader.error === undefined; database++) {
    const name = reader.fixed(16);
    const count = reader.varint(left);
    if (reader.error !== undefined || count * idBytes > reader.remaining) break;
    const dbId = bytesToId("DbId", name);
    const ids = reader.fixed(count * idBytes);
    if (idsByDb.has(dbId)) reader.fail("database twice");
    if (!isAscending(ids)) reader.fail("order");
    idsByDb.set(dbId, ids);
    left -= count;
  }
  const isWhole = idsByDb.size === databaseCount;
  const partCount = version === versions.withFiles ? reader.varint(bundleLimits.summaryParts) : 0;
  const partIds = reader.fixed(Math.min(partCount * idBytes, reader.remaining));
  if (partIds.length < partCount * idBytes || !isAscending(partIds)) reader.fail("parts");
  if (partCount === 0 && version === versions.withFiles) reader.fail("parts");
  if (!reader.finish() || !isWhole) throw new CofferError("protocol/malformed", { reason: reader.error });
  return { salt, idsByDb, partIds };
}

const idAt = (ids: Uint8Array, index: number): Uint8Array =>
  ids.subarray(index * idBytes, (index + 1) * idBytes);

function isAscending(ids: Uint8Array): boolean {
  for (let index = 1; index * idBytes < ids.length; index++)
    if (compareBytes(idAt(ids, index - 1), idAt(ids, index)) > 0) return false;
  return true;
}

/** Whether an id is among those, which ascend. */
function isAmong(ids: Uint8Array, id: Uint8Array): boolean {
  let low = 0;
  let high = ids.length / idBytes;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareBytes(idAt(ids, middle), id);
    if (order === 0) return true;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return false;
}
