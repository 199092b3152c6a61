import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { bytesToHex, bytesToId, concatBytes, parseHex } from "../std/index.ts";
import { runsOf } from "../std/runs-fixtures.ts";
import { encodeFileFrame, fileBodyReader, type FileFrame } from "./file-frames.ts";
import vectors from "./file-frames.vectors.json";
import { createFrameReader, decodeFrames, encodeFrame, type FrameVerdict } from "./frames.ts";
import type { Frame } from "./messages.ts";

const place = {
  dbId: bytesToId("DbId", new Uint8Array(16).fill(2)),
  commitHash: bytesToId("CommitHash", new Uint8Array(32).fill(4)),
};
const bytesOf = (hex: string): Uint8Array<ArrayBuffer> => parseHex(hex) ?? new Uint8Array(0);

const frames: Readonly<Record<keyof typeof vectors.frames, FileFrame>> = {
  files: { type: "files" },
  want: { type: "want", ...place, indexes: [0, 3, 15] },
  "want-four": { type: "want", ...place, indexes: [1, 2, 3, 4] },
  held: { type: "held", parts: [place, { ...place, dbId: bytesToId("DbId", new Uint8Array(16).fill(3)) }] },
  chunk: { type: "chunk", ...place, index: 7, ciphertext: Uint8Array.of(0xaa, 0xbb) },
  "chunk-none": { type: "chunk", ...place, index: 15, ciphertext: undefined },
};

function readOne(bytes: Uint8Array): FrameVerdict<FileFrame> {
  const reader = createFrameReader(fileBodyReader);
  reader.push(bytes);
  return reader.next();
}

describe("vectors", () => {
  it.each(Object.entries(frames))("%s is written and read", (name, frame) => {
    const hex = vectors.frames[name as keyof typeof frames];
    expect(bytesToHex(encodeFileFrame(frame))).toBe(hex);
    expect(readOne(bytesOf(hex))).toEqual({ kind: "frame", frame, sizeBytes: hex.length / 2 });
  });

  it.each(Object.entries(vectors.refused))("is refused: %s", (_name, hex) => {
    expect(readOne(bytesOf(hex)).kind).toBe("malformed");
  });
});

test("a chunk of 307,200 bytes is read, and one of more is not", () => {
  const sizes: number[] = [];
  for (const size of [307_200, 307_201]) {
    const chunk: FileFrame = { type: "chunk", ...place, index: 0, ciphertext: new Uint8Array(size) };
    const verdict = readOne(encodeFileFrame(chunk));
    const frame = verdict.kind === "frame" ? verdict.frame : undefined;
    if (frame?.type === "chunk") sizes.push(frame.ciphertext?.length ?? 0);
    else expect(verdict.kind).toBe("malformed");
  }
  expect(sizes).toEqual([307_200]);
});

test("frames of frames.ts whose numbers lie between are read as they are", () => {
  const need: Frame = { type: "need", dbId: place.dbId, commits: [place.commitHash] };
  expect(readOne(encodeFrame(need))).toMatchObject({ kind: "frame", frame: need });
});

test("whoever does not know these frames skips them", () => {
  const note: Frame = { type: "note" };
  const mixed = concatBytes(encodeFileFrame(frames.want), encodeFrame(note), encodeFileFrame(frames.chunk));
  expect(decodeFrames(mixed)).toEqual([note]);
});

test("any bytes in any chunks give verdicts, and come to an end", () => {
  const parts = [...Object.values(frames).map(encodeFileFrame), encodeFrame({ type: "note" })];
  const some = fc.array(fc.oneof(fc.constantFrom(...parts), fc.uint8Array({ maxLength: 80 })), {
    maxLength: 8,
  });
  fc.assert(
    fc.property(some, fc.integer({ min: 1, max: 50 }), (pieces, chunkBytes) => {
      const bytes = concatBytes(...pieces);
      const reader = createFrameReader(fileBodyReader);
      let count = 0;
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        reader.push(bytes.subarray(at, at + chunkBytes));
        let verdict = reader.next();
        for (; verdict.kind === "frame"; verdict = reader.next()) count++;
        if (verdict.kind === "malformed") expect(reader.next().kind).toBe("malformed");
      }
      expect(count).toBeLessThanOrEqual(bytes.length / 2);
    }),
    { numRuns: runsOf(1000) },
  );
});
