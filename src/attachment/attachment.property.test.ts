import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesToId, concatBytes } from "../std/index.ts";
import {
  attachmentField,
  attachmentIdOf,
  derivedField,
  encodeDerived,
  attachmentLimits,
  chunkSizesOf,
  encodePart,
  encodeRecord,
  findDerived,
  findChunks,
  findParts,
  namedParts,
  newAttachmentId,
  readAttachments,
  readDerived,
  readPart,
  readRecord,
  safeType,
  type Part,
} from "./index.ts";

const { chunkBytes, partBytes } = attachmentLimits;
const commitOf = (byte: number) => bytesToId("CommitHash", new Uint8Array(32).fill(byte));
const sizes = fc.oneof(
  fc.integer({ min: 1, max: partBytes }),
  fc
    .integer({ min: -2, max: 2 })
    .chain((by) => fc.integer({ min: 1, max: 15 }).map((count) => count * chunkBytes + by)),
);
const partsOf = fc
  .array(sizes, { maxLength: 6 })
  .map((list) => list.map((sizeBytes, index): Part => ({ commitHash: commitOf(index), sizeBytes })));

/** A file of these sizes as a function: the byte at an offset. */
const byteAt = (offset: number): number => (offset * 31 + (offset >>> 8) * 7) & 255;

describe("ranges", () => {
  it("of a file are what slicing all of its bytes gives, over the borders of parts and chunks", () => {
    const near = (total: number) =>
      fc.oneof(
        fc.integer({ min: 0, max: total + 10 }),
        fc
          .integer({ min: 0, max: Math.ceil(total / chunkBytes) })
          .chain((at) => fc.integer({ min: -2, max: 2 }).map((by) => Math.max(0, at * chunkBytes + by))),
      );
    fc.assert(
      fc.property(
        partsOf.chain((parts) => {
          const total = parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
          return fc.tuple(fc.constant(parts), near(total), near(total));
        }),
        ([parts, a, b]) => {
          const [from, to] = [Math.min(a, b), Math.max(a, b)];
          const total = parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
          // The dull twin: offsets of every byte, as a list of runs.
          const runs: [number, number][] = [];
          let start = 0;
          const starts = parts.map(({ sizeBytes }) => {
            const at = start;
            start += sizeBytes;
            return at;
          });
          for (const slice of findParts(parts, from, to)) {
            const partStart = starts[slice.index] ?? 0;
            let chunkStart = 0;
            const chunkStarts = chunkSizesOf(parts[slice.index]?.sizeBytes ?? 1).map((size) => {
              const at = chunkStart;
              chunkStart += size;
              return at;
            });
            for (const chunk of findChunks(parts[slice.index]?.sizeBytes ?? 1, slice.from, slice.to)) {
              expect(chunk.to).toBeGreaterThan(chunk.from);
              const base = partStart + (chunkStarts[chunk.index] ?? 0);
              runs.push([base + chunk.from, base + chunk.to]);
            }
          }
          const merged = runs.reduce<number[]>((flat, [first, end]) => [...flat, first, end], []);
          const inside = merged.slice(1, -1);
          for (let i = 0; i < inside.length; i += 2) expect(inside[i]).toBe(inside[i + 1]);
          const [first, end] = [Math.min(from, total), Math.min(to, total)];
          expect(merged.length === 0 ? [] : [merged[0], merged.at(-1)]).toEqual(
            first < end ? [first, end] : [],
          );
        },
      ),
    );
  });

  it("cut a small file as bytes are cut", () => {
    const bytes = Uint8Array.from({ length: chunkBytes + 300 }, (_, offset) => byteAt(offset));
    fc.assert(
      fc.property(fc.nat(bytes.length + 9), fc.nat(bytes.length + 9), (from, to) => {
        const chunks = [bytes.subarray(0, chunkBytes), bytes.subarray(chunkBytes)];
        const read = findChunks(bytes.length, from, to).map((slice) =>
          (chunks[slice.index] ?? bytes).subarray(slice.from, slice.to),
        );
        expect(Buffer.compare(concatBytes(...read), bytes.slice(from, to))).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  it("sizes of chunks add up, and all but the last are whole", () => {
    fc.assert(
      fc.property(sizes, (size) => {
        const chunks = chunkSizesOf(size);
        expect(chunks.reduce((sum, chunk) => sum + chunk, 0)).toBe(size);
        expect(chunks.slice(0, -1).every((chunk) => chunk === chunkBytes)).toBe(true);
        expect(chunks.length).toBeLessThanOrEqual(attachmentLimits.chunksPerPart);
      }),
    );
  });
});

describe("records", () => {
  const id = newAttachmentId(new Uint8Array(16).fill(7));

  it("come back as they were written, whatever name and type somebody gave", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 400 }),
        fc.string(),
        partsOf,
        (name, type, parts) => {
          const read = readRecord(id, encodeRecord({ name, type, addedAtMs: 5, parts }));
          expect(read?.parts).toEqual(parts);
          expect(read?.name).toMatch(/^[^/\\\p{Cc}\u202e]{1,255}$/u);
          expect(read?.sizeBytes).toBe(parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
        },
      ),
    );
  });

  it("of any other form are no file, and never throw", () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(readRecord(id, value)).toBeUndefined();
        expect(readPart(value)).toBeUndefined();
      }),
    );
    const good = encodeRecord({ name: "a.txt", type: "text/plain", addedAtMs: 1, parts: [] });
    const bad: object[] = [
      { v: 2 },
      { name: "" },
      { name: "a/b" },
      { name: "a\u202etxt" },
      { name: "x".repeat(256) },
      { type: "text/html; charset=utf-8" },
      { type: "" },
      { at: -1 },
      { at: Number.NaN },
      { parts: [new Uint8Array(36)] },
      { parts: {} },
    ];
    expect(readRecord(id, good)).toBeDefined();
    for (const fields of bad) expect(readRecord(id, { ...good, ...fields })).toBeUndefined();
    expect(readRecord("../../etc", good)).toBeUndefined();
  });

  it("stand in fields of their own, in the order of their adding", () => {
    const other = newAttachmentId(new Uint8Array(16).fill(8));
    const record = (addedAtMs: number) => encodeRecord({ name: "n", type: "", addedAtMs, parts: [] });
    const value = {
      title: "x",
      [attachmentField(id)]: record(9),
      [attachmentField(other)]: record(3),
      "$file:": 1,
    };
    expect(readAttachments(value).map((file) => file.id)).toEqual([other, id]);
    expect(attachmentIdOf(attachmentField(id))).toBe(id);
    expect(["title", "$file:", "$file:..", "$version"].map(attachmentIdOf)).toEqual(Array(4).fill(undefined));
  });
});

