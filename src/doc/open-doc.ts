/**
 * An open document: one wasm handle, exchanged whole.
 *
 * Every step runs on a clone (copy on write, about 0.1 ms whatever the size) that takes the handle's place only when all of it
 * went well. A change that Automerge stumbles over breaks the handle it was applied to for good, and later honest changes with it;
 * so no handle that has thrown is ever used again.
 */
import { replayDraft, type DocValue, type DraftOperation } from "../draft/index.ts";
import { assert, CofferError, isCofferError } from "../std/index.ts";
import { parseChange } from "./change-chunk.ts";
import { changeLimits, type ApplyResult, type DocChange, type OpenDoc, type ReplayResult } from "./doc.ts";
import { headsAfter, judgeDepth, judgeSeq, sameHeads, sortByDeps, type History } from "./history.ts";
import { freeHandle, replayTarget, toSeconds, type Handle, type Library } from "./library.ts";
import { readPlain, readStale, staleAfter } from "./plain.ts";

type PlainDoc = { readonly [key: string]: DocValue };
type Rejected = ApplyResult["rejected"][number];

interface State {
  readonly library: Library;
  handle: Handle;
  heads: readonly string[];
  value: PlainDoc;
  readonly history: History;
  isOpen: boolean;
}

/** Create an empty document. It is freed by `close`. */
export function createOpenDoc(library: Library): OpenDoc {
  const state: State = {
    library,
    handle: library.empty.clone(),
    heads: [],
    value: Object.freeze({}),
    history: { hashes: new Set(), lastSeqs: new Map(), depths: new Map() },
    isOpen: true,
  };
  const open = (): State => {
    assert(state.isOpen, "doc: a closed document is not used");
    return state;
  };
  return {
    get heads() {
      return open().heads;
    },
    get value() {
      return open().value;
    },
    applyChanges: (changes) => applyChanges(open(), changes),
    replay: (draft) => replay(open(), draft),
    emptyChange: (options) => emptyChange(open(), options),
    hasHeads: (heads) => heads.every((head) => open().history.hashes.has(head)),
    save: () => new Uint8Array(open().handle.save()),
    close() {
      open().isOpen = false;
      freeHandle(state.handle);
    },
  };
}

function applyChanges(state: State, changes: readonly DocChange[]): ApplyResult {
  const applied = changes.filter(({ hash }) => state.history.hashes.has(hash));
  const { ready, waiting } = sortByDeps(changes, state.history.hashes);
  const rejected: Rejected[] = [];
  const late: DocChange[] = [...waiting];
  const batch = admit(state, ready, rejected, late);
  applyBatch(state, batch, { applied, rejected, waiting: late });
  return { applied, rejected, waiting: late };
}

/** Leave out what is known to be wrong before Automerge sees it. */
function admit(
  state: State,
  ready: readonly DocChange[],
  rejected: Rejected[],
  waiting: DocChange[],
): readonly DocChange[] {
  const { hashes, lastSeqs } = state.history;
  const refusedHashes = new Set<string>();
  const seqs = new Map<string, number>();
  const depths = new Map<string, number>();
  const batch: DocChange[] = [];
  for (const change of ready) {
    if (change.deps.some((dep) => refusedHashes.has(dep) && !hashes.has(dep))) {
      waiting.push(change);
      refusedHashes.add(change.hash);
      continue;
    }
    const last = seqs.get(change.actor) ?? lastSeqs.get(change.actor) ?? 0;
    const seq = judgeSeq(last, change);
    const reason = seq === "next" && !judgeDepth(state.history.depths, depths, change) ? "limit" : seq;
    if (reason === "next") {
      seqs.set(change.actor, change.seq);
      batch.push(change);
    } else {
      rejected.push({ change, reason });
      refusedHashes.add(change.hash);
    }
  }
  return batch;
}

/** Apply all at once; when that fails, halves, down to the one that is to blame. */
function applyBatch(
  state: State,
  batch: readonly DocChange[],
  result: { applied: DocChange[]; rejected: Rejected[]; waiting: DocChange[] },
): void {
  const { history } = state;
  const ready: DocChange[] = [];
  const hashes = new Set<string>();
  for (const change of batch) {
    if (change.deps.every((dep) => history.hashes.has(dep) || hashes.has(dep))) {
      ready.push(change);
      hashes.add(change.hash);
    } else result.waiting.push(change);
  }
  if (ready.length === 0) return;
  if (tryApply(state, ready)) {
    result.applied.push(...ready);
    return;
  }
  const [only] = ready;
  if (ready.length === 1 && only !== undefined) {
    result.rejected.push({ change: only, reason: "not-applicable" });
    return;
  }
  const middle = Math.ceil(ready.length / 2);
  applyBatch(state, ready.slice(0, middle), result);
  applyBatch(state, ready.slice(middle), result);
}

