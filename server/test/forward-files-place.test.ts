import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeFilesPlace,
  encodeFilesPlace,
  filesPlaceOf,
  goThrough,
  maxMissing,
  type FilesPlace,
} from "../src/forward-files-place.ts";
import { addRange, nextIn, rangesOf, removeRange, type SeqRange, type SeqRanges } from "../src/seq-ranges.ts";

const place: FilesPlace = {
  epoch: 300,
  farEpoch: 7,
  seq: 400,
  missing: [
    { from: 1, to: 3 },
    { from: 300, to: 301 },
  ],
};
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

describe("a place of files in the storage", () => {
  it("is these bytes, and comes back", () => {
    expect(hex(encodeFilesPlace(place))).toBe("01ac02079003" + "020102ac0201");
    expect(decodeFilesPlace(encodeFilesPlace(place))).toEqual(place);
    const none = { ...place, missing: [] };
    expect(decodeFilesPlace(encodeFilesPlace(none))).toEqual(none);
  });

  it.each([
    ["nothing", ""],
    ["another version", "02ac02079003" + "020102ac0201"],
    ["a cut end", "01ac02079003" + "020102ac02"],
    ["more than a place", "01ac02079003" + "0000"],
    ["a range of nothing", "01ac02079003" + "010100"],
    ["a range beyond what was gone through", "01ac02079003" + "01019003"],
    ["ranges that do not rise", "01ac02079003" + "02ac02010102"],
    ["ranges that touch", "01ac02079003" + "0201020301"],
    ["too many ranges", "01ac02079003" + "8102"],
    ["a count without end", "01ffffffffffffffffffff"],
  ])("is not %s", (_, text) => {
    expect(decodeFilesPlace(bytesOf(text))).toBeUndefined();
  });
});

describe("where files go on", () => {
  const there = { farEpoch: 7, acknowledged: 500 };
  it("is the place that is known, while both logs are what they were, and the start otherwise", () => {
    const anew = { epoch: 300, farEpoch: 7, seq: 0, missing: [] };
    expect(filesPlaceOf({ epoch: 300 }, place, there)).toBe(place);
    expect(filesPlaceOf({ epoch: 300 }, undefined, there)).toEqual(anew);
    expect(filesPlaceOf({ epoch: 301 }, place, there)).toEqual({ ...anew, epoch: 301 });
    expect(filesPlaceOf({ epoch: 300 }, place, { ...there, farEpoch: 8 })).toEqual({ ...anew, farEpoch: 8 });
    expect(filesPlaceOf({ epoch: 300 }, place, { ...there, acknowledged: 399 })).toEqual(anew);
  });

  it("is behind what was gone through, with what is missing of it", () => {
    expect(goThrough(place, { from: 400, to: 450 }, [410, 411])).toEqual({
      ...place,
      seq: 450,
      missing: [...place.missing, { from: 410, to: 412 }],
    });
    expect(goThrough(place, { from: 1, to: 3 }, [2])).toEqual({
      ...place,
      missing: [
        { from: 2, to: 3 },
        { from: 300, to: 301 },
      ],
    });
    expect(goThrough(place, { from: 1, to: 301 }, [])).toEqual({ ...place, missing: [] });
  });

  it("forgets nothing, however much is missing, and stays small", () => {
    let after: FilesPlace = { ...place, seq: 0, missing: [] };
    const missing = Array.from({ length: 1000 }, (_, index) => 10 * index + (index > 500 ? 1000 : 0));
    for (const seq of missing) after = goThrough(after, { from: after.seq, to: seq + 1 }, [seq]);
    expect(after.missing.length).toBe(maxMissing);
    for (const seq of missing)
      expect(after.missing.some(({ from, to }) => from <= seq && seq < to)).toBe(true);
    expect(decodeFilesPlace(encodeFilesPlace(after))).toEqual(after);
  });
});

describe("ranges", () => {
  const steps = fc.array(fc.record({ adds: fc.boolean(), from: fc.nat(60), length: fc.nat(12) }), {
    maxLength: 40,
  });
  const seqsOf = (ranges: SeqRanges): number[] =>
    ranges.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, index) => from + index));

  const play = (all: readonly { adds: boolean; from: number; length: number }[], maxCount: number) => {
    let ranges: SeqRanges = [];
    const plain = new Set<number>();
    for (const { adds, from, length } of all) {
      const one: SeqRange = { from, to: from + length };
      ranges = adds ? addRange(ranges, one, maxCount) : removeRange(ranges, one, maxCount);
      for (const seq of seqsOf([one]))
        if (adds) plain.add(seq);
        else plain.delete(seq);
      for (const [at, { from: begin, to }] of ranges.entries()) {
        expect(begin).toBeLessThan(to);
        expect(begin).toBeGreaterThan(ranges[at - 1]?.to ?? -1);
      }
      expect(ranges.length).toBeLessThanOrEqual(maxCount);
    }
    return { ranges: seqsOf(ranges), plain: [...plain].sort((a, b) => a - b) };
  };

  it("are what a plain set of places is, while there is room", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const { plain, ranges } = play(all, 1000);
        expect(ranges).toEqual(plain);
      }),
    );
  });

  it("of places that rise are these, and lead from each to the next", () => {
    const some = fc.uniqueArray(fc.nat(80), { maxLength: 40 }).map((seqs) => seqs.sort((a, b) => a - b));
    fc.assert(
      fc.property(some, fc.nat(90), fc.integer({ min: 1, max: 4 }), (seqs, from, maxCount) => {
        const ranges = rangesOf(seqs, 1000);
        expect(seqsOf(ranges)).toEqual(seqs);
        const next = nextIn(ranges, from);
        expect(next?.from).toBe(seqs.find((seq) => seq >= from));
        if (next !== undefined) expect(seqs).not.toContain(next.to);
        const fewer = rangesOf(seqs, maxCount);
        expect(fewer.length).toBeLessThanOrEqual(maxCount);
        for (const seq of seqs) expect(seqsOf(fewer)).toContain(seq);
        expect(fewer[0]?.from).toBe(seqs[0]);
      }),
    );
  });

  it("hold all of it and more, where there is not", () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 5 }), (all, maxCount) => {
        const { plain, ranges } = play(all, maxCount);
        for (const seq of plain) expect(ranges).toContain(seq);
      }),
    );
  });
});
