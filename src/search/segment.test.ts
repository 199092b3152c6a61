/** The frozen format of segments: what is frozen is made again alike and opens; everything that failed fails. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToHex, parseHex } from "../std/index.ts";
import { encodeSegment, parseSegment, type IdForm, type SegmentDoc } from "./index.ts";

interface Vectors {
  readonly segment: string;
  /** what most failures are one step away from */
  readonly small: string;
  readonly failures: Readonly<Record<string, string>>;
}

const vectors = JSON.parse(readFileSync(new URL("segment.vectors.json", import.meta.url), "utf8")) as Vectors;
const form: IdForm<string> = {
  toBytes: (id) => parseHex(id) ?? new Uint8Array(0),
  fromBytes: bytesToHex,
};
const fromHex = (hex: string): Uint8Array => parseHex(hex) ?? new Uint8Array(0);

const docs: readonly SegmentDoc<string>[] = [
  {
    id: "00112233445566778899aabbccddeeff",
    stamp: "0102030405060708",
    counts: new Map([
      ["title", new Map([["solar", 1]])],
      [
        "body",
        new Map([
          ["solarium", 127],
          ["𝒳𝒴", 2],
          ["𝒳𝒵", 1],
          ["été", 1],
        ]),
      ],
    ]),
  },
  { id: "f0112233445566778899aabbccddeeff", stamp: "f102030405060708", counts: new Map() },
];

test("a segment is written as it was frozen, and read back", () => {
  expect(bytesToHex(encodeSegment(docs, form))).toBe(vectors.segment);
  expect(parseSegment(fromHex(vectors.segment), form)).toEqual(docs);
  expect(parseSegment(fromHex(vectors.small), form)).toHaveLength(1);
});

test.each(Object.entries(vectors.failures))("refused: %s", (_name, hex) => {
  expect(parseSegment(fromHex(hex), form)).toBeUndefined();
});

test("any bytes give a verdict, and whatever is cut off or changed is refused or reads as something", () => {
  const whole = fromHex(vectors.segment);
  for (let length = 0; length < whole.length; length++)
    expect(parseSegment(whole.subarray(0, length), form)).toBeUndefined();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      parseSegment(bytes, form);
      parseSegment(Uint8Array.of(1, ...bytes), form);
    }),
  );
  fc.assert(
    fc.property(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = whole.slice();
      damaged[at] = (damaged[at] ?? 0) ^ flip;
      const read = parseSegment(damaged, form);
      if (read !== undefined) expect(encodeSegment(read, form).length).toBeGreaterThan(0);
    }),
  );
});

test("a few bytes cannot stand for documents or terms without end", () => {
  // Counts of 2^49 in front of nothing.
  const endless = "ffffffffffffff01";
  for (const hex of [`01${endless}`, `0100${endless}`, `010000${endless}`])
    expect(parseSegment(fromHex(hex), form)).toBeUndefined();
});
