/** Reads a document with the kinds of its values told, for tests. */
import type { Handle } from "./library.ts";
import { toLeaf } from "./plain.ts";

/** A document's value with `{ counter }`, `{ atomic }` and `{ text, marks }` where plain data has numbers and strings. */
export function readKinds(handle: Handle, object = "_root", type = "map"): unknown {
  const at = (step: string | number): unknown => {
    const [kind, value] = handle.getWithType(object, step) ?? ["null", null];
    if (kind === "counter") return { counter: value };
    if (kind === "str") return { atomic: value };
    if (kind === "text") return { text: handle.text(String(value)), marks: marksOf(handle, String(value)) };
    return kind === "map" || kind === "list" ? readKinds(handle, String(value), kind) : toLeaf(value);
  };
  if (type === "list") return Array.from({ length: handle.length(object) }, (_, index) => at(index));
  return Object.fromEntries(handle.keys(object).map((key) => [key, at(key)]));
}

function marksOf(handle: Handle, text: string): readonly object[] {
  return handle
    .marks(text)
    .filter(({ value, start, end }) => value !== null && start < end)
    .map(({ start, end, name, value }) => ({ start, end, name, value }));
}
