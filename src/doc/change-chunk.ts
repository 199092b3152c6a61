/**
 * One change as Automerge writes it, judged without Automerge.
 *
 * | field | bytes |
 * |---|---|
 * | magic | 85 6f 4a 83 |
 * | checksum | the first 4 bytes of the hash |
 * | type | 01: an uncompressed change; 02, a deflated one, is refused |
 * | length | uleb128: bytes of the body |
 * | body | below |
 *
 * hash = SHA-256(type ‖ length ‖ body). The body, every number uleb128 unless told otherwise:
 *
 * | field | bytes |
 * |---|---|
 * | deps | count, then 32 bytes each |
 * | actor | length, bytes |
 * | seq, startOp | |
 * | time | sleb128, seconds |
 * | message | length, UTF-8 |
 * | other actors | count, then (length, bytes) each; the author is actor 0 |
 * | columns | count, then (specification, length) each, ascending; then their contents in that order |
 * | extra | the rest |
 *
 * Columns are run-length coded, so a hundred bytes can stand for millions of operations: rows are counted from the runs, never
 * laid out. Also judged: that strings fit, and how deep new objects nest, because a hostile nesting stops Automerge for seconds.
 */
import { bytesToHex, ByteReader, copyBytes, equalBytes, utf8ToBytes } from "../std/index.ts";
import { changeLimits, type ChangeVerdict } from "./doc.ts";
import { action, changeChunkType, chunkHeaderBytes, chunkMagic, column } from "./change-codes.ts";
import { columnKinds, readRuns, sumColumn, type Run } from "./column.ts";
import { readColumns, type Columns } from "./columns.ts";

const magic = Uint8Array.from(chunkMagic);
const compressedType = 2;
const maxDeps = 64;
const maxActorBytes = 64;
const maxActors = 4096;

/** An object that a change makes. Ids are Automerge's: `counter@actor`; the parent of a field of the document is "_root". */
export interface MadeObject {
  readonly id: string;
  readonly parent: string;
}

/** What stands before the operations, and their columns. */
export interface ChangeHead {
  readonly deps: readonly string[];
  /** the author first */
  readonly actors: readonly [string, ...string[]];
  readonly seq: number;
  readonly startOp: number;
  readonly note: string;
  readonly columns: Columns;
}

interface Body {
  readonly head: ChangeHead;
  readonly made: readonly MadeObject[];
}

type BodyVerdict =
  | { readonly kind: "body"; readonly body: Body }
  | { readonly kind: "bad"; readonly reason: "malformed" | "limit" };

const malformed = { kind: "bad", reason: "malformed" } as const;
const overLimit = { kind: "bad", reason: "limit" } as const;

/** Judge untrusted bytes as one change chunk. Never throws; the bytes of the change are these, unless other threads have them too. */
export function parseChange(bytes: Uint8Array, sha256: (bytes: Uint8Array) => Uint8Array): ChangeVerdict {
  if (bytes.length > changeLimits.bytes) return overLimit;
  if (!equalBytes(bytes.subarray(0, magic.length), magic)) return malformed;
  const type = bytes[chunkHeaderBytes];
  if (type === compressedType) return { kind: "bad", reason: "compressed" };
  const found = readBody(bytes);
  if (found.kind === "bad") return found;
  const hash = sha256(bytes.subarray(chunkHeaderBytes));
  if (!equalBytes(bytes.subarray(magic.length, chunkHeaderBytes), hash.subarray(0, 4))) return malformed;
  const { actors, deps, note, seq } = found.body.head;
  const change = { bytes: unshared(bytes), hash: bytesToHex(hash), actor: actors[0], seq, deps, note };
  return { kind: "change", change };
}

function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return isUnshared(bytes) ? bytes : copyBytes(bytes);
}

function isUnshared(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer;
}

/** The objects that a judged change makes, in order. */
export function readMadeObjects(bytes: Uint8Array): readonly MadeObject[] {
  const found = readBody(bytes);
  return found.kind === "body" ? found.body.made : [];
}

