/**
 * The canonical encoding under every format: big-endian, length-prefixed, one form for each value.
 *
 * | value | bytes |
 * |---|---|
 * | u8, u16, u32, u64 | big-endian, fixed size; u64 holds safe integers only |
 * | varint | LEB128, shortest form, at most 2^53 - 1 |
 * | fixed bytes | as they are; the format names the size |
 * | sized bytes | varint length, then the bytes |
 * | text | UTF-8 as sized bytes |
 *
 * Reading never throws on bad bytes: the first error is remembered, every later read returns zero values, and the
 * caller asks {@link ByteReader.finish} once. Sizes are bounded before memory is taken.
 */
import { bytesToUtf8, utf8ToBytes } from "./bytes.ts";
import { assert } from "./assert.ts";

const emptyBytes = new Uint8Array(0);

/** Grow a byte string by canonical values. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  /** @param room how many bytes there will be, about, or where to write them; more are taken when they are needed */
  constructor(room: number | Uint8Array<ArrayBuffer> = 256) {
    this.#bytes = typeof room === "number" ? new Uint8Array(room) : room;
  }

  get length(): number {
    return this.#length;
  }

  #room(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
    }
    this.#length = needed;
    return at;
  }

  u8(value: number): this {
    assert(Number.isInteger(value) && value >= 0 && value < 256, "codec: u8");
    const at = this.#room(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    assert(Number.isInteger(value) && value >= 0 && value < 65_536, "codec: u16");
    const at = this.#room(2);
    this.#bytes[at] = value >> 8;
    this.#bytes[at + 1] = value & 255;
    return this;
  }

  u32(value: number): this {
    assert(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff, "codec: u32");
    return this.u16(Math.floor(value / 65_536)).u16(value % 65_536);
  }

  u64(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, "codec: u64");
    return this.u32(Math.floor(value / 0x1_0000_0000)).u32(value % 0x1_0000_0000);
  }

  varint(value: number): this {
    if (value < 128) return this.u8(value);
    assert(Number.isSafeInteger(value), "codec: varint");
    let rest = value;
    while (rest >= 128) {
      this.u8((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    return this.u8(rest);
  }

  fixed(bytes: Uint8Array, sizeBytes = bytes.length): this {
    assert(bytes.length === sizeBytes, "codec: fixed size");
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  sized(bytes: Uint8Array): this {
    return this.varint(bytes.length).fixed(bytes);
  }

  text(value: string): this {
    return value === "" ? this.u8(0) : this.sized(utf8ToBytes(value));
  }

  /** The bytes so far: a copy, unless the writer was made for just as many, and then its own. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#length === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, this.#length);
  }
}

/** Read canonical values from untrusted bytes, without throwing. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #offset = 0;
  #error: string | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  /** The first thing that was wrong, or `undefined` so far. */
  get error(): string | undefined {
    return this.#error;
  }

  /** Note that what was read breaks the format; only the first reason is kept. */
  fail(reason: string): void {
    this.#error ??= reason;
  }

  /** End reading: `true` when nothing was wrong and no byte is left over. */
  finish(): boolean {
    if (this.#error === undefined && this.remaining !== 0) this.fail("trailing bytes");
    return this.#error === undefined;
  }

  #take(count: number): number {
    if (this.#error !== undefined) return -1;
    if (count > this.remaining) {
      this.fail("truncated");
      return -1;
    }
    const at = this.#offset;
    this.#offset += count;
    return at;
  }

  u8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : (this.#bytes[at] ?? 0);
  }

  u16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : ((this.#bytes[at] ?? 0) << 8) | (this.#bytes[at + 1] ?? 0);
  }

  u32(): number {
    const high = this.u16();
    return high * 65_536 + this.u16();
  }

  u64(): number {
    const high = this.u32();
    const value = high * 0x1_0000_0000 + this.u32();
    if (Number.isSafeInteger(value)) return value;
    this.fail("integer too large");
    return 0;
  }

  varint(max = Number.MAX_SAFE_INTEGER): number {
    // As nearly all are.
    const first = this.#error === undefined ? this.#bytes[this.#offset] : undefined;
    if (first !== undefined && first < 128 && first <= max) {
      this.#offset += 1;
      return first;
    }
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      if (this.#error !== undefined) return 0;
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (byte === 0 && i > 0) this.fail("varint not shortest");
        if (value > max) this.fail("number over its limit");
        return this.#error === undefined ? value : 0;
      }
      scale *= 128;
    }
    this.fail("varint too long");
    return 0;
  }

  /** A view of the next bytes, not a copy. */
  fixed(sizeBytes: number): Uint8Array {
    const at = this.#take(sizeBytes);
    return at < 0 ? emptyBytes : this.#bytes.subarray(at, at + sizeBytes);
  }

  /** A view of length-prefixed bytes; longer than `maxBytes` is an error before anything is taken. */
  sized(maxBytes: number): Uint8Array {
    const length = this.varint(maxBytes);
    return this.fixed(length);
  }

  text(maxBytes: number): string {
    const value = bytesToUtf8(this.sized(maxBytes));
    if (value === undefined) this.fail("text is not UTF-8");
    return value ?? "";
  }
}
