/**
 * The columns of a change, as runs.
 *
 * | coding | bytes |
 * |---|---|
 * | run-length | sleb128 n: n > 0, one value n times; n < 0, -n values; n = 0, uleb128 count of nulls |
 * | value of a run | uleb128; strings: length, UTF-8; deltas: sleb128 |
 * | booleans | uleb128 lengths of runs, false first |
 */
import { ByteReader, isUtf8 } from "../std/index.ts";
import { column } from "./change-codes.ts";
import { changeLimits } from "./doc.ts";

/** How the values of a column are written. */
export type ColumnKind = "number" | "delta" | "string" | "boolean" | "size" | "raw";

/** The columns that Automerge writes, by their specification. */
export const columnKinds: ReadonlyMap<number, ColumnKind> = new Map<number, ColumnKind>([
  [column.objectActor, "number"],
  [column.objectCounter, "number"],
  [column.keyActor, "number"],
  [column.keyCounter, "delta"],
  [column.keyString, "string"],
  [column.insert, "boolean"],
  [column.action, "number"],
  [column.valueSize, "size"],
  [column.valueRaw, "raw"],
  [column.predecessorCount, "number"],
  [column.predecessorActor, "number"],
  [column.predecessorCounter, "delta"],
  [column.markExpands, "boolean"],
  [column.markName, "string"],
]);

/** One value, `count` times; null where there is none. */
export interface Run {
  readonly count: number;
  readonly value: number | null;
}

/** The runs of a column of numbers; `undefined` when it is malformed. A column that is not there has none. */
export function readRuns(bytes: Uint8Array | undefined): readonly Run[] | undefined {
  const runs: Run[] = [];
  if (bytes === undefined) return runs;
  const reader = new ByteReader(bytes);
  while (reader.remaining > 0 && reader.error === undefined) {
    const head = readRunHead(reader);
    if (head === 0) runs.push({ count: readNulls(reader), value: null });
    else if (head > 0) runs.push({ count: head, value: reader.varint() });
    else {
      for (let i = head; i < 0 && reader.error === undefined; i++)
        runs.push({ count: 1, value: reader.varint() });
    }
  }
  return reader.error === undefined ? runs : undefined;
}

/**
 * Count what a column of a kind stands for, without laying it out.
 *
 * @returns `rows`, and `sum`: of its numbers, or of the sizes of its strings or values; `undefined` when it is malformed
 */
export function sumColumn(
  kind: ColumnKind,
  bytes: Uint8Array,
): { readonly rows: number; readonly sum: number } | undefined {
  if (kind === "raw") return { rows: 0, sum: bytes.length };
  if (kind === "boolean") return readBooleans(bytes);
  const reader = new ByteReader(bytes);
  let rows = 0;
  let sum = 0;
  while (reader.remaining > 0 && reader.error === undefined) {
    const head = readRunHead(reader);
    if (head === 0) rows += readNulls(reader);
    else if (head > 0) {
      rows += head;
      sum += head * readValue(reader, kind);
    } else {
      rows -= head;
      for (let i = head; i < 0 && reader.error === undefined; i++) sum += readValue(reader, kind);
    }
  }
  return reader.error === undefined ? { rows, sum } : undefined;
}

/** What a value adds to the sum of its column. */
function readValue(reader: ByteReader, kind: Exclude<ColumnKind, "boolean" | "raw">): number {
  switch (kind) {
    case "number":
      return reader.varint();
    case "delta":
      readSigned(reader);
      return 0;
    case "size":
      return Math.floor(reader.varint() / 16);
    case "string": {
      const start = reader.offset;
      if (!isUtf8(reader.sized(changeLimits.stringBytes))) reader.fail("text is not UTF-8");
      return reader.offset - start;
    }
  }
}

function readBooleans(bytes: Uint8Array): { readonly rows: number; readonly sum: number } | undefined {
  const reader = new ByteReader(bytes);
  let rows = 0;
  while (reader.remaining > 0 && reader.error === undefined) rows += reader.varint();
  return reader.error === undefined ? { rows, sum: 0 } : undefined;
}

/** What a run begins with: a value so many times, so many values when negative, or nulls when 0. */
function readRunHead(reader: ByteReader): number {
  const head = readSigned(reader);
  // each value takes a byte, so that a count over what is left ends at once
  if (-head > reader.remaining) reader.fail("truncated");
  return head;
}

function readNulls(reader: ByteReader): number {
  const count = reader.varint();
  if (count === 0) reader.fail("empty run");
  return count;
}

/** sleb128 within the safe integers. */
function readSigned(reader: ByteReader): number {
  const first = reader.u8();
  if (first < 128) return first < 64 ? first : first - 128;
  let value = first & 127;
  let scale = 128;
  for (let i = 1; i < 8; i++) {
    const byte = reader.u8();
    value += (byte & 127) * scale;
    scale *= 128;
    if (byte < 128) {
      const signed = (byte & 64) === 0 ? value : value - scale;
      if (!Number.isSafeInteger(signed)) reader.fail("integer too large");
      return reader.error === undefined ? signed : 0;
    }
  }
  reader.fail("number too long");
  return 0;
}
