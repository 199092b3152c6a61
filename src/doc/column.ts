/**
 * The columns of a change, as runs.
 *
 * | coding | bytes |
 * |---|---|
 * | run-length | sleb128 n: n > 0, one value n times; n < 0, -n values; n = 0, uleb128 count of nulls |
 * | value of a run | uleb128; strings: length, UTF-8; deltas: sleb128 |
 * | booleans | uleb128 lengths of runs, false first |
 */
import { ByteReader } from "../std/index.ts";
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
  return bytes === undefined ? [] : readRunsOf(bytes, (reader) => reader.varint());
}

/**
 * Count what a column stands for, without laying it out.
 *
 * @returns `rows`, and `sum`: of its numbers, or of the sizes of its strings or values; `undefined` when it is malformed
 */
export function readColumn(
  specification: number,
  bytes: Uint8Array,
): { readonly rows: number; readonly sum: number } | undefined {
  const kind = columnKinds.get(specification);
  return kind === undefined ? undefined : sumColumn(kind, bytes);
}

/** Count what a column of a kind stands for, as {@link readColumn}. */
export function sumColumn(
  kind: ColumnKind,
  bytes: Uint8Array,
): { readonly rows: number; readonly sum: number } | undefined {
  if (kind === "raw") return { rows: 0, sum: bytes.length };
  if (kind === "boolean") return readBooleans(bytes);
  const runs = readRunsOf(bytes, valueReaders[kind]);
  if (runs === undefined) return undefined;
  let rows = 0;
  let sum = 0;
  for (const { count, value } of runs) {
    rows += count;
    sum += count * (value ?? 0);
  }
  return { rows, sum };
}

const valueReaders = {
  number: (reader: ByteReader): number => reader.varint(),
  delta: (reader: ByteReader): number => {
    readSigned(reader);
    return 0;
  },
  string: (reader: ByteReader): number => {
    const start = reader.offset;
    reader.text(changeLimits.stringBytes);
    return reader.offset - start;
  },
  size: (reader: ByteReader): number => Math.floor(reader.varint() / 16),
} as const;

function readBooleans(bytes: Uint8Array): { readonly rows: number; readonly sum: number } | undefined {
  const reader = new ByteReader(bytes);
  let rows = 0;
  while (reader.remaining > 0 && reader.error === undefined) rows += reader.varint();
  return reader.error === undefined ? { rows, sum: 0 } : undefined;
}

function readRunsOf(
  bytes: Uint8Array,
  readValue: (reader: ByteReader) => number,
): readonly Run[] | undefined {
  const reader = new ByteReader(bytes);
  const runs: Run[] = [];
  while (reader.remaining > 0 && reader.error === undefined) {
    const head = readSigned(reader);
    if (head > 0) runs.push({ count: head, value: readValue(reader) });
    else if (head === 0) runs.push({ count: reader.varint(), value: null });
    else {
      // each value takes a byte, so that a count over what is left ends at once
      if (-head > reader.remaining) reader.fail("truncated");
      for (let i = 0; i < -head && reader.error === undefined; i++)
        runs.push({ count: 1, value: readValue(reader) });
    }
  }
  return reader.error === undefined && runs.every(({ count }) => count > 0) ? runs : undefined;
}

/** sleb128 within the safe integers. */
function readSigned(reader: ByteReader): number {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < 8; i++) {
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
