import { describe, expect, test } from "vitest";
import { bytesToHex, bytesToId, concatBytes, parseHex } from "../std/index.ts";
import { createFrameReader, decodeFrames, encodeFrames } from "./frames.ts";
import vectors from "./frames.vectors.json";
import { syncLimits, type Frame } from "./messages.ts";
import { endBound } from "./reconcile-set.ts";

const dbId = bytesToId("DbId", new Uint8Array(16).fill(2));
const hash = bytesToId("CommitHash", new Uint8Array(32).fill(4));
const root = new Uint8Array(32).fill(5);
const signature = new Uint8Array(64).fill(6);
const commit = Uint8Array.of(0xaa, 0xbb, 0xcc);
const bytesOf = (hex: string): Uint8Array<ArrayBuffer> => parseHex(hex) ?? new Uint8Array(0);

const frames: Readonly<Record<keyof typeof vectors.frames, Frame>> = {
  hello: { type: "hello", version: 1, replicaId: new Uint8Array(16).fill(1) },
  auth: { type: "auth", token: new Uint8Array(32).fill(3) },
  "auth-short": { type: "auth", token: new Uint8Array(16).fill(3) },
  "auth-long": { type: "auth", token: new Uint8Array(256).fill(3) },
  pull: {
    type: "pull",
    allDatabases: true,
    full: false,
    maxBytes: 4_194_304,
    cursors: [{ dbId, epoch: 1_700_000_000, seq: 300 }],
  },
  "pull-full": { type: "pull", allDatabases: false, full: true, maxBytes: 0, cursors: [] },
  "pull-leaves": {
    type: "pull",
    allDatabases: true,
    full: false,
    maxBytes: 1,
    cursors: [
      { dbId, epoch: 5, seq: 6 },
      { dbId: bytesToId("DbId", new Uint8Array(16).fill(3)), epoch: 0, seq: 0, isLeaves: true },
    ],
  },
  commits: { type: "commits", dbId, epoch: 7, fromSeq: 9, items: [{ leaf: hash }, { commit }] },
  push: { type: "push", dbId, commits: [commit] },
  ack: {
    type: "ack",
    dbId,
    results: [
      { commitHash: hash, status: "accepted", seq: 200, code: undefined },
      { commitHash: hash, status: "retry", seq: 0, code: "directory/behind" },
      { commitHash: hash, status: "refused", seq: 0, code: "access/denied" },
    ],
  },
  need: { type: "need", dbId, commits: [hash] },
  head: { type: "head", dbId, epoch: 7, size: 11, root, timeMs: 1_700_000_000_000, signature },
  "tenant-head": {
    type: "tenant-head",
    databaseCount: 2,
    digest: root,
    timeMs: 1_700_000_000_000,
    signature,
  },
  error: { type: "error", code: "net/rate-limited", retryAfterMs: 1500 },
  end: { type: "end", more: true },
  ranges: {
    type: "ranges",
    dbId,
    salt: new Uint8Array(8).fill(7),
    ranges: [
      { mode: "skip", upTo: { timeMs: 1_700_000_000_000, prefix: new Uint8Array(0) } },
      {
        mode: "fingerprint",
        upTo: { timeMs: 1_700_000_000_005, prefix: Uint8Array.of(0xaa, 0xbb) },
        fingerprint: new Uint8Array(12).fill(8),
      },
      {
        mode: "ids",
        upTo: { timeMs: 1_700_000_000_005, prefix: Uint8Array.of(0xaa, 0xcc) },
        ids: [new Uint8Array(6).fill(9), new Uint8Array(6).fill(10)],
      },
      { mode: "want", upTo: endBound, ids: [new Uint8Array(6).fill(11)] },
    ],
  },
  peer: { type: "peer", proof: root },
  databases: {
    type: "databases",
    databases: [{ dbId, size: 300, digest: new Uint8Array(16).fill(8) }],
  },
  "databases-none": { type: "databases", databases: [] },
  note: { type: "note" },
  whisper: { type: "whisper", dbId, sealed: Uint8Array.of(1, 2, 3) },
  "ranges-empty": { type: "ranges", dbId, salt: new Uint8Array(8).fill(7), ranges: [] },
};

describe("vectors", () => {
  test.each(Object.entries(frames))("%s", (name, frame) => {
    const hex = vectors.frames[name as keyof typeof vectors.frames];
    expect(bytesToHex(encodeFrames([frame]))).toBe(hex);
    expect(decodeFrames(bytesOf(hex))).toEqual([frame]);
  });
  test.each(Object.entries(vectors.malformed))("%s is malformed", (_name, hex) => {
    expect(decodeFrames(bytesOf(hex))).toBeUndefined();
  });
});

test("after a malformed frame nothing is read, however good", () => {
  const reader = createFrameReader();
  reader.push(concatBytes(bytesOf(vectors.malformed["end: flag 2"]), encodeFrames([frames.end])));
  expect(reader.next().kind).toBe("malformed");
  reader.push(encodeFrames([frames.end]));
  expect(reader.next().kind).toBe("malformed");
  expect(reader.isAtBoundary()).toBe(false);
});

test("a large frame of an unknown type passes through without being kept", () => {
  const reader = createFrameReader();
  const length = syncLimits.frameBytes;
  reader.push(Uint8Array.of(99, (length & 127) | 128, ((length >> 7) & 127) | 128, length >> 14));
  expect(reader.next().kind).toBe("needs-more");
  for (let sent = 0; sent < length; sent += 4096) {
    expect(reader.isAtBoundary()).toBe(false);
    reader.push(new Uint8Array(Math.min(4096, length - sent)));
    expect(reader.next().kind).toBe("needs-more");
  }
  reader.push(encodeFrames([frames.end]));
  expect(reader.next()).toMatchObject({ kind: "frame", frame: frames.end });
});

test("a frame does not change when the chunk it came in does", () => {
  const chunk = encodeFrames([frames.auth]);
  const reader = createFrameReader();
  reader.push(chunk);
  const verdict = reader.next();
  chunk.fill(0);
  expect(verdict).toMatchObject({ kind: "frame", frame: frames.auth });
});
