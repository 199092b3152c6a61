/**
 * Frames as bytes. A frame is `u8 type | varint length | body`, body at most {@link syncLimits.frameBytes}.
 *
 * | type | name | body |
 * |---|---|---|
 * | 1 | hello | varint version, replicaId(16) |
 * | 2 | auth | token(16…256): all of the body |
 * | 3 | pull | u8 flags (1 = allDatabases, 2 = full, 4 = leaves), varint maxBytes, varint count, count × cursor |
 * | 4 | commits | dbId(16), varint epoch, varint fromSeq, varint count ≥ 1, count × item |
 * | 5 | push | dbId(16), varint count ≥ 1, count × sized commit |
 * | 6 | ack | dbId(16), varint count ≥ 1, count × result |
 * | 7 | head | dbId(16), varint epoch, varint size, root(32), varint timeMs, signature(64) |
 * | 8 | tenant-head | varint databaseCount, digest(32), varint timeMs, signature(64) |
 * | 9 | error | text code, varint retryAfterMs |
 * | 10 | end | u8 more (0 or 1) |
 * | 11 | ranges | dbId(16), then as reconcile-format.ts says |
 * | 12 | peer | proof(32) |
 * | 13 | databases | varint count, count × (dbId(16), varint size, digest(16)); no database twice |
 * | 14 | note | nothing |
 * | 15 | whisper | dbId(16), sealed(1…4096): all of the rest |
 * | 16, 17, 18, 20 | files, want, chunk, held | between peers and in bundles, see file-frames.ts; whoever reads without them skips them |
 * | 19 | need | dbId(16), varint count ≥ 1, count × commitHash(32) |
 *
 * | part | bytes |
 * |---|---|
 * | cursor | dbId(16), varint epoch, varint seq; no database twice; with flag 4 then u8: 1 = as leaves, 0 = not; one at least is |
 * | item | u8 0, leaf(32) or u8 1, sized commit |
 * | result | commitHash(32), u8 0, varint seq (accepted) or u8 1 (retry) or 2 (refused), text code |
 *
 * A frame of an unknown type is skipped, whatever its body, within the same size limit. A known type with a body that is not
 * exactly its table's is malformed, and so is everything after it: a byte stream that lost its place cannot be trusted again.
 */
import {
  bytesToId,
  ByteReader,
  CofferError,
  isErrorCode,
  type CofferErrorCode,
  type DbId,
} from "../std/index.ts";
import { entryLimits } from "../entry/index.ts";
import { digestBytes, frameTypes, isTokenSize, prefixBytes, statusNames } from "./frame-writer.ts";
import { readRanges, reconcileLimits } from "./reconcile-format.ts";
import { syncLimits, type Frame, type LogCursor, type PushResult, type SignedHead } from "./messages.ts";

export { encodeFrame, encodeFrames, isTokenSize } from "./frame-writer.ts";

const codeBytes = 64;

type FrameOf<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;
type Items = FrameOf<"commits">["items"];

/** What the reader has next: a frame, the end of what arrived so far, or bytes that end the conversation. */
export type FrameVerdict<More = never> =
  | {
      readonly kind: "frame";
      readonly frame: Frame | More;
      /** of the whole frame on the wire */ readonly sizeBytes: number;
    }
  | { readonly kind: "needs-more" }
  | { readonly kind: "malformed"; readonly reason: string };

/** Cuts a byte stream into frames. */
export interface FrameReader<More = never> {
  /** Hand in what arrived. The reader keeps a copy of what it still needs: at most one frame beside this chunk. */
  push(chunk: Uint8Array): void;
  /** Take the next frame. After `malformed` it stays `malformed`. */
  next(): FrameVerdict<More>;
  /** Whether the bytes so far end exactly at a frame's end. */
  isAtBoundary(): boolean;
}

/** How bodies of a type are read: to the frame, or to what is wrong with it; `undefined`: the type is not known. */
export type BodyReaders<More = never> = (
  type: number,
) => ((body: Uint8Array) => Frame | More | string) | undefined;

/**
 * Create a reader for frames that arrive in chunks of any size, of the types of this table or of those that `readers` knows.
 *
 * Never throws. A frame's byte fields are views of memory that belongs to that frame alone. The caller drains `next()` after each
 * `push()`, which bounds the memory to one frame and one chunk.
 */
