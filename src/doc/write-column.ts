/**
 * Writes the columns of a change (form: `column.ts`) into buffers that are used again for every change: a column belongs to the
 * one change that is being written, from `reset` to `take`.
 */
import { utf8ToBytes } from "../std/index.ts";

const encoder = new TextEncoder();
/** Longer texts are encoded by the platform: calling it costs as much as so many characters. */
const fewUnits = 32;
const firstBytes = 256;
/** What a large document took is given back. */
const keptBytes = 64 * 1024;

/** A growing byte string. What is written is copied out by {@link Bytes.copyTo}; the buffer stays. */
export class Bytes {
  #bytes = new Uint8Array(firstBytes);
  length = 0;

  reset(): void {
    this.length = 0;
    if (this.#bytes.length > keptBytes) this.#bytes = new Uint8Array(firstBytes);
  }

  put(byte: number): void {
    if (this.length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.length++] = byte;
  }

  all(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.#bytes.length) this.#grow(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Unsigned LEB128. */
  unsigned(value: number): void {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.put((rest % 128) + 128);
    this.put(rest);
  }

  /** Signed LEB128. */
  signed(value: number): void {
    let rest = value;
    for (; rest > 63 || rest < -64; rest = Math.floor(rest / 128))
      this.put((((rest % 128) + 128) % 128) + 128);
    this.put(((rest % 128) + 128) % 128);
  }

  /** One character in UTF-8. @returns its bytes, 1 to 4 */
  character(codePoint: number): number {
    if (codePoint < 0x80) {
      this.put(codePoint);
      return 1;
    }
    const sizeBytes = codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
    this.put(((0xf00 >> sizeBytes) & 0xff) | (codePoint >> (6 * sizeBytes - 6)));
    for (let shift = 6 * sizeBytes - 12; shift >= 0; shift -= 6) this.put(0x80 | ((codePoint >> shift) & 63));
    return sizeBytes;
  }

  /** The ASCII characters of a text from `start` on. @returns where they end */
  ascii(text: string, start: number): number {
    const { length } = text;
    if (this.length + length - start > this.#bytes.length) this.#grow(length - start);
    const bytes = this.#bytes;
    let at = this.length;
    if (start === 0 && length > fewUnits) {
      // as many bytes as units: each of them is ASCII
      const { read, written } = encoder.encodeInto(text, bytes.subarray(at, at + length));
      if (read === length && written === length) {
        this.length = at + length;
        return length;
      }
    }
    let i = start;
    for (; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 127) break;
      bytes[at++] = unit;
    }
    this.length = at;
    return i;
  }

  /** UTF-8; a lone surrogate becomes U+FFFD. */
  text(text: string): void {
    const start = this.length;
    if (this.ascii(text, 0) === text.length) return;
    this.length = start;
    this.all(utf8ToBytes(text));
  }

  /** UTF-8 with its length before it. */
  sizedText(text: string): void {
    const start = this.length;
    this.unsigned(text.length);
    const textStart = this.length;
    this.text(text);
    if (this.length - textStart === text.length) return;
    this.length = start;
    const bytes = utf8ToBytes(text);
    this.unsigned(bytes.length);
    this.all(bytes);
  }

  /** Write signed LEB128 over the byte at `offset`, moving what is behind it. */
  signedAt(offset: number, value: number): void {
    if (value >= -64) {
      this.#bytes[offset] = value & 127;
      return;
    }
    const end = this.length;
    this.signed(value);
    const head = this.#bytes.slice(end, this.length);
    this.#bytes.copyWithin(offset + head.length, offset + 1, end);
    this.#bytes.set(head, offset);
    this.length = end + head.length - 1;
  }

  /** A copy of what was written. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.length);
  }

  copyTo(target: Uint8Array, offset: number): void {
    const bytes = this.#bytes;
    const { length } = this;
    // short ones are most of them, and a view costs more than they do
    if (length > 64) target.set(bytes.subarray(0, length), offset);
    else for (let i = 0; i < length; i++) target[offset + i] = bytes[i] ?? 0;
  }

  #grow(count: number): void {
    const grown = new Uint8Array(Math.max(this.length + count, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
  }
}

/** How a column writes one value. */
export type WriteValue<T> = (bytes: Bytes, value: T) => void;

/** A run-length coded column: repeated values, literal runs, nulls. A column of nulls alone is empty. */
export class RunColumn<T extends number | string> {
  readonly bytes = new Bytes();
  readonly #write: WriteValue<T>;
  #value: T | null = null;
  #count = 0;
  #literalStart = 0;
  #literalCount = 0;
  #isAllNull = true;

  constructor(write: WriteValue<T>) {
    this.#write = write;
  }

  reset(): void {
    this.bytes.reset();
    this.#count = 0;
    this.#literalCount = 0;
    this.#isAllNull = true;
  }

  add(value: T | null, count = 1): void {
    if (count <= 0) return;
    if (this.#count > 0) {
      if (value === this.#value) {
        this.#count += count;
        return;
      }
      this.#endRun();
    }
    this.#value = value;
    this.#count = count;
  }

  /**
   * Add values that all differ from the one before.
   *
   * @param literal the encoding of all but the last
   */
  addLiteral(values: readonly T[], literal: Uint8Array): void {
    const [first] = values;
    const last = values.at(-1);
    if (first === undefined || last === undefined) return;
    if (this.#count > 0 && first === this.#value) {
      for (const value of values) this.add(value);
      return;
    }
    if (this.#count > 0) this.#endRun();
    if (values.length > 1) {
      this.#beginLiteral(values.length - 1);
      this.bytes.all(literal);
      this.#isAllNull = false;
    }
    this.#value = last;
    this.#count = 1;
  }

  /** End the column. */
  end(): Bytes {
    if (this.#count > 0) this.#endRun();
    this.#endLiteral();
    if (this.#isAllNull) this.bytes.reset();
    return this.bytes;
  }

  #endRun(): void {
    const { bytes } = this;
    const value = this.#value;
    if (value === null) {
      this.#endLiteral();
      bytes.put(0);
      bytes.unsigned(this.#count);
      return;
    }
    this.#isAllNull = false;
    if (this.#count > 1) {
      this.#endLiteral();
      bytes.signed(this.#count);
    } else {
      this.#beginLiteral(1);
    }
    this.#write(bytes, value);
  }

  /** So many values follow as they are; how many there were is written over the first byte when they end. */
  #beginLiteral(count: number): void {
    if (this.#literalCount === 0) {
      this.#literalStart = this.bytes.length;
      this.bytes.put(0);
    }
    this.#literalCount += count;
  }

  #endLiteral(): void {
    if (this.#literalCount === 0) return;
    this.bytes.signedAt(this.#literalStart, -this.#literalCount);
    this.#literalCount = 0;
  }
}

/** A column of booleans: lengths of runs, false first. */
export class BooleanColumn {
  readonly bytes = new Bytes();
  #run = 0;
  #value = false;

  reset(): void {
    this.bytes.reset();
    this.#run = 0;
    this.#value = false;
  }

  add(value: boolean, count: number): void {
    if (count <= 0) return;
    if (value !== this.#value) {
      this.bytes.unsigned(this.#run);
      this.#run = 0;
      this.#value = value;
    }
    this.#run += count;
  }

  /** End the column. */
  end(): Bytes {
    if (this.#run > 0) this.bytes.unsigned(this.#run);
    return this.bytes;
  }
}