function readBody(bytes: Uint8Array): BodyVerdict {
  const head = readHead(bytes);
  if (head === undefined) return malformed;
  const { actors, columns, startOp } = head;
  const actions = readRuns(columns.get(column.action));
  if (actions === undefined) return malformed;
  const rows = judgeRows(columns, actions, bytes.length);
  if (rows !== "good") return rows === "limit" ? overLimit : malformed;
  const made = actions.some(({ value }) => isMaking(value))
    ? readMade(columns, actions, { actors, startOp })
    : [];
  if (made === undefined) return malformed;
  if (deepest(made) > changeLimits.depth) return overLimit;
  return { kind: "body", body: { head, made } };
}

/** Read what stands before the operations, and cut the columns apart; `undefined` when it is malformed. */
export function readHead(bytes: Uint8Array): ChangeHead | undefined {
  const reader = new ByteReader(bytes);
  reader.fixed(chunkHeaderBytes);
  if (reader.u8() !== changeChunkType) return undefined;
  const length = reader.varint();
  if (length !== reader.remaining) return undefined;
  const depCount = reader.varint(maxDeps);
  const deps: string[] = [];
  for (let i = 0; i < depCount && reader.error === undefined; i++) deps.push(bytesToHex(reader.fixed(32)));
  const actors: [string, ...string[]] = [bytesToHex(reader.sized(maxActorBytes))];
  const seq = reader.varint();
  const startOp = reader.varint();
  skipSigned(reader);
  const note = readNote(reader);
  const otherCount = reader.varint(maxActors);
  for (let i = 0; i < otherCount && reader.error === undefined; i++)
    actors.push(bytesToHex(reader.sized(maxActorBytes)));
  const columns = readColumns(reader, bytes);
  if (reader.error !== undefined || columns === undefined || actors[0] === "" || seq === 0 || startOp === 0)
    return undefined;
  if (deps.some((dep, index) => index > 0 && dep <= (deps[index - 1] ?? ""))) return undefined;
  return { deps, actors, seq, startOp, note, columns };
}

/** The message; one that is longer than ours ever are is not shown. */
function readNote(reader: ByteReader): string {
  const start = reader.offset;
  const note = reader.text(changeLimits.stringBytes);
  if (note === "") return note;
  const isOurs = reader.offset - start <= changeLimits.noteBytes + noteLengthBytes;
  return isOurs && utf8ToBytes(note).length <= changeLimits.noteBytes ? note : "";
}
const noteLengthBytes = 2;

/** A signed number of 64 bits, in its shortest form. */
function skipSigned(reader: ByteReader): void {
  let before = 0;
  for (let i = 0; i < 10; i++) {
    const byte = reader.u8();
    if (byte >= 128) {
      before = byte;
      continue;
    }
    const sign = (before & 64) === 0 ? 0 : 127;
    if ((i > 0 && byte === sign) || (i === 9 && byte !== 0 && byte !== 127)) reader.fail("number");
    return;
  }
  reader.fail("number too long");
}

/** Count what the columns stand for, and hold it against the limits. */
function judgeRows(
  columns: Columns,
  actions: readonly Run[],
  sizeBytes: number,
): "good" | "malformed" | "limit" {
  let rowCount = 0;
  let deleteCount = 0;
  for (const { count, value } of actions) {
    if (value === null || value > action.mark || value === action.makeTable) return "malformed";
    rowCount += count;
    if (value === action.delete) deleteCount += count;
  }
  if (deleteCount > changeLimits.stringBytes || rowCount - deleteCount > changeLimits.operations + sizeBytes)
    return "limit";
  const totals = sumColumns(columns);
  if (totals === undefined) return "malformed";
  // a run of one long key stands for its length as often as it is repeated
  if (totals.keyBytes > 4 * changeLimits.stringBytes) return "limit";
  if (totals.predecessorCount > 2 * changeLimits.stringBytes) return "limit";
  const fits =
    totals.mostRows <= rowCount &&
    totals.predecessorRows.every((count) => count === totals.predecessorCount) &&
    totals.rawBytes === (columns.get(column.valueRaw)?.length ?? 0);
  return fits ? "good" : "malformed";
}

