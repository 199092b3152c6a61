import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { AssertionError } from "./assert.ts";
import { bytesToBase64url, parseBase64url } from "./base64url.ts";
import {
  bytesToHex,
  compareBytes,
  concatBytes,
  equalBytes,
  equalBytesConstantTime,
  parseHex,
} from "./bytes.ts";
import { ByteReader, ByteWriter } from "./codec.ts";
import { bytesToId, idSizes, idToBytes, parseId } from "./ids.ts";

describe("the canonical encoding", () => {
  const value = fc.oneof(
    fc.record({ kind: fc.constant("u8" as const), value: fc.nat(255) }),
    fc.record({ kind: fc.constant("u16" as const), value: fc.nat(65_535) }),
    fc.record({ kind: fc.constant("u32" as const), value: fc.nat(0xffff_ffff) }),
    fc.record({ kind: fc.constant("u64" as const), value: fc.maxSafeNat() }),
    fc.record({ kind: fc.constant("varint" as const), value: fc.maxSafeNat() }),
  );

  it("gives back any sequence of numbers, texts and bytes", () => {
    fc.assert(
      fc.property(
        fc.array(value),
        fc.string({ unit: "grapheme" }),
        fc.uint8Array(),
        (numbers, text, bytes) => {
          const writer = new ByteWriter(1);
          for (const { kind, value: number } of numbers) writer[kind](number);
          writer.text(text).sized(bytes).fixed(bytes);
          const reader = new ByteReader(writer.toBytes());
          for (const { kind, value: number } of numbers) expect(reader[kind]()).toBe(number);
          expect(reader.text(10_000)).toBe(text);
          expect([...reader.sized(10_000)]).toEqual([...bytes]);
          expect([...reader.fixed(bytes.length)]).toEqual([...bytes]);
          expect(reader.finish()).toBe(true);
        },
      ),
    );
  });

  it("writes each varint in its shortest form and reads no other", () => {
    expect([...new ByteWriter().varint(300).toBytes()]).toEqual([0xac, 0x02]);
    for (const bytes of [[0x80, 0x00], [0xff, 0x80, 0x00], Array.from({ length: 9 }, () => 0xff)]) {
      const reader = new ByteReader(new Uint8Array(bytes));
      reader.varint();
      expect(reader.finish(), bytes.join(" ")).toBe(false);
    }
  });

  it("remembers the first error, and reads zero values from then on", () => {
    const reader = new ByteReader(new Uint8Array([5, 1, 2]));
    expect(reader.sized(4)).toHaveLength(0);
    expect(reader.error).toBe("number over its limit");
    expect([reader.u8(), reader.u32(), reader.varint(), reader.text(9)]).toEqual([0, 0, 0, ""]);
    expect(reader.finish()).toBe(false);
    expect(reader.error).toBe("number over its limit");
  });

  it("bounds lengths before it takes memory, and refuses bytes that are left", () => {
    const huge = new ByteReader(new ByteWriter().varint(Number.MAX_SAFE_INTEGER).toBytes());
    expect(huge.sized(1024)).toHaveLength(0);
    expect(huge.finish()).toBe(false);
    const left = new ByteReader(new Uint8Array([1, 2]));
    left.u8();
    expect(left.finish()).toBe(false);
    expect(left.error).toBe("trailing bytes");
  });

  it("refuses text that is not UTF-8, and integers that are not safe", () => {
    const text = new ByteReader(new Uint8Array([2, 0xc3, 0x28]));
    expect(text.text(10)).toBe("");
    expect(text.finish()).toBe(false);
    const large = new ByteReader(new Uint8Array(8).fill(0xff));
    expect(large.u64()).toBe(0);
    expect(large.finish()).toBe(false);
  });

  it("never throws, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(fc.nat(6)), (bytes, steps) => {
        const reader = new ByteReader(bytes);
        for (const step of steps) {
          [
            () => reader.u8(),
            () => reader.u16(),
            () => reader.u32(),
            () => reader.u64(),
            () => reader.varint(),
            () => reader.sized(32),
            () => reader.text(32),
          ][step]?.();
        }
        reader.finish();
        expect(reader.offset).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });

  it("treats a value that does not fit as a bug of the writer", () => {
    expect(() => new ByteWriter().u8(256)).toThrow(AssertionError);
    expect(() => new ByteWriter().varint(-1)).toThrow(AssertionError);
    expect(() => new ByteWriter().u64(2 ** 53)).toThrow(AssertionError);
    expect(() => new ByteWriter().fixed(new Uint8Array(3), 4)).toThrow(AssertionError);
  });
});

describe("base64url and hexadecimal", () => {
  it("give back any bytes, and agree with Node", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = bytesToBase64url(bytes);
        expect(text).toBe(Buffer.from(bytes).toString("base64url"));
        expect([...(parseBase64url(text) ?? [])]).toEqual([...bytes]);
        expect(bytesToHex(bytes)).toBe(Buffer.from(bytes).toString("hex"));
        expect([...(parseHex(bytesToHex(bytes)) ?? [])]).toEqual([...bytes]);
      }),
    );
  });

  it.each(["A", "AB", "AAB", "AA==", "A+/=", "AA\n", "ÄÄ", "A A"])(
    "refuse %j, which is not canonical",
    (text) => {
      expect(parseBase64url(text)).toBeUndefined();
    },
  );

  it("read only what they would have written", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), (text) => {
        const bytes = parseBase64url(text);
        if (bytes !== undefined) expect(bytesToBase64url(bytes)).toBe(text);
      }),
    );
    for (const text of ["0", "0g", "zz"]) expect(parseHex(text)).toBeUndefined();
  });
});

describe("bytes", () => {
  it("compare as their hexadecimal digits do, and equal themselves only", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6 }), fc.uint8Array({ maxLength: 6 }), (a, b) => {
        const [left, right] = [bytesToHex(a), bytesToHex(b)];
        expect(Math.sign(compareBytes(a, b))).toBe(left < right ? -1 : left > right ? 1 : 0);
        expect(equalBytes(a, b)).toBe(left === right);
        expect(equalBytesConstantTime(a, b)).toBe(left === right);
        expect(bytesToHex(concatBytes(a, b))).toBe(left + right);
      }),
    );
  });
});

describe("ids", () => {
  it("come back from their text, and from nothing of another size", () => {
    for (const [kind, sizeBytes] of Object.entries(idSizes) as [keyof typeof idSizes, number][]) {
      const bytes = new Uint8Array(sizeBytes).map((_, i) => i * 7);
      const id = bytesToId(kind, bytes);
      expect(parseId(kind, id)).toBe(id);
      expect([...idToBytes(id)]).toEqual([...bytes]);
      expect(parseId(kind, id.slice(1))).toBeUndefined();
      expect(() => bytesToId(kind, bytes.subarray(1))).toThrow(AssertionError);
    }
  });

  it.each([undefined, null, 7, "", "../../etc/passwd", "A".repeat(10_000), "__proto__", "%2e%2e", "ＣＯＮ"])(
    "refuse %j",
    (text) => {
      for (const kind of Object.keys(idSizes) as (keyof typeof idSizes)[])
        expect(parseId(kind, text)).toBeUndefined();
    },
  );
});
