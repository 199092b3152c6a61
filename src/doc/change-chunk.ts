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
import { bytesToHex, ByteReader, copyBytes, equalBytes } from "../std/index.ts";
import { changeLimits, type ChangeVerdict } from "./doc.ts";
import { columnKinds, readColumn, readRuns, type Run } from "./column.ts";

const magic = Uint8Array.of(0x85, 0x6f, 0x4a, 0x83);
const headerBytes = magic.length + 4;
const changeType = 1;
const compressedType = 2;
const maxDeps = 64;
const maxActorBytes = 64;
const maxActors = 4096;

const column = {
  objectActor: 0x01,
  objectCounter: 0x02,
  keyString: 0x15,
  action: 0x42,
  valueSize: 0x56,
  valueRaw: 0x57,
} as const;
const predecessors = { count: 0x70, actor: 0x71, counter: 0x73 } as const;
const action = { makeMap: 0, makeList: 2, delete: 3, makeText: 4, makeTable: 6, mark: 7 } as const;

/** An object that a change makes. Ids are Automerge's: `counter@actor`; the parent of a field of the document is "_root". */
export interface MadeObject {
  readonly id: string;
  readonly parent: string;
}

interface Body {
  readonly deps: readonly string[];
  readonly actor: string;
  readonly seq: number;
  readonly made: readonly MadeObject[];
}

type BodyVerdict =
  | { readonly kind: "body"; readonly body: Body }
  | { readonly kind: "bad"; readonly reason: "malformed" | "limit" };

const malformed = { kind: "bad", reason: "malformed" } as const;
const overLimit = { kind: "bad", reason: "limit" } as const;

/** Judge untrusted bytes as one change chunk. Never throws; the bytes of the change are a copy. */
export function parseChange(bytes: Uint8Array, sha256: (bytes: Uint8Array) => Uint8Array): ChangeVerdict {
  if (bytes.length > changeLimits.bytes) return overLimit;
  if (!equalBytes(bytes.subarray(0, magic.length), magic)) return malformed;
  const type = bytes[headerBytes];
  if (type === compressedType) return { kind: "bad", reason: "compressed" };
  const found = readBody(bytes);
  if (found.kind === "bad") return found;
  const hash = sha256(bytes.subarray(headerBytes));
  if (!equalBytes(bytes.subarray(magic.length, headerBytes), hash.subarray(0, 4))) return malformed;
  const { deps, actor, seq } = found.body;
  return { kind: "change", change: { bytes: copyBytes(bytes), hash: bytesToHex(hash), actor, seq, deps } };
}

/** The objects that a judged change makes, in order. */
export function readMadeObjects(bytes: Uint8Array): readonly MadeObject[] {
  const found = readBody(bytes);
  return found.kind === "body" ? found.body.made : [];
}

function readBody(bytes: Uint8Array): BodyVerdict {
  const reader = new ByteReader(bytes);
  reader.fixed(headerBytes);
  if (reader.u8() !== changeType) return malformed;
  const length = reader.varint();
  if (length !== reader.remaining) return malformed;
  const depCount = reader.varint(maxDeps);
  const deps: string[] = [];
  for (let i = 0; i < depCount && reader.error === undefined; i++) deps.push(bytesToHex(reader.fixed(32)));
  const actor = bytesToHex(reader.sized(maxActorBytes));
  const seq = reader.varint();
  const startOp = reader.varint();
  skipSigned(reader);
  reader.text(changeLimits.stringBytes);
  const actors = [actor];
  const otherCount = reader.varint(maxActors);
  for (let i = 0; i < otherCount && reader.error === undefined; i++)
    actors.push(bytesToHex(reader.sized(maxActorBytes)));
  const columns = readColumns(reader);
  if (reader.error !== undefined || columns === undefined || actor === "" || seq === 0 || startOp === 0)
    return malformed;
  if (deps.some((dep, index) => index > 0 && dep <= (deps[index - 1] ?? ""))) return malformed;
  const rows = judgeRows(columns, bytes.length);
  if (rows !== "good") return rows === "limit" ? overLimit : malformed;
  const made = readMade(columns, actors, startOp);
  if (made === undefined) return malformed;
  if (deepest(made) > changeLimits.depth) return overLimit;
  return { kind: "body", body: { deps, actor, seq, made } };
}

function skipSigned(reader: ByteReader): void {
  for (let i = 0; i < 10; i++) if (reader.u8() < 128) return;
  reader.fail("number too long");
}

type Columns = ReadonlyMap<number, Uint8Array>;

function readColumns(reader: ByteReader): Columns | undefined {
  const count = reader.varint(columnKinds.size);
  const sizes: [specification: number, sizeBytes: number][] = [];
  for (let i = 0; i < count; i++) {
    const specification = reader.varint();
    if (!columnKinds.has(specification) || specification <= (sizes.at(-1)?.[0] ?? 0)) return undefined;
    sizes.push([specification, reader.varint()]);
  }
  return new Map(sizes.map(([specification, sizeBytes]) => [specification, reader.fixed(sizeBytes)]));
}

/** Count what the columns stand for, and hold it against the limits. */
function judgeRows(columns: Columns, sizeBytes: number): "good" | "malformed" | "limit" {
  const actions = readRuns(columns.get(column.action));
  if (actions === undefined) return "malformed";
  let rowCount = 0;
  let deleteCount = 0;
  for (const { count, value } of actions) {
    if (value === null || value > action.mark || value === action.makeTable) return "malformed";
    rowCount += count;
    if (value === action.delete) deleteCount += count;
  }
  if (deleteCount > changeLimits.stringBytes || rowCount - deleteCount > changeLimits.operations + sizeBytes)
    return "limit";
  const totals = new Map<number, { readonly rows: number; readonly sum: number }>();
  for (const [specification, bytes] of columns) {
    const total = readColumn(specification, bytes);
    if (total === undefined) return "malformed";
    totals.set(specification, total);
  }
  // a run of one long key stands for its length as often as it is repeated
  if ((totals.get(column.keyString)?.sum ?? 0) > 4 * changeLimits.stringBytes) return "limit";
  const predecessorCount = totals.get(predecessors.count)?.sum ?? 0;
  if (predecessorCount > 2 * changeLimits.stringBytes) return "limit";
  for (const [specification, { rows }] of totals) {
    const isPredecessor = specification === predecessors.actor || specification === predecessors.counter;
    if (isPredecessor ? rows !== predecessorCount : specification !== column.valueRaw && rows > rowCount)
      return "malformed";
  }
  const rawBytes = totals.get(column.valueSize)?.sum ?? 0;
  return rawBytes === (columns.get(column.valueRaw)?.length ?? 0) ? "good" : "malformed";
}

/** Find the rows that make objects, walking runs instead of rows. */
function readMade(
  columns: Columns,
  actors: readonly string[],
  startOp: number,
): readonly MadeObject[] | undefined {
  const actions = new RunCursor(readRuns(columns.get(column.action)) ?? []);
  const parentActors = new RunCursor(readRuns(columns.get(column.objectActor)) ?? []);
  const parentCounters = new RunCursor(readRuns(columns.get(column.objectCounter)) ?? []);
  const made: MadeObject[] = [];
  for (let row = 0; actions.remaining > 0;) {
    const kind = actions.value;
    const counter = parentCounters.value;
    const parentActor = parentActors.value;
    const isMaking = kind === action.makeMap || kind === action.makeList || kind === action.makeText;
    const step = isMaking
      ? 1
      : Math.min(actions.remaining, parentActors.remaining || Infinity, parentCounters.remaining || Infinity);
    if (isMaking) {
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
