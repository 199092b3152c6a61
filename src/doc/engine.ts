import { decodeValue, replayInitial, type DraftValue } from "../draft/index.ts";
import { assert, CofferError } from "../std/index.ts";
import { parseChange } from "./change-chunk.ts";
import type { DocChange, DocEngine } from "./doc.ts";
import { freeHandle, replayTarget, toSeconds, type Library } from "./library.ts";
import { createOpenDoc } from "./open-doc.ts";
import { isFields } from "./plain.ts";

/** The loaded library as this room's contract. */
export function createDocEngine(library: Library): DocEngine {
  const judge: DocEngine["parseChange"] = (bytes) => parseChange(bytes, (part) => library.sha256(part));
  return {
    createDoc: () => createOpenDoc(library),
    encodeInitial: ({ value, actor, timeMs }) => {
      const plain = decodeValue(value);
      assert(isFields(plain), "doc: a document's value is an object of fields");
      return { change: encodeFirst(library, judge, { value, actor, timeMs }), value: plain };
    },
    parseChange: judge,
  };
}

function encodeFirst(
  library: Library,
  judge: DocEngine["parseChange"],
  { value, actor, timeMs }: { value: DraftValue; actor: string; timeMs: number },
): DocChange {
  const handle = library.empty.clone(actor);
  try {
    replayInitial(replayTarget(library, handle), value);
    if (handle.commit(undefined, toSeconds(timeMs)) === null)
      handle.emptyChange(undefined, toSeconds(timeMs));
    const [bytes] = handle.getChanges([]);
    const verdict = bytes === undefined ? undefined : judge(bytes);
    if (verdict?.kind === "change") return verdict.change;
    throw new CofferError("input/too-large", {
      message: "This document is too large. Split it into smaller ones.",
    });
  } finally {
    freeHandle(handle);
  }
}
