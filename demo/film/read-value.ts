/** Reading values of documents that other people may have written: whatever is there, a form shows something. Pure. */

/** A text or number as text, anything else as no text. */
export function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** A number, or nothing. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** The texts of a list; anything else is an empty list. */
export function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}

/** A step into a nested object. */
export function readAt(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, step)) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[step];
  }
  return at;
}

/** The outcome of reading what a person typed as a number. */
export type TypedNumber =
  | { readonly kind: "number"; readonly number: number }
  | { readonly kind: "empty" }
  | { readonly kind: "wrong"; readonly why: string };

/** Read a number as people write it; spaces and thousands separators do not matter. */
export function readTypedNumber(typed: string, { min, max }: { min: number; max: number }): TypedNumber {
  const text = typed.trim().replaceAll(/[\s,_$]/g, "");
  if (text === "") return { kind: "empty" };
  const number = Number(text);
  if (!Number.isFinite(number)) return { kind: "wrong", why: "This is not a number." };
  if (number < min || number > max) return { kind: "wrong", why: `It must be between ${min} and ${max}.` };
  return { kind: "number", number };
}