interface Totals {
  readonly keyBytes: number;
  readonly rawBytes: number;
  readonly predecessorCount: number;
  /** of each column that says something of predecessors */
  readonly predecessorRows: readonly number[];
  /** of the columns that say something of each row */
  readonly mostRows: number;
}

/** Sum all columns; `undefined` when one is malformed. */
function sumColumns(columns: Columns): Totals | undefined {
  const predecessorRows: number[] = [];
  const totals = { keyBytes: 0, rawBytes: 0, predecessorCount: 0, predecessorRows, mostRows: 0 };
  for (let index = 0; index < columns.size; index++) {
    const specification = columns.specifications[index] ?? 0;
    if (specification === column.valueRaw) continue;
    const kind = columnKinds.get(specification);
    const total = kind && sumColumn(kind, columns.at(index));
    if (total === undefined) return undefined;
    if (specification === column.predecessorActor || specification === column.predecessorCounter) {
      predecessorRows.push(total.rows);
      continue;
    }
    totals.mostRows = Math.max(totals.mostRows, total.rows);
    if (specification === column.keyString) totals.keyBytes = total.sum;
    else if (specification === column.valueSize) totals.rawBytes = total.sum;
    else if (specification === column.predecessorCount) totals.predecessorCount = total.sum;
  }
  return totals;
}

function isMaking(kind: number | null): boolean {
  return kind === action.makeMap || kind === action.makeList || kind === action.makeText;
}

/** Find the rows that make objects, walking runs instead of rows. */
function readMade(
  columns: Columns,
  actionRuns: readonly Run[],
  { actors, startOp }: Pick<ChangeHead, "actors" | "startOp">,
): readonly MadeObject[] | undefined {
  const actions = new RunCursor(actionRuns);
  const parentActors = new RunCursor(readRuns(columns.get(column.objectActor)) ?? []);
  const parentCounters = new RunCursor(readRuns(columns.get(column.objectCounter)) ?? []);
  const made: MadeObject[] = [];
  for (let row = 0; actions.remaining > 0;) {
    const kind = actions.value;
    const counter = parentCounters.value;
    const parentActor = parentActors.value;
    const step = isMaking(kind)
      ? 1
      : Math.min(actions.remaining, parentActors.remaining || Infinity, parentCounters.remaining || Infinity);
    if (isMaking(kind)) {
      if ((counter === null) !== (parentActor === null)) return undefined;
      const owner = parentActor === null ? undefined : actors[parentActor];
      if (parentActor !== null && owner === undefined) return undefined;
      const parent = owner === undefined ? "_root" : `${counter}@${owner}`;
      // what this change makes is made before it is filled
      if (parentActor === 0 && counter !== null && counter >= startOp + row) return undefined;
      made.push({ id: `${startOp + row}@${actors[0]}`, parent });
    }
    for (const cursor of [actions, parentActors, parentCounters]) cursor.skip(step);
    row += step;
  }
  return made;
}

/** The depth of the deepest new object, counting unknown parents as fields of the document. */
function deepest(made: readonly MadeObject[]): number {
  // As nearly all are: lists and texts that are fields.
  if (made.every(({ parent }) => parent === "_root")) return made.length === 0 ? 0 : 1;
  const depthById = new Map<string, number>([["_root", 0]]);
  let depth = 0;
  for (const { id, parent } of made) {
    const own = (depthById.get(parent) ?? 1) + 1;
    depthById.set(id, own);
    depth = Math.max(depth, own);
  }
  return depth;
}

/** Steps through runs; behind the last one everything is null. */
class RunCursor {
  readonly #runs: readonly Run[];
  #index = 0;
  #used = 0;

  constructor(runs: readonly Run[]) {
    this.#runs = runs;
  }

  get value(): number | null {
    return this.#runs[this.#index]?.value ?? null;
  }

  /** Rows left in this run, 0 behind the last one. */
  get remaining(): number {
    const run = this.#runs[this.#index];
    return run === undefined ? 0 : run.count - this.#used;
  }

  skip(count: number): void {
    this.#used += count;
    for (
      let run = this.#runs[this.#index];
      run !== undefined && this.#used >= run.count;
      run = this.#runs[this.#index]
    ) {
      this.#used -= run.count;
      this.#index += 1;
    }
  }
}
