/**
 * doc: documents from changes. The only room that touches Automerge.
 *
 * Guarantees
 * - Automerge is loaded on first need, and every handle is freed
 * - untrusted bytes are judged without Automerge: form, hash, size, rows, depth; a hundred bytes cannot cost seconds
 * - a bad change is a verdict; it harms neither the document nor the others of its batch
 * - a replay happens wholly or not at all, and what it writes keeps every limit that others are held to
 *
 * It knows no entries, no keys, no users: who may write, and what a deletion means, is decided above.
 */
export { createChangeCodec } from "./codec.ts";
export {
  changeLimits,
  type ApplyResult,
  type ChangeCodec,
  type ChangeVerdict,
  type DocChange,
  type DocEngine,
  type KnownDoc,
  type OpenDoc,
  type ReplayResult,
} from "./doc.ts";
export { isEmptyChange } from "./empty-change.ts";
export { createEngineFile, type EngineFile } from "./engine-file.ts";
export { loadAutomerge } from "./load.ts";
export { snapshotLimits } from "./snapshot.ts";
export { summarizeValue, summaryLimits, type Summary } from "./summary.ts";
