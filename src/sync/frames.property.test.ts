import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToId, errorCodes } from "../std/index.ts";
import { createFrameReader, decodeFrames, encodeFrames } from "./frames.ts";
import type { Frame } from "./messages.ts";
import { runsOf } from "../std/runs-fixtures.ts";

const bytes = (sizeBytes: number) => fc.uint8Array({ minLength: sizeBytes, maxLength: sizeBytes });
const dbId = bytes(16).map((id) => bytesToId("DbId", id));
const commitHash = bytes(32).map((hash) => bytesToId("CommitHash", hash));
const size = fc.maxSafeNat();
const commit = fc.uint8Array({ maxLength: 60 });
const code = fc.constantFrom(...errorCodes);
const head = { epoch: size, size, root: bytes(32), timeMs: size, signature: bytes(64) };
const result = fc.oneof(
  fc.record({
    commitHash,
    status: fc.constant("accepted" as const),
    seq: size,
    code: fc.constant(undefined),
  }),
  fc.record({
    commitHash,
    status: fc.constantFrom("retry" as const, "refused" as const),
    seq: fc.constant(0),
    code,
  }),
);
const cursor = fc.record(
  { dbId, epoch: size, seq: size, isLeaves: fc.constant(true as const) },
  { requiredKeys: ["dbId", "epoch", "seq"] },
);

/** Any frame within its limits. */
const frameArbitrary: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ type: fc.constant("hello" as const), version: fc.nat(), replicaId: bytes(16) }),
  fc.record({ type: fc.constant("auth" as const), token: fc.uint8Array({ minLength: 16, maxLength: 256 }) }),
  fc.record({
    type: fc.constant("pull" as const),
    allDatabases: fc.boolean(),
    full: fc.boolean(),
    cursors: fc.uniqueArray(cursor, { maxLength: 5, selector: (one) => one.dbId }),
    maxBytes: size,
  }),
  fc.record({
    type: fc.constant("commits" as const),
    dbId,
    epoch: size,
    fromSeq: size,
    items: fc.array(fc.oneof(fc.record({ commit }), fc.record({ leaf: commitHash })), {
      minLength: 1,
      maxLength: 5,
    }),
  }),
  fc.record({
    type: fc.constant("push" as const),
    dbId,
    commits: fc.array(commit, { minLength: 1, maxLength: 5 }),
  }),
  fc.record({
    type: fc.constant("ack" as const),
    dbId,
    results: fc.array(result, { minLength: 1, maxLength: 5 }),
  }),
  fc.record({
    type: fc.constant("need" as const),
    dbId,
    commits: fc.array(commitHash, { minLength: 1, maxLength: 5 }),
  }),
  fc.record({ type: fc.constant("head" as const), dbId, ...head }),
  fc.record({
    type: fc.constant("tenant-head" as const),
    databaseCount: fc.nat(10_000),
    digest: bytes(32),
    timeMs: size,
    signature: bytes(64),
  }),
  fc.record({ type: fc.constant("error" as const), code, retryAfterMs: size }),
  fc.record({ type: fc.constant("end" as const), more: fc.boolean() }),
  fc.record({ type: fc.constant("peer" as const), proof: bytes(32) }),
  fc.record({
    type: fc.constant("databases" as const),
    databases: fc.uniqueArray(fc.record({ dbId, size, digest: bytes(16) }), {
      maxLength: 5,
      selector: (one) => one.dbId,
    }),
  }),
  fc.record({ type: fc.constant("note" as const) }),
  fc.record({
    type: fc.constant("whisper" as const),
    dbId,
    sealed: fc.uint8Array({ minLength: 1, maxLength: 4096 }),
  }),
);

test("frames come back as they went in, in chunks of any size, with unknown types between", () => {
  const unknown = fc.record({
    type: fc.integer({ min: 16, max: 255 }).filter((type) => type !== 19),
    body: fc.uint8Array({ maxLength: 100 }),
  });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(frameArbitrary, unknown), { maxLength: 6 }),
      fc.integer({ min: 1, max: 300 }),
      (pairs, chunkBytes) => {
        const frames = pairs.map(([frame]) => frame);
        const parts = pairs.flatMap(([frame, { type, body }]) => [
          ...encodeFrames([frame]),
          type,
          body.length,
          ...body,
        ]);
        const bytes = Uint8Array.from(parts);
        const reader = createFrameReader();
        const found: Frame[] = [];
        for (let at = 0; at < bytes.length; at += chunkBytes) {
          reader.push(bytes.subarray(at, at + chunkBytes));
          for (let verdict = reader.next(); verdict.kind !== "needs-more"; verdict = reader.next()) {
            if (verdict.kind === "malformed") throw new Error(verdict.reason);
            found.push(verdict.frame);
          }
        }
        expect(found).toEqual(frames);
        expect(reader.isAtBoundary()).toBe(true);
        expect(decodeFrames(encodeFrames(frames))).toEqual(frames);
      },
    ),
    { numRuns: runsOf(500) },
  );
});

test("frames with one byte changed or cut give the same verdict whole and in chunks", () => {
  fc.assert(
    fc.property(
      fc.array(frameArbitrary, { minLength: 1, maxLength: 4 }),
      fc.nat(),
      fc.integer({ min: 0, max: 255 }),
      fc.nat(),
      (frames, at, byte, cut) => {
        const bytes = encodeFrames(frames);
        bytes[at % bytes.length] = byte;
        const whole = bytes.subarray(0, bytes.length - (cut % 3));
        const reader = createFrameReader();
        const found: unknown[] = [];
        let isMalformed = false;
        for (let i = 0; i < whole.length; i++) {
          reader.push(whole.subarray(i, i + 1));
          const verdict = reader.next();
          if (verdict.kind === "frame") found.push(verdict.frame);
          if (verdict.kind === "malformed") isMalformed = true;
        }
        const isWhole = !isMalformed && reader.isAtBoundary();
        expect(decodeFrames(whole)).toEqual(isWhole ? found : undefined);
      },
    ),
    { numRuns: runsOf(500) },
  );
});
