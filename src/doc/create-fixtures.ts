/** First changes for tests: any value, and the dull twin of the encoder, operation by operation through Automerge. */
import type * as Automerge from "@automerge/automerge/slim";
import fc from "fast-check";
import { Atomic, Counter, type DraftValue } from "../draft/index.ts";
import { compareBytes, utf8ToBytes } from "../std/index.ts";

export type Handle = ReturnType<typeof Automerge.getBackend>;

/** Any fields of a document, as an application gives them. */
export const anyFields: fc.Arbitrary<object> = (() => {
  const leaf = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: "binary" }),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.double({ min: 2 ** 53, noNaN: true }).map(Math.floor),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array(),
    fc.date({ noInvalidDate: true }),
    fc.string().map((text) => Atomic(text)),
    fc.maxSafeInteger().map((start) => Counter(start)),
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie("value"), { maxLength: 5 }),
      fc.dictionary(fc.string({ unit: "binary" }), tie("value"), { maxKeys: 5 }),
    ),
  }));
  return fc.dictionary(fc.string({ unit: "binary" }), value, { maxKeys: 8 });
})();

/** Order by UTF-8, as Automerge does. */
export function compareText(a: string, b: string): number {
  return compareBytes(utf8ToBytes(a), utf8ToBytes(b));
}

/** Write a first value by one call for each operation, objects breadth first. */
export function writeByOperations(handle: Handle, value: DraftValue): void {
  const queue: [object: string, value: DraftValue][] = [["_root", value]];
  const put = (owner: string, step: string | number, element: DraftValue, isInsert: boolean): void => {
    const [type, plain] = typed(element);
    if (type === "object") {
      const made = isInsert
        ? handle.insertObject(owner, step as number, plain as never)
        : handle.putObject(owner, step, plain as never);
      queue.push([made, element]);
    } else if (isInsert) handle.insert(owner, step as number, plain as never, type);
    else handle.put(owner, step, plain as never, type);
  };
  for (const [owner, content] of queue) {
    if (typeof content === "string") handle.splice(owner, 0, 0, content);
    else if (Array.isArray(content))
      (content as readonly DraftValue[]).forEach((element, index) => put(owner, index, element, true));
    else
      for (const [key, element] of Object.entries(content as object).sort(([a], [b]) => compareText(a, b)))
        put(owner, key, element as DraftValue, false);
  }
}

type Datatype = Parameters<Handle["put"]>[3];

function typed(value: DraftValue): [type: "object" | Datatype, plain: unknown] {
  if (value === null) return ["null", null];
  if (typeof value === "boolean") return ["boolean", value];
  if (typeof value === "number") return [Number.isSafeInteger(value) && value > 0 ? "int" : "f64", value];
  if (typeof value === "string") return ["object", ""];
  if (value instanceof Date) return ["timestamp", value.getTime()];
  if (value instanceof Uint8Array) return ["bytes", value];
  if (value instanceof Map) {
    for (const [tag, content] of value as ReadonlyMap<string, unknown>)
      return [tag === "counter" ? "counter" : "str", content];
  }
  return ["object", Array.isArray(value) ? [] : {}];
}