function tryApply(state: State, changes: readonly DocChange[]): boolean {
  const trial = state.handle.clone(state.handle.getActorId());
  try {
    trial.applyChanges(changes.map(({ bytes }) => bytes));
    const value = readPlain(trial, state.value);
    if (!sameHeads(trial.getHeads(), headsAfter(state.heads, changes))) throw new RangeError("heads");
    take(state, trial, changes, value);
    return true;
  } catch {
    freeHandle(trial);
    return false;
  }
}

function take(state: State, trial: Handle, changes: readonly DocChange[], value: PlainDoc): void {
  freeHandle(state.handle);
  state.handle = trial;
  state.heads = headsAfter(state.heads, changes);
  state.value = value;
  for (const { hash, actor, seq } of changes) {
    state.history.hashes.add(hash);
    state.history.lastSeqs.set(actor, seq);
  }
  for (const change of changes) judgeDepth(state.history.depths, state.history.depths, change);
}

function emptyChange(
  state: State,
  { actor, timeMs, at = state.heads }: { actor: string; timeMs: number; at?: readonly string[] },
): DocChange {
  requireHeads(state, at);
  const [change] = writeChanges(
    state,
    actor,
    () => state.value,
    (trial) => {
      if (sameHeads(at, state.heads)) return void trial.emptyChange(undefined, toSeconds(timeMs));
      // an isolated handle's empty changes stand on all heads
      const past = state.handle.fork(actor, [...at]);
      try {
        past.emptyChange(undefined, toSeconds(timeMs));
        trial.applyChanges(past.getChanges([...at]));
      } finally {
        freeHandle(past);
      }
    },
  );
  assert(change !== undefined, "doc: an empty change is a change");
  return change;
}

function requireHeads(state: State, heads: readonly string[]): void {
  if (heads.every((head) => state.history.hashes.has(head))) return;
  throw new CofferError("input/invalid", {
    message: "This edit was made on a version that is not in the document.",
  });
}

function replay(
  state: State,
  draft: {
    operations: readonly DraftOperation[];
    baseHeads: readonly string[];
    actor: string;
    timeMs: number;
  },
): ReplayResult {
  const { baseHeads } = draft;
  requireHeads(state, baseHeads);
  let removeCount = 0;
  for (const operation of draft.operations) if ("remove" in operation) removeCount += operation.remove;
  if (removeCount > changeLimits.stringBytes) throw tooLarge();
  const write = (trial: Handle): void => {
    replayDraft(replayTarget(state.library, trial), draft.operations);
    if (trial.pendingOps() > 0) trial.commit(undefined, toSeconds(draft.timeMs));
  };
  const isBehind = !sameHeads(baseHeads, state.heads);
  const read = (trial: Handle): PlainDoc =>
    isBehind ? readPlain(trial, state.value) : readStale(trial, state.value, staleAfter(draft.operations));
  const changes = writeChanges(state, draft.actor, read, (trial) => {
    if (!isBehind) return write(trial);
    // on a scratch copy, taking over the change alone: a handle that was isolated may keep wrong indexes
    const scratch = trial.clone(draft.actor);
    try {
      scratch.isolate([...baseHeads]);
      write(scratch);
      scratch.integrate();
      trial.applyChanges(scratch.getChanges([...state.heads]));
    } finally {
      freeHandle(scratch);
    }
  });
  return { changes, heads: state.heads, draftHeads: headsAfter(baseHeads, changes) };
}

/** Run `write` on a clone under `actor`, and take over what it committed, as `read` shows it. */
function writeChanges(
  state: State,
  actor: string,
  read: (trial: Handle) => PlainDoc,
  write: (trial: Handle) => void,
): readonly DocChange[] {
  const trial = state.handle.clone(actor);
  try {
    write(trial);
    const changes = trial.getChanges([...state.heads]).map((bytes) => checkOwn(state.library, bytes));
    if (changes.length === 0) {
      freeHandle(trial);
      return changes;
    }
    take(state, trial, changes, read(trial));
    assert(
      sameHeads(trial.getHeads(), state.heads),
      "doc: a document's heads are its own and its new changes'",
    );
    return changes;
  } catch (cause) {
    if (trial !== state.handle) freeHandle(trial);
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
