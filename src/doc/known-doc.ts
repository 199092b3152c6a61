/**
 * Documents that were created, and since then only had fields set to plain values, one edit upon the other: which operation made what
 * each field shows is known, and the next such edit is written without Automerge, byte for byte as Automerge writes it.
 *
 * The document's first change is written once more from its value: it is the one that was accepted when it has that hash. Then the
 * operations in it are known: the field that is n-th in order is what operation n made. Each edit that is written adds its own.
 */
import type { DocValue, DraftOperation } from "../draft/index.ts";
import { action, valueType } from "./change-codes.ts";
import { assemble, rows } from "./change-rows.ts";
import { compareByCodePoints, encodeCreate } from "./create-change.ts";
import type { CreatedDoc, DocChange, KnownDoc, KnownEdit } from "./doc.ts";

type Sha256 = (bytes: Uint8Array) => Uint8Array;
type Fields = { readonly [key: string]: DocValue };
type Scalar = string | number | boolean | null;

const maxTextUnits = 4096;

/** Write a document's first change once more; `undefined` when what comes of it is not the change that has this hash. */
export function writeAgain({ value, created }: CreatedDoc, sha256: Sha256): DocChange | undefined {
  const { actor, atMs, hash } = created;
  // Automerge keeps whole seconds, and a change is written a little before its commit.
  for (const timeMs of [atMs, atMs - 1000]) {
    const { change } = encodeCreate({ value, actor, timeMs }, sha256);
    if (change.hash === hash) return change;
  }
  return undefined;
}

/** @see ChangeCodec.knowCreated */
export function knowCreated(document: CreatedDoc, sha256: Sha256): KnownDoc | undefined {
  const { created, value } = document;
  if (writeAgain(document, sha256) === undefined) return undefined;
  const { actor, hash } = created;
  const names = Object.keys(value).toSorted(compareByCodePoints);
  return {
    value,
    head: hash,
    // The rows still count the operations of the first change.
    lastOp: rows.count,
    fields: new Map(names.map((name, index) => [name, { actor, counter: index + 1 }])),
    lasts: new Map([[actor, { seq: 1, hash }]]),
  };
}

/** @see ChangeCodec.encodeEdit */
export function encodeEdit(
  known: KnownDoc,
  { actor, operations, timeMs }: KnownEdit,
  sha256: Sha256,
): { readonly change: DocChange; readonly after: KnownDoc } | undefined {
  const settings = readSettings(known.value, operations);
  if (settings === undefined) return undefined;
  const others = othersOf(known, settings.keys(), actor);
  const fields = new Map(known.fields);
  rows.reset(known.lastOp);
  for (const [name, set] of settings) {
    const replaced = known.fields.get(name);
    const by = replaced && { actor: others.indexOf(replaced.actor) + 1, counter: replaced.counter };
    rows.field(name, by);
    fields.set(name, { actor, counter: rows.count });
    writeScalar(set);
  }
  const lastOp = rows.count;
  const last = known.lasts.get(actor);
  const seq = (last?.seq ?? 0) + 1;
  // As Automerge does, which names an actor's change before wherever that stands.
  const deps = [...new Set([known.head, last?.hash ?? known.head])].sort();
  const { bytes, hash } = assemble({ actor, timeMs, seq, startOp: known.lastOp + 1, deps, others }, sha256);
  const lasts = new Map(known.lasts).set(actor, { seq, hash });
  return {
    change: { bytes, hash, actor, seq, deps, note: "" },
    after: { value: settle(known.value, settings), head: hash, lastOp, fields, lasts },
  };
}

/** The other actors whose fields are replaced, in order: operations call the author 0, and these by their places from 1 on. */
function othersOf({ fields }: KnownDoc, names: Iterable<string>, author: string): readonly string[] {
  const actors = new Set<string>();
  for (const name of names) {
    const actor = fields.get(name)?.actor;
    if (actor !== undefined && actor !== author) actors.add(actor);
  }
  return [...actors].sort();
}

/** What fields are set to; `undefined` for what only Automerge writes. */
function readSettings(
  value: Fields,
  operations: readonly DraftOperation[],
): ReadonlyMap<string, Scalar> | undefined {
  const settings = new Map<string, Scalar>();
  if (Object.hasOwn(value, "__proto__")) return undefined;
  for (const operation of operations) {
    if (operation.op !== "set" || operation.path.length !== 1) return undefined;
    const [name] = operation.path;
    const { value: set } = operation;
    if (typeof name !== "string" || name === "__proto__" || settings.has(name) || !isPlainText(name))
      return undefined;
    if (!isScalar(set)) return undefined;
    // Automerge leaves out what changes nothing.
    if (typeof set !== "string" && Object.hasOwn(value, name) && value[name] === set) return undefined;
    settings.set(name, set);
  }
  return settings.size === 0 ? undefined : settings;
}

function isScalar(value: unknown): value is Scalar {
  if (typeof value === "string") return isPlainText(value);
  if (typeof value === "number") return !Number.isNaN(value) && !Object.is(value, -0);
  return value === null || typeof value === "boolean";
}

const isPlainText = (text: string): boolean => text.length <= maxTextUnits && text.isWellFormed();

function writeScalar(value: Scalar): void {
  if (typeof value === "string") {
    rows.make(action.makeText);
    rows.text(rows.count, value);
  } else if (typeof value === "number") {
    if (Number.isSafeInteger(value)) rows.setNumber(valueType.int, value);
    else rows.setFloat(value);
  } else if (value === null) rows.set(valueType.null);
  else rows.set(value ? valueType.true : valueType.false);
}

function settle(value: Fields, settings: ReadonlyMap<string, Scalar>): Fields {
  const names = [...new Set([...Object.keys(value), ...settings.keys()])].toSorted(compareByCodePoints);
  const settled: { [key: string]: DocValue } = {};
  for (const name of names) {
    const set = settings.get(name);
    settled[name] = set === undefined ? (value[name] ?? null) : set;
  }
  return Object.freeze(settled);
}
