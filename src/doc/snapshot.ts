/**
 * A document chunk of Automerge from others, judged before Automerge sees it.
 *
 * | field | bytes |
 * |---|---|
 * | magic | 85 6f 4a 83 |
 * | checksum | the first 4 bytes of SHA-256(type ‖ length ‖ body) |
 * | type | 00: a document |
 * | length | uleb128: bytes of the body |
 * | actors | count, then (length, bytes) each |
 * | heads | count, then 32 bytes each |
 * | columns of changes | count, then (specification, length) each, ascending |
 * | columns of operations | the same |
 * | contents | of the columns, in that order |
 * | places of the heads | uleb128 each |
 *
 * The columns are run-length coded, see `column.ts`; a specification with bit 3 is deflated, and refused: a few bytes can inflate to
 * gigabytes. What runs stand for is counted and held against limits, among them how long all the changes would be when laid out.
 */
import { ByteReader, equalBytes } from "../std/index.ts";
import { sumColumn, type ColumnKind } from "./column.ts";
import type { ChangeVerdict, DocChange } from "./doc.ts";
import { headsAfter, judgeDepth, sameHeads } from "./history.ts";
import { freeHandle, type Handle, type Library } from "./library.ts";
import { loadHandle } from "./saved.ts";

/** Bounds of a synced snapshot. */
export const snapshotLimits = {
  bytes: 512 * 1024,
  changes: 16_384,
  operations: 512 * 1024,
  /** of keys, names of marks and messages as often as they are repeated */
  textBytes: 8 * 1024 * 1024,
  actors: 4096,
  heads: 4096,
} as const;

const magic = Uint8Array.of(0x85, 0x6f, 0x4a, 0x83);
const headerBytes = magic.length + 4;
const documentType = 0;
const maxActorBytes = 64;

const changeColumns: ReadonlyMap<number, ColumnKind> = new Map([
  [0x01, "number"], // actor
  [0x03, "delta"], // seq
  [0x13, "delta"], // last operation
  [0x23, "delta"], // time
  [0x35, "string"], // message
  [0x40, "number"], // dependencies: how many
  [0x43, "delta"], // dependencies: index of the change
  [0x56, "size"], // extra: type (4 bits), length
  [0x57, "raw"], // extra: bytes
]);
const operationColumns: ReadonlyMap<number, ColumnKind> = new Map([
  [0x01, "number"], // object: actor
  [0x02, "number"], // object: counter
  [0x11, "number"], // key: actor
  [0x13, "delta"], // key: counter
  [0x15, "string"], // key
  [0x21, "number"], // id: actor
  [0x23, "delta"], // id: counter
  [0x34, "boolean"], // insert
  [0x42, "number"], // action
  [0x56, "size"], // value: type (4 bits), length
  [0x57, "raw"], // value: bytes
  [0x80, "number"], // successors: how many
  [0x81, "number"], // successors: actor
  [0x83, "delta"], // successors: counter
  [0x94, "boolean"], // mark: expands
  [0xa5, "string"], // mark: name
]);

/**
 * The changes that a synced snapshot holds, each judged; `undefined` when it is over a limit, or anything in it is wrong. Never throws.
 */
export function readSnapshot(
  library: Library,
  bytes: Uint8Array,
  judge: (bytes: Uint8Array) => ChangeVerdict,
): readonly DocChange[] | undefined {
  if (!isWithinLimits(bytes)) return undefined;
  if (!equalBytes(bytes.subarray(4, 8), library.sha256(bytes.subarray(headerBytes)).subarray(0, 4)))
    return undefined;
  const handle = loadHandle(library, bytes);
  if (handle === undefined) return undefined;
  try {
    return readChanges(handle, judge);
  } catch {
    return undefined;
  } finally {
    freeHandle(handle);
  }
}

function readChanges(
  handle: Handle,
  judge: (bytes: Uint8Array) => ChangeVerdict,
): readonly DocChange[] | undefined {
  const changes: DocChange[] = [];
  const depths = new Map<string, number>();
  for (const bytes of handle.getChanges([])) {
    const verdict = judge(bytes);
    if (verdict.kind !== "change" || !judgeDepth(depths, depths, verdict.change)) return undefined;
    changes.push(verdict.change);
  }
  return sameHeads(handle.getHeads(), headsAfter([], changes)) ? changes : undefined;
}

function isWithinLimits(bytes: Uint8Array): boolean {
  if (bytes.length > snapshotLimits.bytes || !equalBytes(bytes.subarray(0, magic.length), magic))
    return false;
  const reader = new ByteReader(bytes);
  reader.fixed(headerBytes);
  if (reader.u8() !== documentType || reader.varint() !== reader.remaining) return false;
  const actorCount = reader.varint(snapshotLimits.actors);
  for (let i = 0; i < actorCount && reader.error === undefined; i++) reader.sized(maxActorBytes);
  const headCount = reader.varint(snapshotLimits.heads);
  for (let i = 0; i < headCount && reader.error === undefined; i++) reader.fixed(32);
  const changes = readSizes(reader, changeColumns);
  const operations = readSizes(reader, operationColumns);
  if (changes === undefined || operations === undefined) return false;
  const room = { textBytes: snapshotLimits.textBytes };
  const isGood =
    changes.every((column) => columnFits(reader, column, snapshotLimits.changes, room)) &&
    operations.every((column) => columnFits(reader, column, snapshotLimits.operations, room));
  for (let i = 0; i < headCount && reader.remaining > 0; i++) reader.varint();
  return isGood && reader.finish();
}

interface ColumnSize {
  readonly kind: ColumnKind;
  readonly specification: number;
  readonly sizeBytes: number;
}

function readSizes(
  reader: ByteReader,
  kinds: ReadonlyMap<number, ColumnKind>,
): readonly ColumnSize[] | undefined {
  const count = reader.varint(kinds.size);
  const sizes: ColumnSize[] = [];
  for (let i = 0; i < count; i++) {
    const specification = reader.varint();
    const kind = kinds.get(specification);
    if (kind === undefined || specification <= (sizes.at(-1)?.specification ?? 0)) return undefined;
    sizes.push({ kind, specification, sizeBytes: reader.varint() });
  }
  return sizes;
}

/** Columns that hold several values for a row: how many each, and those. */
const countColumns: ReadonlySet<number> = new Set([0x40, 0x80]);
const groupedColumns: ReadonlySet<number> = new Set([0x40, 0x43, 0x80, 0x81, 0x83]);
const perRow = 2;

function columnFits(
  reader: ByteReader,
  { kind, specification, sizeBytes }: ColumnSize,
  maxRows: number,
  room: { textBytes: number },
): boolean {
  const total = sumColumn(kind, reader.fixed(sizeBytes));
  if (reader.error !== undefined || total === undefined) return false;
  if (kind === "string") room.textBytes -= total.sum;
  const isGrouped = groupedColumns.has(specification);
  const rows = countColumns.has(specification) ? Math.max(total.rows, total.sum) : total.rows;
  return rows <= (isGrouped ? perRow * maxRows : maxRows) && room.textBytes >= 0;
}
