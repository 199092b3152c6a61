/** The text of a document: what of its value is searched. */
import type { DocValue, Path } from "../draft/index.ts";

/** A text of a document. */
export interface DocText {
  /** the field at the top of the document that it is in */
  readonly field: string;
  /** where it is, from the document down */
  readonly path: Path;
  readonly text: string;
}

/** Deeper values are no document's: see the limits of a draft. */
const maxDepth = 128;

/**
 * Every text that a document holds, whole, in the order of its fields, then those that come from elsewhere, as a file's that is
 * attached to it. Keys of maps are no text of it. Pure: the same value gives the same texts.
 */
export function documentTexts(
  value: { readonly [key: string]: DocValue },
  extras: readonly DocText[] = [],
): readonly DocText[] {
  const texts: DocText[] = [];
  for (const [field, inner] of Object.entries(value)) collect(texts, inner, [field]);
  return [...texts, ...extras];
}

function collect(texts: DocText[], value: DocValue, path: readonly [string, ...Path]): void {
  if (typeof value === "string") {
    texts.push({ field: path[0], path, text: value });
    return;
  }
  if (typeof value !== "object" || value === null || path.length > maxDepth) return;
  if (value instanceof Date || value instanceof Uint8Array) return;
  if (Array.isArray(value)) {
    value.forEach((element: DocValue, index) => collect(texts, element, [...path, index]));
    return;
  }
  for (const [key, inner] of Object.entries(value as { readonly [key: string]: DocValue }))
    collect(texts, inner, [...path, key]);
}
