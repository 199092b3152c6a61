/**
 * What comes from the page, judged: a page of an older or newer version, or one that an attacker writes into, is told
 * `input/invalid` with the place, and nothing of it reaches a document.
 */
import { CofferError, type AuthorKey } from "../src/std/index.ts";
import { draftLimits, type DraftOperation, type DraftValue, type Path } from "../src/draft/index.ts";
import { judgeExpression, parseDefinition, type Definition, type Expression } from "../src/expr/index.ts";
import { isBranchName, versionField } from "../src/tenant/index.ts";
import { requireAuthorKey } from "./host.ts";
import type { DatabaseShape, DraftMessage, Migration } from "./api.ts";

const maxValues = 512;
const shapeLimits = { defaults: 256, migrations: 64, fields: 64, indexes: 16 };
const maxHeads = 100_000;
const maxDocuments = 64;
/** names, ids and cursors; longer ones are none */
const maxTextLength = 16 * 1024;
const markValues = ["string", "number", "boolean"];
const expandings: readonly unknown[] = [undefined, "before", "after", "both", "none"];

type Fields = { readonly [key: string]: unknown };

function invalid(at: string): never {
  throw new CofferError("input/invalid", { at });
}

/**
 * What one draft or new document may still hold, counted as the page does: small messages can be values without end, since cloning
 * keeps what is shared shared.
 */
interface Room {
  parts: number;
  bytes: number;
  /** what was moved stands in edits alone */
  readonly mayMove: boolean;
}

function createRoom(mayMove = false): Room {
  return { parts: draftLimits.operations, bytes: draftLimits.bytes, mayMove };
}

/** Take room for a part of so many bytes at least. @throws `input/too-large` */
function take(room: Room, sizeBytes: number): void {
  room.parts -= 1;
  room.bytes -= sizeBytes;
  if (room.parts < 0) throw new CofferError("input/too-large", { limit: "operations" });
  if (room.bytes < 0) throw new CofferError("input/too-large", { limit: "bytes" });
}

/** Read a list; its gaps are `undefined`. @throws `input/invalid` with `at`, `input/too-large` */
export function readList(message: unknown, at: string, maxCount: number): readonly unknown[] {
  if (!Array.isArray(message)) invalid(at);
  if (message.length > maxCount) throw new CofferError("input/too-large", { at, count: message.length });
  return Array.from<unknown>(message);
}

/** Read a query of the page. @throws `input/invalid` with `at` */
export function readQuery(query: unknown): Definition {
  const verdict = parseDefinition(query);
  if (verdict.kind === "definition") return verdict.definition;
  const { at, message, position } = verdict;
  const said = message === undefined ? {} : { position, message: `The filter is no expression: ${message}.` };
  throw new CofferError("input/invalid", { at, ...said });
}

/** Read the values of new documents. @throws `input/invalid` with `at`, `input/too-large` */
export function readValues(message: unknown): readonly DraftValue[] {
  return readList(message, "values", maxValues).map((value, index) => {
    if (!isFields(value) || !isValue(value, createRoom())) invalid(`values.${index}`);
    return value;
  });
}

/** Read a draft of the page. @throws `input/invalid` with `at`, `input/too-large` */
export function readDraft(message: unknown): DraftMessage {
  if (!isFields(message)) invalid("draft");
  const { afterDraft, baseHeads, draft, durability, operations } = message;
  if (!isNatural(draft)) invalid("draft.draft");
  if (!isNatural(afterDraft)) invalid("draft.afterDraft");
  return {
    draft,
    afterDraft,
    durability: durability === undefined ? undefined : readDurability(durability, "draft.durability"),
    baseHeads: readHeads(baseHeads, "draft.baseHeads"),
    operations: readOperations(operations, "draft.operations"),
  };
}

/** One of many drafts: on a document of its own. */
interface BulkDraftMessage {
  readonly docId: string;
  readonly baseHeads: readonly string[];
  readonly operations: readonly DraftOperation[];
}

/** Read drafts on many documents. @throws `input/invalid` with `at`, `input/too-large` */
export function readBulkDrafts(message: unknown): readonly BulkDraftMessage[] {
  const ids = new Set<string>();
  return readList(message, "drafts", maxDocuments).map((draft, index) => {
    const at = `drafts.${index}`;
    if (!isFields(draft)) invalid(at);
    const docId = readText(draft["docId"], `${at}.docId`);
    if (ids.has(docId)) invalid(`${at}.docId`);
    ids.add(docId);
    const baseHeads = readHeads(draft["baseHeads"], `${at}.baseHeads`);
    return { docId, baseHeads, operations: readOperations(draft["operations"], `${at}.operations`) };
  });
}

/** Read how durable a change is to be. @throws `input/invalid` with `at` */
export function readDurability(message: unknown, at: string): "relaxed" | "strict" {
  return message === "relaxed" || message === "strict" ? message : invalid(at);
}

