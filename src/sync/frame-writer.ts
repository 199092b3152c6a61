/** Writes frames; their table is in frames.ts. */
import { assert, ByteWriter, concatBytes, idToBytes } from "../std/index.ts";
import { syncLimits, type Frame, type PushResult } from "./messages.ts";
import { reconcileLimits, writeRanges } from "./reconcile-format.ts";

/** The number of each type of frame. */
export const frameTypes = {
  hello: 1,
  auth: 2,
  pull: 3,
  commits: 4,
  push: 5,
  ack: 6,
  head: 7,
  "tenant-head": 8,
  error: 9,
  end: 10,
  ranges: 11,
  peer: 12,
  databases: 13,
  note: 14,
  whisper: 15,
  need: 19,
} as const;

/** In the order of their numbers. */
export const statusNames = ["accepted", "retry", "refused"] as const;
/** Of a database, among DATABASES. */
export const digestBytes = 16;
/** u8 type and a varint length of at most 4 bytes. */
export const prefixBytes = 5;

type FrameOf<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;

/** A token is the server's own business; a client only carries it. */
export function isTokenSize(sizeBytes: number): boolean {
  return sizeBytes >= 16 && sizeBytes <= 256;
}

/**
 * Write frames one after another.
 *
 * The caller keeps the limits: sizes of ids and keys, {@link syncLimits.frameBytes} for each body.
 */
export function encodeFrames(frames: readonly Frame[]): Uint8Array<ArrayBuffer> {
  return concatBytes(...frames.map(encodeFrame));
}

/** Write one frame. */
export function encodeFrame(frame: Frame): Uint8Array<ArrayBuffer> {
  const body = new ByteWriter();
  writeBody(body, frame);
  assert(body.length <= syncLimits.frameBytes, "frames: too large");
  return new ByteWriter(body.length + prefixBytes).u8(frameTypes[frame.type]).sized(body.toBytes()).toBytes();
}

function writeBody(writer: ByteWriter, frame: Frame): void {
  switch (frame.type) {
    case "hello":
      writer.varint(frame.version).fixed(frame.replicaId, 16);
      return;
    case "ranges":
      writer.fixed(idToBytes(frame.dbId)).fixed(frame.salt, reconcileLimits.saltBytes);
      writeRanges(writer, frame.ranges);
      return;
    case "auth":
      assert(isTokenSize(frame.token.length), "frames: a token");
      writer.fixed(frame.token);
      return;
    case "pull":
      writePull(writer, frame);
      return;
    case "commits":
      writeCommits(writer, frame);
      return;
    case "push":
      writer.fixed(idToBytes(frame.dbId)).varint(notEmpty(frame.commits).length);
      for (const commit of frame.commits) writer.sized(commit);
      return;
    case "ack":
      writer.fixed(idToBytes(frame.dbId)).varint(notEmpty(frame.results).length);
      for (const result of frame.results) writeResult(writer, result);
      return;
    case "need":
      writer.fixed(idToBytes(frame.dbId)).varint(notEmpty(frame.commits).length);
      for (const commit of frame.commits) writer.fixed(idToBytes(commit));
      return;
    case "head":
      writer.fixed(idToBytes(frame.dbId)).varint(frame.epoch).varint(frame.size).fixed(frame.root, 32);
      writer.varint(frame.timeMs).fixed(frame.signature, 64);
      return;
    case "tenant-head":
      writer
        .varint(frame.databaseCount)
        .fixed(frame.digest, 32)
        .varint(frame.timeMs)
        .fixed(frame.signature, 64);
      return;
    case "error":
      writer.text(frame.code).varint(frame.retryAfterMs);
      return;
    case "end":
      writer.u8(frame.more ? 1 : 0);
      return;
    case "peer":
      writer.fixed(frame.proof, 32);
      return;
    case "databases":
      writer.varint(frame.databases.length);
      for (const { dbId, size, digest } of frame.databases)
        writer.fixed(idToBytes(dbId)).varint(size).fixed(digest, digestBytes);
      return;
    case "whisper":
      assert(
        frame.sealed.length > 0 && frame.sealed.length <= syncLimits.whisperBytes,
        "frames: a whisper is short",
      );
      writer.fixed(idToBytes(frame.dbId)).fixed(frame.sealed);
      return;
    case "note":
  }
}

function notEmpty<T>(list: readonly T[]): readonly T[] {
  assert(list.length > 0 && list.length <= syncLimits.commitsPerFrame, "frames: 1 to 4096 in a frame");
  return list;
}

function writePull(writer: ByteWriter, frame: FrameOf<"pull">): void {
  assert(frame.cursors.length <= syncLimits.databasesPerTenant, "frames: so many databases");
  const hasLeaves = frame.cursors.some(({ isLeaves }) => isLeaves);
  writer
    .u8((frame.allDatabases ? 1 : 0) + (frame.full ? 2 : 0) + (hasLeaves ? 4 : 0))
    .varint(frame.maxBytes)
    .varint(frame.cursors.length);
  for (const { dbId, epoch, seq, isLeaves = false } of frame.cursors) {
    writer.fixed(idToBytes(dbId)).varint(epoch).varint(seq);
    if (hasLeaves) writer.u8(isLeaves ? 1 : 0);
  }
}

function writeCommits(writer: ByteWriter, frame: FrameOf<"commits">): void {
  writer
    .fixed(idToBytes(frame.dbId))
    .varint(frame.epoch)
    .varint(frame.fromSeq)
    .varint(notEmpty(frame.items).length);
  for (const item of frame.items) {
    if ("leaf" in item) writer.u8(0).fixed(idToBytes(item.leaf));
    else writer.u8(1).sized(item.commit);
  }
}

function writeResult(writer: ByteWriter, result: PushResult): void {
  writer.fixed(idToBytes(result.commitHash)).u8(statusNames.indexOf(result.status));
  if (result.status === "accepted") {
    writer.varint(result.seq);
    return;
  }
  assert(result.code !== undefined, "frames: refused with a code");
  writer.text(result.code);
}
