/** The columns of a change as they stand behind each other in its bytes: cut apart when they are asked for, and not before. */
import type { ByteReader } from "../std/index.ts";
import { columnKinds } from "./column.ts";

/** The columns that are there, by their specification, ascending. */
export class Columns {
  /** what holds them */
  readonly bytes: Uint8Array;
  readonly specifications: readonly number[];
  /** where each begins in the bytes, and where the last one ends */
  readonly starts: readonly number[];

  constructor(bytes: Uint8Array, specifications: readonly number[], starts: readonly number[]) {
    this.bytes = bytes;
    this.specifications = specifications;
    this.starts = starts;
  }

  get size(): number {
    return this.specifications.length;
  }

  has(specification: number): boolean {
    return this.specifications.includes(specification);
  }

  /** The bytes of a column, as a view. */
  get(specification: number): Uint8Array | undefined {
    const index = this.specifications.indexOf(specification);
    return index < 0 ? undefined : this.at(index);
  }

  /** The bytes of one by its place, as a view. */
  at(index: number): Uint8Array {
    return this.bytes.subarray(this.starts[index], this.starts[index + 1]);
  }
}

/**
 * Read the specifications and sizes of columns, and pass over what they hold; `undefined` for one that is not known or out of order.
 *
 * @param bytes what the reader reads
 */
export function readColumns(reader: ByteReader, bytes: Uint8Array): Columns | undefined {
  const count = reader.varint(columnKinds.size);
  const specifications: number[] = [];
  const starts: number[] = [];
  let last = 0;
  let sizeBytes = 0;
  for (let i = 0; i < count; i++) {
    const specification = reader.varint();
    if (specification <= last || !columnKinds.has(specification)) return undefined;
    specifications.push(specification);
    starts.push(sizeBytes);
    sizeBytes += reader.varint();
    last = specification;
  }
  const { offset } = reader;
  reader.fixed(sizeBytes);
  for (let i = 0; i < count; i++) starts[i] = offset + (starts[i] ?? 0);
  starts.push(offset + sizeBytes);
  return new Columns(bytes, specifications, starts);
}
