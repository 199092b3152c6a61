/**
 * The first edit of a document that was created and never edited, where it only sets fields of the document to plain values: written
 * without Automerge, byte for byte as Automerge writes it.
 *
 * The document's first change is written once more from its value: it is the one that was accepted when it has that hash. Then the
 * operations in it are known: the field that is n-th in order is what operation n made.
 */
import type { DocValue, DraftOperation } from "../draft/index.ts";
import { action, valueType } from "./change-codes.ts";
import { assemble, rows } from "./change-rows.ts";
import { compareByCodePoints, encodeCreate } from "./create-change.ts";
import type { DocChange, FirstEdit } from "./doc.ts";

type Sha256 = (bytes: Uint8Array) => Uint8Array;
type Fields = { readonly [key: string]: DocValue };
type Scalar = string | number | boolean | null;

const maxTextUnits = 4096;

/** Write a document's first change once more; `undefined` when what comes of it is not the change that has this hash. */
export function writeAgain(
  { value, created }: Pick<FirstEdit, "value" | "created">,
  sha256: Sha256,
): DocChange | undefined {
  const { actor, atMs, hash } = created;
  // Automerge keeps whole seconds, and a change is written a little before its commit.
  for (const timeMs of [atMs, atMs - 1000]) {
    const { change } = encodeCreate({ value, actor, timeMs }, sha256);
    if (change.hash === hash) return change;
  }
  return undefined;
}

/** @see ChangeCodec.encodeFirstEdit */
export function encodeFirstEdit(
  edit: FirstEdit,
  sha256: Sha256,
): { readonly change: DocChange; readonly value: Fields } | undefined {
  const { actor, created, operations, timeMs, value } = edit;
  const settings = readSettings(value, operations);
  if (settings === undefined || writeAgain(edit, sha256) === undefined) return undefined;
  const names = Object.keys(value).toSorted(compareByCodePoints);
  // The rows still count the operations of the first change.
  const before = rows.count;
  const isOwn = created.actor === actor;
  rows.reset(before);
  for (const [name, set] of settings) {
    const index = names.indexOf(name);
    rows.field(name, index < 0 ? undefined : { actor: isOwn ? 0 : 1, counter: index + 1 });
    writeScalar(set);
  }
  const namesCreator = !isOwn && [...settings.keys()].some((name) => names.includes(name));
  const seq = isOwn ? 2 : 1;
  const deps = [created.hash];
  const others = namesCreator ? [created.actor] : [];
  const { bytes, hash } = assemble({ actor, timeMs, seq, startOp: before + 1, deps, others }, sha256);
  return { change: { bytes, hash, actor, seq, deps, note: "" }, value: settle(value, settings) };
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
  return value === null || typeof value === "boolean" || (typeof value === "number" && !Number.isNaN(value));
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
