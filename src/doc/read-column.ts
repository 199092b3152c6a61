/**
 * Reads the columns of a change row by row (form: `column.ts`). Nothing is laid out before it is asked for, and nothing throws: what is
 * malformed is noted, and reads as null.
 */
import { bytesToUtf8 } from "../std/index.ts";

/** A position in bytes that holds LEB128 numbers. */
class Cursor {
  readonly bytes: Uint8Array;
  offset = 0;
  isBad = false;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** In its shortest form, and within the safe integers. */
  number(isSigned: boolean): number {
    const { bytes } = this;
    const first = bytes[this.offset];
    if (first !== undefined && first < 128) {
      this.offset += 1;
      return isSigned && first >= 64 ? first - 128 : first;
    }
    let value = 0;
    let scale = 1;
    let before = 0;
    for (let i = 0; i < 8; i++) {
      const byte = bytes[this.offset];
      if (byte === undefined) return this.#fail();
      this.offset += 1;
      if (byte < 128) {
        // a last byte that says nothing new
        if (byte === 0 && (!isSigned || before < 192)) return this.#fail();
        if (isSigned && byte === 127 && before >= 192) return this.#fail();
        value += (isSigned && byte >= 64 ? byte - 128 : byte) * scale;
        return Number.isSafeInteger(value) ? value : this.#fail();
      }
      value += (byte & 127) * scale;
      scale *= 128;
      before = byte;
    }
    return this.#fail();
  }

  take(sizeBytes: number): Uint8Array {
    const start = this.offset;
    if (sizeBytes > this.bytes.length - start) this.#fail();
    else this.offset += sizeBytes;
    return this.bytes.subarray(start, this.offset);
  }

  #fail(): number {
    this.isBad = true;
    this.offset = this.bytes.length;
    return 0;
  }
}

/** The rows of a run-length coded column. One that is not there has nulls without end. */
abstract class RunRows<T> {
  protected readonly cursor: Cursor;
  readonly #isThere: boolean;
  #value: T | null = null;
  #repeats = 0;
  #literals = 0;

  constructor(bytes: Uint8Array | undefined) {
    this.cursor = new Cursor(bytes ?? noBytes);
    this.#isThere = bytes !== undefined && bytes.length > 0;
  }

  protected abstract readValue(): T;

  /** Whether all rows were read. */
  get isDone(): boolean {
    return this.#repeats + this.#literals === 0 && this.cursor.offset === this.cursor.bytes.length;
  }

  get isBad(): boolean {
    return this.cursor.isBad;
  }

  /** How many rows behind the last one have its value, as far as its run tells. */
  get repeats(): number {
    return this.#isThere ? this.#repeats : Infinity;
  }

  /** Pass over some of those that {@link repeats} tells of. */
  skip(count: number): void {
    if (this.#isThere) this.#repeats -= count;
  }

  next(): T | null {
    if (this.#repeats > 0) {
      this.#repeats -= 1;
      return this.#value;
    }
    if (this.#literals > 0) {
      this.#literals -= 1;
      return this.readValue();
    }
    return this.#isThere ? this.#nextRun() : null;
  }

  #nextRun(): T | null {
    const { cursor } = this;
    if (cursor.offset === cursor.bytes.length) {
      cursor.isBad = true;
      return null;
    }
    const head = cursor.number(true);
    if (head < 0) {
      // each of them takes a byte
      if (-head > cursor.bytes.length - cursor.offset) cursor.isBad = true;
      else this.#literals = -head - 1;
      return this.readValue();
    }
    this.#value = head === 0 ? null : this.readValue();
    this.#repeats = (head === 0 ? cursor.number(false) : head) - 1;
    if (this.#repeats < 0) cursor.isBad = true;
    return this.#value;
  }
}

const noBytes = new Uint8Array(0);

/** The rows of a column of numbers. */
export class NumberRows extends RunRows<number> {
  readonly #isSigned: boolean;

  constructor(bytes: Uint8Array | undefined, form: "signed" | "unsigned" = "unsigned") {
    super(bytes);
    this.#isSigned = form === "signed";
  }

  protected readValue(): number {
    return this.cursor.number(this.#isSigned);
  }
}

/** The rows of a column of strings. */
export class StringRows extends RunRows<string> {
  protected readValue(): string {
    const { cursor } = this;
    const text = bytesToUtf8(cursor.take(cursor.number(false)));
    if (text === undefined) cursor.isBad = true;
    return text ?? "";
  }
}

/** The rows of a column of booleans. */
export class BooleanRows {
  readonly #cursor: Cursor;
  #value = true;
  #repeats = 0;

  constructor(bytes: Uint8Array | undefined) {
    this.#cursor = new Cursor(bytes ?? noBytes);
  }

  /** Whether all rows were read. */
  get isDone(): boolean {
    return this.#repeats === 0 && this.#cursor.offset === this.#cursor.bytes.length;
  }

  get isBad(): boolean {
    return this.#cursor.isBad;
  }

  /** How many rows behind the last one have its value. */
  get repeats(): number {
    return this.#repeats;
  }

  /** Pass over some of those that {@link repeats} tells of. */
  skip(count: number): void {
    this.#repeats -= count;
  }

  next(): boolean {
    const cursor = this.#cursor;
    // only the first run, of false, may be empty
    for (let isFirst = cursor.offset === 0; this.#repeats === 0; isFirst = false) {
      if (cursor.offset === cursor.bytes.length) {
        cursor.isBad = true;
        return false;
      }
      this.#repeats = cursor.number(false);
      this.#value = !this.#value;
      if (this.#repeats === 0 && !isFirst) cursor.isBad = true;
    }
    this.#repeats -= 1;
    return this.#value;
  }
}

/** All of the bytes as one LEB128 number; `undefined` unless it is in its shortest form and a safe integer. */
export function readWholeNumber(bytes: Uint8Array, form: "signed" | "unsigned"): number | undefined {
  const cursor = new Cursor(bytes);
  const value = cursor.number(form === "signed");
  return cursor.isBad || bytes.length === 0 || cursor.offset !== bytes.length ? undefined : value;
}
