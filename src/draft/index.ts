/**
 * draft: records an edit function as operations on the page; replays them in the worker.
 *
 * Guarantees
 * - recording and replaying equals running the same function inside `Automerge.change`
 * - the base is never changed; the optimistic value shares every unchanged branch with it and is frozen
 * - what cannot be recorded is refused at once, by `input/invalid` or `input/too-large` with the path: nothing is dropped silently
 * - what an edit removed it can put back, anywhere: recorded as a copy of what is shown, with its counters, atomic strings and marks.
 *   So can leaves change their places in lists; one that comes into a field is what the page shows
 * - any key is legal; no prototype of any object ever changes
 *
 * It holds no documents and knows no Automerge: the worker hands the replay half a document to write to.
 */
export {
  draftLimits,
  type DocValue,
  type DraftOperation,
  type DraftValue,
  type Mark,
  type Patch,
  type Path,
  type RecordedDraft,
  type TaggedValue,
} from "./draft.ts";
export { applyPatches, diffValues } from "./patch.ts";
export { current, recordDraft } from "./record.ts";
export { replayDraft, type ReplayTarget } from "./replay.ts";
export { shareStructure } from "./share.ts";
export { increment, mark, splice, unmark, updateText } from "./text.ts";
export type { DocData, Draft } from "./types.ts";
export { Atomic, Counter, decodeValue, encodeInitialValue } from "./value.ts";