export function createFrameReader<More = never>(readers: BodyReaders<More> = bodyReader): FrameReader<More> {
  // What arrived and is not taken yet is bytes.subarray(start, end); the array doubles, so that tiny chunks cost no more.
  let bytes = new Uint8Array(0);
  let start = 0;
  let end = 0;
  let skipBytes = 0;
  let malformed: FrameVerdict<More> | undefined;

  const append = (chunk: Uint8Array): void => {
    if (end + chunk.length > bytes.length) {
      const sizeBytes = end - start + chunk.length;
      const roomy = new Uint8Array(Math.max(sizeBytes, (end - start) * 2));
      roomy.set(bytes.subarray(start, end));
      end -= start;
      start = 0;
      bytes = roomy;
    }
    bytes.set(chunk, end);
    end += chunk.length;
  };
  const take = (): FrameVerdict<More> => {
    for (;;) {
      if (malformed !== undefined) return malformed;
      const prefix = readPrefix(bytes.subarray(start, end));
      if (prefix === "needs-more") return { kind: "needs-more" };
      if (prefix === "malformed") return (malformed = { kind: "malformed", reason: "length" });
      const sizeBytes = prefix.offset + prefix.length;
      const at = start;
      const parse = readers(prefix.type);
      if (parse === undefined) {
        start = Math.min(end, at + sizeBytes);
        skipBytes = at + sizeBytes - start;
        continue;
      }
      if (end - at < sizeBytes) return { kind: "needs-more" };
      start += sizeBytes;
      const frame = parse(bytes.slice(at + prefix.offset, start));
      if (typeof frame === "string") return (malformed = { kind: "malformed", reason: frame });
      return { kind: "frame", frame, sizeBytes };
    }
  };
  return {
    push(chunk) {
      if (malformed !== undefined) return;
      const skipped = Math.min(skipBytes, chunk.length);
      skipBytes -= skipped;
      append(chunk.subarray(skipped));
    },
    next: take,
    isAtBoundary: () => malformed === undefined && start === end && skipBytes === 0,
  };
}

/**
 * Read bytes that must be whole frames, such as one WebSocket message or a request's body. Never throws.
 *
 * @returns `undefined` when anything in them is malformed or the last frame is cut
 */
export function decodeFrames(bytes: Uint8Array): readonly Frame[] | undefined {
  const reader = createFrameReader();
  reader.push(bytes);
  const frames: Frame[] = [];
  for (;;) {
    const verdict = reader.next();
    if (verdict.kind === "frame") frames.push(verdict.frame);
    else return verdict.kind === "needs-more" && reader.isAtBoundary() ? frames : undefined;
  }
}

/**
 * Read the whole answer to a request: frames, of which the last is END.
 *
 * @throws `protocol/malformed` for what cannot be frames, `net/failed` for an answer that ends before its END
 */
export function decodeAnswer(bytes: Uint8Array): readonly Frame[] {
  const reader = createFrameReader();
  reader.push(bytes);
  const frames: Frame[] = [];
  let verdict = reader.next();
  for (; verdict.kind === "frame"; verdict = reader.next()) frames.push(verdict.frame);
  if (verdict.kind === "malformed") throw new CofferError("protocol/malformed", { reason: verdict.reason });
  if (!reader.isAtBoundary() || frames.at(-1)?.type !== "end")
    throw new CofferError("net/failed", { reason: "cut" });
  return frames;
}

interface Prefix {
  readonly type: number;
  readonly length: number;
  readonly offset: number;
}

function readPrefix(bytes: Uint8Array): Prefix | "needs-more" | "malformed" {
  let length = 0;
  for (let offset = 1; offset < prefixBytes; offset++) {
    const byte = bytes[offset];
    if (byte === undefined) return "needs-more";
    length += (byte & 127) * 128 ** (offset - 1);
    if (byte >= 128) continue;
    const isShortest = byte !== 0 || offset === 1;
    return isShortest && length <= syncLimits.frameBytes
      ? { type: bytes[0] ?? 0, length, offset: offset + 1 }
      : "malformed";
  }
  return "malformed";
}

type KnownType = (typeof frameTypes)[keyof typeof frameTypes];

function isKnownType(type: number): type is KnownType {
  return (type >= frameTypes.hello && type <= frameTypes.whisper) || type === frameTypes.need;
}

/** How bodies of the types of this table are read. */
export function bodyReader(type: number): ((body: Uint8Array) => Frame | string) | undefined {
  if (!isKnownType(type)) return undefined;
  return (body) => {
    const reader = new ByteReader(body);
    const frame = readBody(type, reader);
    return reader.finish() ? frame : (reader.error ?? "malformed");
  };
}

function readBody(type: KnownType, reader: ByteReader): Frame {
  switch (type) {
    case frameTypes.hello:
      return { type: "hello", version: reader.varint(), replicaId: reader.fixed(16) };
    case frameTypes.auth:
      if (!isTokenSize(reader.remaining)) reader.fail("token");
      return { type: "auth", token: reader.fixed(reader.remaining) };
    case frameTypes.pull:
      return readPull(reader);
    case frameTypes.commits:
      return readCommits(reader);
    case frameTypes.push: {
      const dbId = readDbId(reader);
      return { type: "push", dbId, commits: readList(reader, () => readCommit(reader)) };
    }
    case frameTypes.ack: {
      const dbId = readDbId(reader);
      return { type: "ack", dbId, results: readList(reader, () => readResult(reader)) };
    }
    case frameTypes.need: {
      const dbId = readDbId(reader);
      return { type: "need", dbId, commits: readList(reader, () => readId(reader, "CommitHash", 32)) };
    }
    case frameTypes.head:
      return { type: "head", ...readHead(reader) };
    case frameTypes["tenant-head"]: {
      const databaseCount = reader.varint(syncLimits.databasesPerTenant);
      return {
        type: "tenant-head",
        databaseCount,
        digest: reader.fixed(32),
        timeMs: reader.varint(),
        signature: reader.fixed(64),
      };
    }
    case frameTypes.error:
      return { type: "error", code: readCode(reader), retryAfterMs: reader.varint() };
    case frameTypes.ranges: {
      const dbId = readDbId(reader);
      const salt = reader.fixed(reconcileLimits.saltBytes).slice();
      return { type: "ranges", dbId, salt, ranges: readRanges(reader) };
    }
    case frameTypes.end: {
      return { type: "end", more: readFlag(reader) };
    }
    case frameTypes.peer:
      return { type: "peer", proof: reader.fixed(32) };
    case frameTypes.databases:
      return { type: "databases", databases: readDatabases(reader) };
    case frameTypes.note:
      return { type: "note" };
    case frameTypes.whisper: {
      const dbId = readDbId(reader);
      const sealed = reader.fixed(reader.remaining);
      if (sealed.length === 0 || sealed.length > syncLimits.whisperBytes) reader.fail("whisper");
      return { type: "whisper", dbId, sealed };
    }
  }
}

