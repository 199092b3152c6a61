/**
 * What expressions know about plain values: kinds, reading a path, sameness. Total over any value whatever.
 */
import { expressionLimits, type FieldPath } from "./expression.ts";

/**
 * The kinds of plain values in the order in which they sort; numbers that are not a number come before all
 * numbers. Anything that is no plain value counts as missing.
 */
export const kinds = [
  "null",
  "boolean",
  "number",
  "date",
  "string",
  "bytes",
  "list",
  "map",
  "missing",
] as const;

/** One of the kinds of plain values. */
export type Kind = (typeof kinds)[number];

/** Tell the kind of a value. */
export function kindOf(of: unknown): Kind {
  if (of === null) return "null";
  const type = typeof of;
  if (type === "string" || type === "number" || type === "boolean") return type;
  if (type !== "object") return "missing";
  if (Array.isArray(of)) return "list";
  if (of instanceof Date) return "date";
  if (of instanceof Uint8Array) return "bytes";
  return "map";
}

/** Follow a path through own keys and list indexes; `undefined` when it leads nowhere. */
export function readPath(root: unknown, path: FieldPath): unknown {
  let at = root;
  for (const step of path) {
    const kind = kindOf(at);
    if (kind === "list") at = listIndex.test(step) ? (at as readonly unknown[])[Number(step)] : undefined;
    else if (kind === "map" && Object.hasOwn(at as object, step))
      at = (at as { readonly [key: string]: unknown })[step];
    else return undefined;
  }
  return kindOf(at) === "missing" ? undefined : at;
}

const listIndex = /^(?:0|[1-9]\d{0,8})$/;

/**
 * Tell whether two values are the same: of one kind and equal, lists and maps by content down to depth 64.
 */
export function isSame(left: unknown, right: unknown, depth: number = expressionLimits.depth * 2): boolean {
  const kind = kindOf(left);
  if (kind !== kindOf(right) || depth < 0) return false;
  switch (kind) {
    case "missing":
      return true;
    case "number":
      return left === right || Object.is(left, right);
    case "date":
      return Object.is((left as Date).getTime(), (right as Date).getTime());
    case "bytes":
    case "list": {
      const [one, other] = [left as ArrayLike<unknown>, right as ArrayLike<unknown>];
      if (one.length !== other.length) return false;
      for (let index = 0; index < one.length; index += 1)
        if (!isSame(one[index], other[index], depth - 1)) return false;
      return true;
    }
    case "map": {
      const [one, other] = [left as { [key: string]: unknown }, right as { [key: string]: unknown }];
      const keys = Object.keys(one);
      return (
        keys.length === Object.keys(other).length &&
        keys.every((key) => Object.hasOwn(other, key) && isSame(one[key], other[key], depth - 1))
      );
    }
    default:
      return left === right;
  }
}

/**
 * A key that two values share exactly if they are the same: scalars by themselves, the others as texts. Missing values have
 * `undefined`.
 */
export function sameKey(of: unknown, depth: number = expressionLimits.depth * 2): unknown {
  switch (kindOf(of)) {
    case "missing":
      return undefined;
    case "null":
    case "boolean":
    case "number":
      return of === 0 ? 0 : of;
    case "string":
      // Texts that look like other keys are told apart by their first character.
      return `s${of as string}`;
    case "date":
      return `d${(of as Date).getTime()}`;
    case "bytes":
      return `b${(of as Uint8Array).join()}`;
    case "list":
      return `l${depth > 0 ? (of as readonly unknown[]).map((one) => keyPart(sameKey(one, depth - 1))).join("") : ""}`;
    case "map": {
      const entries = depth > 0 ? Object.entries(of as object) : [];
      entries.sort(([one], [other]) => (one < other ? -1 : 1));
      return `m${entries.map(([key, one]) => keyPart(key) + keyPart(sameKey(one, depth - 1))).join("")}`;
    }
  }
}

/** With its length in front no part runs into the next, and nothing has to be escaped. */
function keyPart(key: unknown): string {
  const text = String(key);
  return `${text.length}:${text}`;
}
