/** What the page says about the words that it searches for, judged. */
import { CofferError } from "../src/std/index.ts";
import { searchLimits, type SearchQuery } from "../src/search/index.ts";
import { readText } from "./page-messages.ts";

const prefixes = ["none", "last", "all"] as const;
const edits = [0, 1, 2, "auto"] as const;

/** Read what is searched for. Of a text that is too long the rest is left out. @throws `input/invalid` with `at`, `input/too-large` */
export function readWords({
  text,
  fields,
  prefix,
  fuzzy,
}: {
  readonly [name in keyof SearchQuery]?: unknown;
}): SearchQuery {
  if (typeof text !== "string") invalid("text");
  return {
    text: text.slice(0, searchLimits.textUnits),
    fields: fields === undefined ? undefined : readFieldNames(fields),
    prefix: readOne(prefix, "prefix", prefixes),
    fuzzy: readOne(fuzzy, "fuzzy", edits),
  };
}

function readFieldNames(fields: unknown): readonly string[] {
  if (!Array.isArray(fields)) invalid("fields");
  if (fields.length > searchLimits.fields) throw new CofferError("input/too-large", { at: "fields" });
  return Array.from<unknown>(fields).map((name, index) => readText(name, `fields.${index}`));
}

function readOne<const T>(value: unknown, at: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  return found === undefined ? invalid(at) : found;
}

function invalid(at: string): never {
  throw new CofferError("input/invalid", { at });
}
