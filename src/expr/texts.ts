/** Functions of texts. What would be longer than the limit is missing. */
import { expressionLimits as limits } from "./expression.ts";
import { readText } from "./numbers.ts";

const isText = (of: unknown): of is string => typeof of === "string";

/** The function of a text. */
export const ofText = (compute: (of: string) => string): ((of: unknown) => string | undefined) => {
  return (of) => (isText(of) ? compute(of) : undefined);
};

/** The texts of values, one after the other. */
export function concat(values: readonly unknown[], between = ""): string | undefined {
  const parts = values.map((one) => readText(one) ?? "");
  const units = parts.reduce(
    (sum, part) => sum + part.length,
    between.length * Math.max(0, parts.length - 1),
  );
  return units > limits.textLength ? undefined : parts.join(between);
}

/** A part of a text. */
export function substring(of: unknown, from: unknown, count: unknown): string | undefined {
  const range = isText(of) ? rangeOf(of.length, from, count) : undefined;
  return range && (of as string).slice(...range);
}

/** A text with every occurrence of a text replaced. An empty text occurs nowhere. */
export function replace(of: unknown, what: unknown, by: unknown): string | undefined {
  if (!isText(of) || !isText(what) || !isText(by)) return undefined;
  if (what === "") return of;
  let units = of.length;
  for (let at = of.indexOf(what); at >= 0; at = of.indexOf(what, at + what.length)) {
    units += by.length - what.length;
  }
  return units > Math.max(limits.textLength, of.length) ? undefined : of.replaceAll(what, () => by);
}

/** A text's parts. An empty text occurs nowhere. */
export function split(of: unknown, between: unknown): readonly string[] | undefined {
  if (!isText(of) || !isText(between)) return undefined;
  if (between === "") return [of];
  const parts = of.split(between, limits.literals + 1);
  return parts.length > limits.literals ? undefined : parts;
}

/** The start and end of `count` units from an index on; a negative one counts from the end. */
export function rangeOf(
  length: number,
  from: unknown,
  count: unknown = length,
): readonly [start: number, end: number] | undefined {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(count)) return undefined;
  const start = Math.max(0, Number(from) < 0 ? length + Number(from) : Number(from));
  return [start, Math.max(start, start + Number(count))];
}