describe("parts", () => {
  it("have frozen bytes", () => {
    const part = { commitHash: commitOf(0xab), sizeBytes: 262_145 };
    expect(Buffer.from(encodePart(part)).toString("hex")).toBe(`01${"ab".repeat(32)}00040001`);
    expect(readPart(encodePart(part))).toEqual(part);
    const at = (index: number, byte: number): Uint8Array => {
      const bytes = encodePart(part);
      bytes[index] = byte;
      return bytes;
    };
    expect(readPart(at(0, 2))).toEqual({ ...part, isShared: true });
    expect(encodePart({ ...part, isShared: true })).toEqual(at(0, 2));
    // another version, no bytes, more than a part holds
    expect([at(0, 3), at(0, 0), encodePart({ ...part, sizeBytes: 0 }), at(33, 1)].map(readPart)).toEqual(
      Array(4).fill(undefined),
    );
  });
});

describe("types", () => {
  it("that could run as a page are bytes", () => {
    const kept = ["image/png", "image/webp", "video/mp4", "audio/mpeg", "text/plain", "application/pdf"];
    expect(kept.map(safeType)).toEqual(kept);
    const hostile = [
      "text/html",
      "image/svg+xml",
      "application/xhtml+xml",
      "text/xml",
      "application/javascript",
      "text/css",
      "image/png; text/html",
      "",
    ];
    expect(new Set(hostile.map(safeType))).toEqual(new Set(["application/octet-stream"]));
  });
});

describe("what is made of a file", () => {
  const partOf = (sizeBytes: number) => ({ commitHash: commitOf(0xcd), sizeBytes });

  it("has frozen bytes, and nothing else is read", () => {
    const derived = { type: "image/webp", ofBytes: 300_000, part: partOf(4097) } as const;
    const bytes = encodeDerived(derived);
    expect(Buffer.from(bytes).toString("hex")).toBe(`010100000000000493e001${"cd".repeat(32)}00001001`);
    expect(readDerived("thumbnail", bytes)).toEqual(derived);
    const at = (index: number, byte: number): Uint8Array => {
      const other = bytes.slice();
      other[index] = byte;
      return other;
    };
    // a picture is no text; another version, type, part, size; cut, too long, not bytes
    expect(readDerived("text", bytes)).toBeUndefined();
    const bad = [at(0, 2), at(1, 0), at(1, 4), at(10, 2), at(43, 9), bytes.subarray(1), "text", null];
    expect(bad.map((one) => readDerived("thumbnail", one))).toEqual(bad.map(() => undefined));
  });

  it("is read from any bytes without a throw, and only as it was written", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 40, maxLength: 50 }), fc.boolean(), (bytes, isSound) => {
        if (isSound)
          bytes.set(encodeDerived({ type: "text/plain", ofBytes: 7, part: partOf(9) }).subarray(0, 40));
        const read = readDerived("text", bytes);
        if (read !== undefined) expect(encodeDerived(read)).toEqual(bytes);
      }),
    );
  });

  it("counts for the file as it is, and is among the parts that are named", () => {
    const id = newAttachmentId(new Uint8Array(16).fill(3));
    const file = encodeRecord({ name: "n", type: "", addedAtMs: 1, parts: [partOf(50)] });
    const text = { type: "text/plain", ofBytes: 50, part: partOf(8) } as const;
    const value = { [attachmentField(id)]: file, [derivedField(id, "text")]: encodeDerived(text) };
    expect(findDerived(value, { id, sizeBytes: 50 }, "text")).toEqual(text);
    expect(findDerived(value, { id, sizeBytes: 51 }, "text")).toBeUndefined();
    expect(findDerived(value, { id, sizeBytes: 50 }, "thumbnail")).toBeUndefined();
    expect(namedParts(value)).toEqual([partOf(50), partOf(8)]);
    expect(readAttachments(value)).toHaveLength(1);
    // What was made of a file that is gone is nothing.
    expect(namedParts({ [derivedField(id, "text")]: encodeDerived(text) })).toEqual([]);
  });
});