/** Ids are made also from bytes that are not there, so that reading goes on to its verdict. */
function readId<Kind extends "DbId" | "CommitHash">(reader: ByteReader, kind: Kind, sizeBytes: number) {
  const bytes = reader.fixed(sizeBytes);
  return bytesToId(kind, reader.error === undefined ? bytes : new Uint8Array(sizeBytes));
}

function readDbId(reader: ByteReader): DbId {
  return readId(reader, "DbId", 16);
}

function readDatabases(reader: ByteReader): FrameOf<"databases">["databases"] {
  const count = reader.varint(syncLimits.databasesPerTenant);
  const byId = new Map<DbId, FrameOf<"databases">["databases"][number]>();
  for (let index = 0; index < count && reader.error === undefined; index++) {
    const dbId = readDbId(reader);
    if (byId.has(dbId)) reader.fail("database twice");
    byId.set(dbId, { dbId, size: reader.varint(), digest: reader.fixed(digestBytes) });
  }
  return [...byId.values()];
}

/** Reads 1 to 4096 items, and no more after the first error, so that a large count costs nothing. */
function readList<T>(reader: ByteReader, readItem: () => T): readonly T[] {
  const count = reader.varint(syncLimits.commitsPerFrame);
  if (count === 0) reader.fail("empty");
  const items: T[] = [];
  while (items.length < count && reader.error === undefined) items.push(readItem());
  return items;
}

function readCommit(reader: ByteReader): Uint8Array {
  return reader.sized(entryLimits.commitBytes);
}

function readPull(reader: ByteReader): Frame {
  const flags = reader.u8();
  if (flags > 7) reader.fail("flag");
  const maxBytes = reader.varint();
  const count = reader.varint(syncLimits.databasesPerTenant);
  const hasLeaves = (flags & 4) !== 0;
  const cursors: LogCursor[] = [];
  const seen = new Set<DbId>();
  while (cursors.length < count && reader.error === undefined) {
    const place = { dbId: readDbId(reader), epoch: reader.varint(), seq: reader.varint() };
    const cursor: LogCursor = hasLeaves && readFlag(reader) ? { ...place, isLeaves: true } : place;
    if (seen.has(cursor.dbId)) reader.fail("database twice");
    seen.add(cursor.dbId);
    cursors.push(cursor);
  }
  if (hasLeaves && !cursors.some(({ isLeaves }) => isLeaves)) reader.fail("flag");
  return { type: "pull", allDatabases: (flags & 1) !== 0, full: (flags & 2) !== 0, cursors, maxBytes };
}

function readFlag(reader: ByteReader): boolean {
  const flag = reader.u8();
  if (flag > 1) reader.fail("flag");
  return flag === 1;
}

function readCommits(reader: ByteReader): Frame {
  const dbId = readDbId(reader);
  const epoch = reader.varint();
  const fromSeq = reader.varint();
  return { type: "commits", dbId, epoch, fromSeq, items: readList(reader, () => readItem(reader)) };
}

function readItem(reader: ByteReader): Items[number] {
  const kind = reader.u8();
  if (kind === 0) return { leaf: readId(reader, "CommitHash", 32) };
  if (kind !== 1) reader.fail("item");
  return { commit: readCommit(reader) };
}

function readResult(reader: ByteReader): PushResult {
  const commitHash = readId(reader, "CommitHash", 32);
  const status = statusNames[reader.u8()];
  if (status === undefined) reader.fail("status");
  if (status === "accepted") return { commitHash, status, seq: reader.varint(), code: undefined };
  return { commitHash, status: status ?? "refused", seq: 0, code: readCode(reader) };
}

function readCode(reader: ByteReader): CofferErrorCode {
  const code = reader.text(codeBytes);
  if (isErrorCode(code)) return code;
  reader.fail("code");
  return "protocol/malformed";
}

function readHead(reader: ByteReader): SignedHead {
  const dbId = readDbId(reader);
  const epoch = reader.varint();
  const size = reader.varint();
  return { dbId, epoch, size, root: reader.fixed(32), timeMs: reader.varint(), signature: reader.fixed(64) };
}
