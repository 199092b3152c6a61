/**
 * What comes from the page, judged: a page of an older or newer version, or one that an attacker writes into, is told
 * `input/invalid` with the place, and nothing of it reaches a document.
 */
import { CofferError } from "../src/std/index.ts";
import { draftLimits, type DraftOperation, type DraftValue } from "../src/draft/index.ts";
import { parseDefinition } from "../src/expr/index.ts";
import type { DraftMessage, QueryMessage } from "./api.ts";

const maxValues = 256;
const maxHeads = 100_000;
const markValues = ["string", "number", "boolean"];

type Fields = { readonly [key: string]: unknown };

function invalid(at: string): never {
  throw new CofferError("input/invalid", { at });
}

/** Read a query of the page. @throws `input/invalid` with `at` */
export function readQuery(message: unknown): QueryMessage {
  const verdict = parseDefinition(message);
  if (verdict.kind === "malformed") invalid(verdict.at);
  return verdict.definition;
}

/** Read the values of new documents. @throws `input/invalid` with `at`, `input/too-large` */
export function readValues(message: unknown): readonly DraftValue[] {
  if (!Array.isArray(message)) invalid("values");
  if (message.length > maxValues) throw new CofferError("input/too-large", { values: message.length });
  return message.map((value: unknown, index) => {
    if (!isFields(value) || !isValue(value, 0)) invalid(`values.${index}`);
    return value;
  });
}

/** Read a draft of the page. @throws `input/invalid` with `at`, `input/too-large` */
export function readDraft(message: unknown): DraftMessage {
  if (!isFields(message)) invalid("draft");
  const { afterDraft, baseHeads, draft, durability, operations } = message;
  if (!isNatural(draft)) invalid("draft.draft");
  if (!isNatural(afterDraft)) invalid("draft.afterDraft");
  if (durability !== "relaxed" && durability !== "strict") invalid("draft.durability");
  if (!Array.isArray(baseHeads) || baseHeads.length > maxHeads || !baseHeads.every(isHash))
    invalid("draft.baseHeads");
  if (!Array.isArray(operations)) invalid("draft.operations");
  if (operations.length > draftLimits.operations)
    throw new CofferError("input/too-large", { operations: operations.length });
  const read = operations.map((operation: unknown, index): DraftOperation => {
    if (!isOperation(operation)) invalid(`draft.operations.${index}`);
    return operation;
  });
  return { draft, afterDraft, durability, baseHeads, operations: read };
}

function isOperation(operation: unknown): operation is DraftOperation {
  if (!isFields(operation) || !isPath(operation["path"])) return false;
  const { by, index, insert, name, range, remove, value, values } = operation;
  switch (operation["op"]) {
    case "set":
      return isValue(value, 0);
    case "delete":
      return true;
    case "splice":
      return isNatural(index) && isNatural(remove) && Array.isArray(values) && isValue(values, 0);
    case "spliceText":
      return isNatural(index) && isNatural(remove) && typeof insert === "string";
    case "updateText":
      return typeof value === "string";
    case "increment":
      return Number.isSafeInteger(by);
    case "mark":
      return (
        isRange(range) && typeof name === "string" && (value === null || markValues.includes(typeof value))
      );
    case "unmark":
      return isRange(range) && typeof name === "string";
    default:
      return false;
  }
}

function isRange(range: unknown): boolean {
  if (!isFields(range)) return false;
  const { end, expand = "after", start } = range;
  return isNatural(start) && isNatural(end) && ["before", "after", "both", "none"].includes(String(expand));
}

function isPath(path: unknown): boolean {
  return (
    Array.isArray(path) &&
    path.length <= draftLimits.depth + 1 &&
    path.every((step) => typeof step === "string" || isNatural(step))
  );
}

function isValue(value: unknown, depth: number): value is DraftValue {
  if (depth > draftLimits.depth + 1) return false;
  if (value === null || ["boolean", "number", "string"].includes(typeof value)) return true;
  if (value instanceof Date) return !Number.isNaN(value.getTime());
  if (value instanceof Uint8Array) return true;
  if (value instanceof Map) return isTagged(value);
  if (Array.isArray(value)) return value.every((element) => isValue(element, depth + 1));
  return isFields(value) && Object.values(value).every((element) => isValue(element, depth + 1));
}

function isTagged(value: ReadonlyMap<unknown, unknown>): boolean {
  const [entry, ...more] = value;
  if (entry === undefined || more.length > 0) return false;
  const [tag, content] = entry;
  return tag === "counter" ? Number.isSafeInteger(content) : tag === "atomic" && typeof content === "string";
}

function isFields(value: unknown): value is Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return !(
    value instanceof Date ||
    value instanceof Uint8Array ||
    value instanceof Map ||
    value instanceof Set
  );
}

function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isHash(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}