/** Read the ids of some documents, whatever they name. @throws `input/invalid` with `at`, `input/too-large` */
export function readDocIds(message: unknown): readonly string[] {
  return readList(message, "docIds", maxDocuments).map((docId, index) => readText(docId, `docIds.${index}`));
}

/** Read a cursor of changes: text, or none. @throws `input/invalid` with `at` */
export function readCursor(message: unknown): string | undefined {
  return message === undefined ? undefined : readText(message, "cursor");
}

/** Read how many documents are asked for at most. @throws `input/invalid` with `at` */
export function readCount(message: unknown): number {
  return isNatural(message) && message >= 1 && message <= maxDocuments ? message : invalid("maxCount");
}

/** Read a text of any length: a password, or what has an encoding of its own. @throws `input/invalid` with `at` */
export function readString(message: unknown, at: string): string {
  return typeof message === "string" ? message : invalid(at);
}

/** Read texts by their names. @throws `input/invalid` with `at` */
export function readStrings<const Name extends string>(
  message: unknown,
  at: string,
  names: readonly Name[],
): { readonly [name in Name]: string } {
  const fields = readFields(message, at);
  const texts = names.map((name) => [name, readString(fields[name], `${at}.${name}`)] as const);
  return Object.fromEntries(texts) as { readonly [name in Name]: string };
}

/** Read who acts as the admin. @throws `input/invalid` with `at`, `input/unknown-id` */
export function readProof(message: unknown): {
  readonly adminKey: AuthorKey;
  readonly adminPassword: string;
} {
  const { adminKey, adminPassword } = readStrings(message, "proof", ["adminKey", "adminPassword"]);
  return { adminKey: requireAuthorKey(adminKey), adminPassword };
}

/** Read an object of options. @throws `input/invalid` with `at` */
export function readFields(message: unknown, at: string): Fields {
  return isFields(message) ? message : invalid(at);
}

/** Read a short text. @throws `input/invalid` with `at` */
export function readText(message: unknown, at: string): string {
  return typeof message === "string" && message.length <= maxTextLength ? message : invalid(at);
}

/** Read a list of short texts. @throws `input/invalid` with `at`, `input/too-large` */
export function readTexts(message: unknown, at: string): readonly string[] {
  return readList(message, at, maxHeads).map((text, index) => readText(text, `${at}.${index}`));
}

/** Read a whole number, not negative. @throws `input/invalid` with `at` */
export function readNatural(message: unknown, at: string): number {
  return isNatural(message) ? message : invalid(at);
}

/** Read a duration in whole milliseconds; one that lies in the past, however far, is −1. @throws `input/invalid` with `at` */
export function readDurationMs(message: unknown, at: string): number {
  return typeof message === "number" && Number.isSafeInteger(message) ? Math.max(message, -1) : invalid(at);
}

/** Read how documents are to be created. @throws `input/invalid` with `at` */
export function readCreation(message: unknown): {
  readonly keyName: string | undefined;
  readonly run: number | undefined;
} {
  const { keyName, run } = readFields(message, "options");
  return {
    keyName: keyName === undefined ? undefined : readText(keyName, "keyName"),
    run: run === undefined ? undefined : readNatural(run, "run"),
  };
}

/** Read the name of a branch. @throws `input/invalid` with `at` */
export function readBranchName(message: unknown, at: string): string {
  return isBranchName(message) ? message : invalid(at);
}

/** Read the place of a value. @throws `input/invalid` with `at` */
export function readPath(message: unknown, at: string): Path {
  return isPath(message) ? message : invalid(at);
}

/** Read how far apart edits may be that are taken back together. @throws `input/invalid` with `at` */
export function readPause(message: unknown, at: string): number {
  return typeof message === "number" && message >= 0 ? message : invalid(at);
}

/** Read what is to be undone. @throws `input/invalid` with `at` */
export function readUndo(message: unknown): { readonly isRedo: boolean; readonly groupMs: number } {
  if (!isFields(message)) invalid("options");
  const { groupMs, isRedo } = message;
  if (typeof isRedo !== "boolean") invalid("options.isRedo");
  return { isRedo, groupMs: readPause(groupMs, "options.groupMs") };
}

/** Read heads of a document. @throws `input/invalid` with `at` */
export function readHeads(heads: unknown, at: string): readonly string[] {
  const read = readList(heads, at, maxHeads);
  return read.every(isHash) ? read : invalid(at);
}

function readOperations(operations: unknown, at: string): readonly DraftOperation[] {
  const room = createRoom(true);
  return readList(operations, at, draftLimits.operations).map((operation, index): DraftOperation => {
    take(room, 0);
    if (!isOperation(operation, room)) invalid(`${at}.${index}`);
    return operation;
  });
}

