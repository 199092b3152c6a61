import { decodeValue, replayInitial, type DraftValue } from "../draft/index.ts";
import { assert, CofferError } from "../std/index.ts";
import { parseChange } from "./change-chunk.ts";
import { encodeCreate } from "./create-change.ts";
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

/** Small changes keep every limit by their size alone; larger ones are judged as a reader will. */
const plainlyWithinLimitsBytes = 16 * 1024;

function encodeFirst(
  library: Library,
  judge: DocEngine["parseChange"],
  draft: { value: DraftValue; actor: string; timeMs: number },
): DocChange {
  const written = encodeCreate(draft, (bytes) => library.sha256(bytes));
  if (written === undefined) return encodeByAutomerge(library, judge, draft);
  if (written.bytes.length <= plainlyWithinLimitsBytes || judge(written.bytes).kind === "change")
    return written;
  throw tooLarge();
}

/** For the few values whose form only Automerge decides. */
function encodeByAutomerge(
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
    throw tooLarge();
  } finally {
    freeHandle(handle);
  }
}

function tooLarge(): CofferError {
  return new CofferError("input/too-large", {
    message: "This document is too large. Split it into smaller ones.",
  });
}
