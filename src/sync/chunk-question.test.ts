/** The question which of many chunks are here: its bytes, and what is none. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesToHex, bytesToId } from "../std/index.ts";
import {
  chunkQuestionLimits,
  encodeChunkAnswer,
  encodeChunkQuestion,
  parseChunkAnswer,
  parseChunkQuestion,
} from "./index.ts";

const asked = [1, 2].map((byte) => ({
  hash: new Uint8Array(32).fill(byte),
  docId: bytesToId("DocId", new Uint8Array(16).fill(byte + 16)),
}));
const receipt = new Uint8Array(64).fill(7);

describe("a question", () => {
  it("has these bytes", () => {
    const bytes = encodeChunkQuestion(asked);
    expect(bytesToHex(bytes)).toBe(
      `010002${"01".repeat(32)}${"11".repeat(16)}${"02".repeat(32)}${"12".repeat(16)}`,
    );
    expect(parseChunkQuestion(bytes)).toEqual(asked);
    const most = Array.from({ length: chunkQuestionLimits.count }, () => asked[0] ?? expect.fail());
    expect(encodeChunkQuestion(most)).toHaveLength(chunkQuestionLimits.bytes);
    expect(parseChunkQuestion(encodeChunkQuestion(most))).toEqual(most);
  });

  it("is none when it is cut, goes on, asks for nothing or too much, or is of another version", () => {
    const bytes = encodeChunkQuestion(asked);
    for (let size = 0; size < bytes.length; size++)
      expect(parseChunkQuestion(bytes.subarray(0, size))).toBeUndefined();
    const head = (...first: readonly number[]): Uint8Array =>
      Uint8Array.from([...first, ...bytes.subarray(first.length)]);
    for (const other of [
      head(0),
      head(2),
      head(1, 0, 1),
      head(1, 0, 3),
      head(1, 1, 2),
      Uint8Array.of(...bytes, 0),
    ])
      expect(parseChunkQuestion(other)).toBeUndefined();
    expect(parseChunkQuestion(Uint8Array.of(1, 0, 0))).toBeUndefined();
    const tooMany = Array.from({ length: chunkQuestionLimits.count + 1 }, () => asked[0] ?? expect.fail());
    expect(parseChunkQuestion(encodeChunkQuestion(tooMany))).toBeUndefined();
  });
});

describe("an answer", () => {
  it("has these bytes", () => {
    const bytes = encodeChunkAnswer([undefined, receipt, undefined]);
    expect(bytesToHex(bytes)).toBe(`010001${"07".repeat(64)}00`);
    expect(parseChunkAnswer(bytes, 3)).toEqual([undefined, receipt, undefined]);
  });

  it("is none when it is about another number of chunks, or not of this form", () => {
    const bytes = encodeChunkAnswer([undefined, receipt]);
    for (let size = 0; size < bytes.length; size++)
      expect(parseChunkAnswer(bytes.subarray(0, size), 2)).toBeUndefined();
    for (const count of [0, 1, 3]) expect(parseChunkAnswer(bytes, count)).toBeUndefined();
    expect(parseChunkAnswer(Uint8Array.of(1, 2), 1)).toBeUndefined();
    expect(parseChunkAnswer(Uint8Array.of(2, 0), 1)).toBeUndefined();
  });

  it("whatever the bytes, neither throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (rest, count) => {
        const bytes = Uint8Array.of(1, 0, count & 7, ...rest);
        const question = parseChunkQuestion(bytes);
        if (question !== undefined) expect(encodeChunkQuestion(question)).toEqual(bytes);
        const answer = parseChunkAnswer(bytes, count);
        if (answer !== undefined) expect(encodeChunkAnswer(answer)).toEqual(bytes);
      }),
    );
  });
});
