import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes } from "../std/index.ts";
import { padInto, paddedSizeBytes, sealedSizeBytes, unpad } from "./padding.ts";
import { runsOf } from "../std/runs-fixtures.ts";

function pad(plaintext: Uint8Array): Uint8Array<ArrayBuffer> {
  const padded = new Uint8Array(paddedSizeBytes(plaintext.length));
  padInto(padded, plaintext);
  return padded;
}

describe("padding", () => {
  it("gives back what went in", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), (plaintext) => {
        const padded = pad(plaintext);
        expect(padded).toHaveLength(paddedSizeBytes(plaintext.length));
        expect(unpad(padded)).toEqual(plaintext);
      }),
    );
  });

  it("follows PADMÉ: never smaller, at most 12 % more, few classes", () => {
    const classes = new Set<number>();
    let isBounded = true;
    for (let size = 0; size < 100_000; size++) {
      const prefixed = size + (size < 128 ? 1 : size < 16_384 ? 2 : 3);
      const padded = paddedSizeBytes(size);
      isBounded &&= padded >= prefixed && padded <= prefixed * 1.12 + 1;
      classes.add(padded);
    }
    expect(isBounded).toBe(true);
    expect(classes.size).toBe(189);
  });

  it.each([
    [0, 1],
    [1, 2],
    [8, 9 + 1],
    [200, 208],
    [1000, 1024],
    [262_144, 270_336],
    [524_288, 540_672],
  ])("pads %i bytes to %i", (size, padded) => {
    expect(paddedSizeBytes(size)).toBe(padded);
    expect(sealedSizeBytes(size)).toBe(padded + 16);
  });

  it("refuses what it would not have written", () => {
    const padded = pad(new Uint8Array(200).fill(1));
    const lastByte = padded.slice();
    lastByte[padded.length - 1] = 1;
    expect(unpad(lastByte)).toBeUndefined();
    expect(unpad(padded.subarray(0, padded.length - 1))).toBeUndefined();
    expect(unpad(concatBytes(padded, new Uint8Array(1)))).toBeUndefined();
    expect(unpad(new Uint8Array(0))).toBeUndefined();
    expect(unpad(new Uint8Array([0x80, 0x00]))).toBeUndefined();
    expect(unpad(new Uint8Array([5, 1, 2]))).toBeUndefined();
    expect(unpad(new Uint8Array([0]))).toEqual(new Uint8Array(0));
  });

  it("gives a verdict on any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const plaintext = unpad(bytes);
        if (plaintext !== undefined) expect(pad(plaintext)).toEqual(bytes);
      }),
      { numRuns: runsOf(1000) },
    );
  });
});
