import { createChangeCodec } from "./codec.ts";
import type { DocEngine } from "./doc.ts";
import type { Library } from "./library.ts";
import { createOpenDoc, loadOpenDoc } from "./open-doc.ts";
import { readSnapshot } from "./snapshot.ts";

/** The loaded library as this room's contract. */
export function createDocEngine(library: Library): DocEngine {
  const codec = createChangeCodec((bytes) => library.sha256(bytes));
  return {
    ...codec,
    createDoc: () => createOpenDoc(library),
    loadDoc: (saved) => loadOpenDoc(library, saved),
    readSnapshot: (bytes) => readSnapshot(library, bytes, (change) => codec.parseChange(change)),
  };
}
