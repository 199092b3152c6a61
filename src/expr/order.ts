/**
 * The order of rows.
 *
 * Kinds in order: null, false and true, numbers (NaN first), dates (invalid ones first), texts, byte strings,
 * lists, maps. A descending key turns all of that round; what is missing comes last in both directions. Texts
 * compare by the reader's locale, with numbers inside them by size ("file 9" before "file 10"), and by code
 * unit where the locale sees no difference. Byte strings, lists and maps have no order among themselves: rows
 * tie there, and the caller decides ties (by id).
 */
import { fieldPath, type SortKey } from "./expression.ts";
import { kindOf, kinds, readPath } from "./value.ts";

/** A comparator of two plain values, as `Array.sort` takes it. */
export type Comparator = (left: unknown, right: unknown) => number;

/**
 * Make a comparator of several keys, the first one first: a total preorder over any values whatever.
 *
 * @param locale a BCP 47 tag; the default is the reader's own
 */
export function createComparator(sort: readonly SortKey[], locale?: string): Comparator {
  const collator = collatorOf(locale);
  const levels = sort.map((key) => ({ path: fieldPath(key.field), descending: key.order === "desc" }));
  return (left, right) => {
    for (const { path, descending } of levels) {
      const [one, other] = [readPath(left, path), readPath(right, path)];
      const [oneIsMissing, otherIsMissing] = [kindOf(one) === "missing", kindOf(other) === "missing"];
      if (oneIsMissing && otherIsMissing) continue;
      if (oneIsMissing) return 1;
      if (otherIsMissing) return -1;
      const order = compareValues(one, other, collator);
      if (order !== 0) return descending ? -order : order;
    }
    return 0;
  };
}

const mostCollators = 64;
const collators = new Map<string | undefined, Intl.Collator>();

/** The collator of a locale, made once: making one costs milliseconds. */
export function collatorOf(locale: string | undefined): Intl.Collator {
  let collator = collators.get(locale);
  if (collator === undefined) {
    if (collators.size >= mostCollators) collators.clear();
    collator = new Intl.Collator(locale, { numeric: true });
    collators.set(locale, collator);
  }
  return collator;
}

/** Compare two values that are not missing; without a collator texts compare by code unit, which is the same on every device. */
export function compareValues(left: unknown, right: unknown, collator?: Intl.Collator): number {
  const kind = kindOf(left);
  const otherKind = kindOf(right);
  if (kind !== otherKind) return kinds.indexOf(kind) - kinds.indexOf(otherKind);
  switch (kind) {
    case "string":
      return compareTexts(left as string, right as string, collator);
    case "boolean":
    case "number":
    case "date":
      return compareNumbers(Number(left), Number(right));
    default:
      return 0;
  }
}

function compareTexts(left: string, right: string, collator: Intl.Collator | undefined): number {
  if (left === right) return 0;
  return collator?.compare(left, right) || (left < right ? -1 : 1);
}

function compareNumbers(left: number, right: number): number {
  if (left === right) return 0;
  if (Number.isNaN(left)) return Number.isNaN(right) ? 0 : -1;
  if (Number.isNaN(right)) return 1;
  return left < right ? -1 : 1;
}