/** Read the shape of a database. @throws `input/invalid` with `at` */
export function readShape(message: unknown): DatabaseShape {
  if (!isFields(message)) invalid("shape");
  const { version, defaults, indexes, migrations } = message;
  if (!isNatural(version)) invalid("shape.version");
  if (!isFields(defaults) || !isValue(defaults, createRoom()) || !isShaped(defaults, shapeLimits.defaults))
    invalid("shape.defaults");
  const steps = readList(migrations, "shape.migrations", shapeLimits.migrations);
  const read = steps.map((step, index): Migration => {
    const at = `shape.migrations.${index}`;
    if (!isFields(step)) invalid(at);
    const { to, set } = step;
    if (!isNatural(to) || to < 1 || to > version) invalid(`${at}.to`);
    if (!isFields(set) || !isShaped(set, shapeLimits.fields)) invalid(`${at}.set`);
    const fields = Object.entries(set).map(([field, input]): [string, Expression] => {
      const verdict = judgeExpression(input);
      if (verdict.kind === "malformed") invalid(`${at}.set.${field}.${verdict.at}`);
      return [field, verdict.expression];
    });
    return { to, set: Object.fromEntries(fields) };
  });
  if (new Set(read.map(({ to }) => to)).size < read.length) invalid("shape.migrations");
  const shape = { version, defaults, migrations: read };
  return indexes === undefined ? shape : { ...shape, indexes: readIndexes(indexes) };
}

function readIndexes(message: unknown): readonly (readonly string[])[] {
  return readList(message, "shape.indexes", shapeLimits.indexes).map((path, index) => {
    const verdict = judgeExpression({ op: "field", path });
    const isPath = verdict.kind === "expression" && verdict.expression.op === "field";
    return isPath ? verdict.expression.path : invalid(`shape.indexes.${index}`);
  });
}

/** Fields that a shape may give: the version's own is not among them. */
function isShaped(fields: Fields, maxCount: number): boolean {
  return Object.keys(fields).length <= maxCount && !Object.hasOwn(fields, versionField);
}

function isOperation(operation: unknown, room: Room): operation is DraftOperation {
  if (!isFields(operation) || !isPath(operation["path"])) return false;
  const { by, index, insert, name, range, remove, value, values } = operation;
  switch (operation["op"]) {
    case "set":
      return isValue(value, room);
    case "delete":
      return true;
    case "splice":
      return isNatural(index) && isNatural(remove) && Array.isArray(values) && isValue(values, room);
    case "spliceText":
      return isNatural(index) && isNatural(remove) && isText(insert, room);
    case "updateText":
      return isText(value, room);
    case "increment":
      return Number.isSafeInteger(by);
    case "mark":
      return isRange(range) && isText(name, room) && isMarkValue(value) && isValue(value, room);
    case "unmark":
      return isRange(range) && isText(name, room);
    default:
      return false;
  }
}

/** Text that an operation brings; the operation has taken its part already. */
function isText(text: unknown, room: Room): boolean {
  if (typeof text !== "string") return false;
  room.parts += 1;
  take(room, text.length);
  return true;
}

function isMarkValue(value: unknown): boolean {
  return value === null || markValues.includes(typeof value);
}

function isRange(range: unknown): boolean {
  if (!isFields(range)) return false;
  const { end, expand, start } = range;
  return isNatural(start) && isNatural(end) && expandings.includes(expand);
}

function isPath(path: unknown): path is Path {
  return (
    Array.isArray(path) &&
    path.length <= draftLimits.depth + 1 &&
    Array.from<unknown>(path).every((step) =>
      typeof step === "string" ? step.length <= draftLimits.bytes : isNatural(step),
    )
  );
}

function isValue(value: unknown, room: Room, depth = 0): value is DraftValue {
  if (depth > draftLimits.depth + 1) return false;
  take(room, typeof value === "string" || value instanceof Uint8Array ? value.length : 0);
  if (value === null || ["boolean", "number", "string"].includes(typeof value)) return true;
  if (value instanceof Date) return !Number.isNaN(value.getTime());
  if (value instanceof Uint8Array) return true;
  if (value instanceof Map) return isTagged(value, room, depth);
  if (Array.isArray(value)) {
    // gaps are `undefined` here, and as such refused
    for (const element of value as readonly unknown[]) if (!isValue(element, room, depth + 1)) return false;
    return true;
  }
  if (!isFields(value)) return false;
  return Object.entries(value).every(([key, element]) => {
    room.bytes -= key.length;
    return isValue(element, room, depth + 1);
  });
}

function isTagged(value: ReadonlyMap<unknown, unknown>, room: Room, depth: number): boolean {
  const [entry, ...more] = value;
  if (entry === undefined || more.length > 0) return false;
  const [tag, content] = entry;
  if (tag === "counter") return Number.isSafeInteger(content);
  if (tag === "atomic") return isText(content, room);
  if (tag !== "moved" || !room.mayMove || content instanceof Map) return false;
  // what is tagged has taken its part already
  room.parts += 1;
  return isValue(content, room, depth);
}

/** Tell plain objects from what else cloning keeps: dates, bytes, maps, errors, patterns, boxes. */
function isFields(value: unknown): value is Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isHash(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}
