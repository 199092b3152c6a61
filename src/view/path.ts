/**
 * What rows are called, the same for as long as they stand where they stand.
 *
 * ```
 *   category   /0sEngineering/1n2024              for each level: the column, the kind of its value, the value
 *   document   /0sEngineering/1n2024/@eu/<id>     its category, its origin, its id
 * ```
 *
 * A slash or backslash within a value has a backslash before it. Kinds: `s` text, `n` number, `d` date in milliseconds, `b` truth value,
 * `u` none.
 */

/** What a category stands for; `null`: documents without a value. */
export type CategoryValue = string | number | boolean | Date | null;

/** The value of the category of documents that have none. */
export const uncategorised = null;

/** Tell whether a value can stand for a category. */
export function isCategoryValue(of: unknown): of is CategoryValue {
  return of === null || ["string", "number", "boolean"].includes(typeof of) || of instanceof Date;
}

/** One level of a category. */
export interface Step {
  /** its column, by its place among the category columns */
  readonly column: number;
  readonly value: CategoryValue;
  /** differs from the keys of all others that stand beside it */
  readonly key: string;
}

/** Make a step of a column's value. */
export function stepOf(column: number, value: CategoryValue): Step {
  return { column, value, key: column + taggedText(value) };
}

function taggedText(value: CategoryValue): string {
  if (typeof value === "string") return `s${value}`;
  // −0 is 0
  if (typeof value === "number") return `n${value}`;
  if (typeof value === "boolean") return value ? "b1" : "b0";
  return value === null ? "u" : `d${value.getTime()}`;
}

/** The key of a category within another one. */
export function categoryKey(parentKey: string, step: Step): string {
  return `${parentKey}/${escape(step.key)}`;
}

/** The key of a document in a category. */
export function documentKey(parentKey: string, origin: string, id: string): string {
  return `${parentKey}/@${escape(origin)}/${escape(id)}`;
}

function escape(text: string): string {
  return /[/\\]/.test(text) ? text.replaceAll(/[/\\]/g, "\\$&") : text;
}

/** Read a key: its steps' keys, and the document, if it is of one. `undefined` for what is no key. */
export function parseKey(
  key: string,
): { readonly steps: readonly string[]; readonly document?: { origin: string; id: string } } | undefined {
  if (!key.startsWith("/")) return undefined;
  const parts = [...key.matchAll(/\/((?:[^/\\]|\\[/\\])*)/g)];
  if (parts.reduce((sum, [part]) => sum + part.length, 0) !== key.length) return undefined;
  const texts = parts.map(([, text = ""]) => text.replaceAll(/\\([/\\])/g, "$1"));
  const [origin, id] = texts.slice(-2);
  if (texts.length < 2 || origin === undefined || id === undefined || !origin.startsWith("@"))
    return { steps: texts };
  return { steps: texts.slice(0, -2), document: { origin: origin.slice(1), id } };
}
