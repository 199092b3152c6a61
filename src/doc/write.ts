/** Changes of our own: recorded drafts replayed, and empty changes. */
import { replayDraft, type DraftOperation } from "../draft/index.ts";
import { assert, CofferError, isCofferError, utf8ToBytes } from "../std/index.ts";
import { parseChange } from "./change-chunk.ts";
import { changeLimits, type DocChange, type ReplayResult } from "./doc.ts";
import { headsAfter, sameHeads } from "./history.ts";
import { freeHandle, replayTarget, toSeconds, type Handle, type Library } from "./library.ts";
import { requireHeads, take, type State } from "./state.ts";

/** What a change says of itself. */
interface Stamp {
  readonly actor: string;
  readonly timeMs: number;
  readonly note?: string;
}

/** Run recorded drafts, the first at its base, each of the others on the one before. @see OpenDoc.replayChain */
export function replayChain(
  state: State,
  chain: Stamp & {
    readonly drafts: readonly (readonly DraftOperation[])[];
    readonly baseHeads: readonly string[];
  },
): readonly ReplayResult[] {
  const { baseHeads, drafts } = chain;
  const [message, seconds] = commitArguments(chain);
  requireHeads(state, baseHeads);
  for (const operations of drafts) checkRemovals(operations);
  /** what each draft committed, if anything */
  const hashes: (string | null)[] = [];
  const write = (trial: Handle): void => {
    const target = replayTarget(state.library, trial);
    for (const operations of drafts) {
      replayDraft(target, operations);
      hashes.push(trial.pendingOps() > 0 ? trial.commit(message, seconds) : null);
    }
  };
  const changes = writeChanges(state, chain.actor, (trial) => {
    if (sameHeads(baseHeads, state.heads)) return write(trial);
    // on a scratch copy, taking over the changes alone: a handle that was isolated may keep wrong indexes
    const scratch = trial.clone(chain.actor);
    try {
      scratch.isolate([...baseHeads]);
      write(scratch);
      scratch.integrate();
      trial.applyChanges(scratch.getChanges([...state.heads]));
    } finally {
      freeHandle(scratch);
    }
  });
  const changesByHash = new Map(changes.map((change) => [change.hash, change]));
  assert(
    changes.length === hashes.filter((hash) => hash !== null).length,
    "doc: each draft that changes something is one change",
  );
  let draftHeads = baseHeads;
  return hashes.map((hash) => {
    const change = hash === null ? undefined : changesByHash.get(hash);
    const own = change === undefined ? [] : [change];
    draftHeads = headsAfter(draftHeads, own);
    return { changes: own, heads: state.heads, draftHeads };
  });
}

/** Run a recorded draft at its base. @see OpenDoc.replay */
export function replay(
  state: State,
  draft: Stamp & { readonly operations: readonly DraftOperation[]; readonly baseHeads: readonly string[] },
): ReplayResult {
  const [result] = replayChain(state, { ...draft, drafts: [draft.operations] });
  assert(result !== undefined, "doc: a draft has a result");
  return result;
}

function checkRemovals(operations: readonly DraftOperation[]): void {
  let removeCount = 0;
  for (const operation of operations) if ("remove" in operation) removeCount += operation.remove;
  if (removeCount > changeLimits.stringBytes) throw tooLarge();
}

/** Write an empty change. @see OpenDoc.emptyChange */
export function emptyChange(state: State, stamp: Stamp & { readonly at?: readonly string[] }): DocChange {
  const { actor, at = state.heads } = stamp;
  const [message, seconds] = commitArguments(stamp);
  requireHeads(state, at);
  const [change] = writeChanges(state, actor, (trial) => {
    if (sameHeads(at, state.heads)) return void trial.emptyChange(message, seconds);
    // an isolated handle's empty changes stand on all heads
    const past = state.handle.fork(actor, [...at]);
    try {
      past.emptyChange(message, seconds);
      trial.applyChanges(past.getChanges([...at]));
    } finally {
      freeHandle(past);
    }
  });
  assert(change !== undefined, "doc: an empty change is a change");
  return change;
}

function commitArguments({ note = "", timeMs }: Stamp): [message: string | undefined, seconds: number] {
  assert(utf8ToBytes(note).length <= changeLimits.noteBytes, "doc: a note is within its limit");
  return [note === "" ? undefined : note, toSeconds(timeMs)];
}

/** Run `write` on a clone under `actor`, and take over what it committed. */
function writeChanges(state: State, actor: string, write: (trial: Handle) => void): readonly DocChange[] {
  const trial = state.handle.clone(actor);
  try {
    write(trial);
    const changes = trial.getChanges([...state.heads]).map((bytes) => checkOwn(state.library, bytes));
    if (changes.length === 0) freeHandle(trial);
    else take(state, trial, changes);
    return changes;
  } catch (cause) {
    freeHandle(trial);
    if (isCofferError(cause)) throw cause;
    throw new CofferError("input/invalid", { message: "This edit does not fit the document." }, { cause });
  }
}

/** What we write keeps every limit that we hold others to. */
function checkOwn(library: Library, bytes: Uint8Array): DocChange {
  const verdict = parseChange(bytes, (part) => library.sha256(part));
  if (verdict.kind === "change") return verdict.change;
  throw tooLarge();
}

function tooLarge(): CofferError {
  return new CofferError("input/too-large", {
    message: "This edit is too large. Split it into smaller parts.",
  });
}
