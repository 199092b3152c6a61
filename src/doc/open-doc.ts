/** An open document: the contract over its parts, and how changes of others come in. */
import { inverse } from "./inverse.ts";
import type { ApplyResult, DocChange, OpenDoc } from "./doc.ts";
import { judgeDepth, judgeSeq, sortByDeps, type History } from "./history.ts";
import { freeHandle, type Handle, type Library } from "./library.ts";
import { readPlain } from "./plain.ts";
import { createLoadedHashes, decodeSaved, encodeSaved, encodeSnapshot } from "./saved.ts";
import { requireOpen, take, type State } from "./state.ts";
import { diff, readMarks, valueAt } from "./versions.ts";
import { emptyChange, replay, replayChain } from "./write.ts";

type Rejected = ApplyResult["rejected"][number];

/** Create an empty document. It is freed by `close`. */
export function createOpenDoc(library: Library): OpenDoc {
  return openHandle(library, library.empty.clone(), {
    hashes: new Set<string>(),
    lastSeqs: new Map<string, number>(),
    depths: new Map<string, number>(),
  });
}

/** Open what {@link OpenDoc.save} gave; `undefined` when it is damaged or of another version. */
export function loadOpenDoc(library: Library, saved: Uint8Array): OpenDoc | undefined {
  const loaded = decodeSaved(library, saved);
  return loaded && openHandle(library, loaded.handle, loaded.history);
}

function openHandle(
  library: Library,
  handle: Handle,
  known: Omit<History, "hashes"> & Partial<History>,
): OpenDoc {
  const hasChange = (hash: string): boolean => state.handle.getChangeMetaByHash(hash) !== null;
  const state: State = {
    library,
    handle,
    heads: handle.getHeads().sort(),
    value: readPlain(handle),
    history: { hashes: createLoadedHashes(hasChange), ...known },
    isOpen: true,
  };
  const open = (): State => requireOpen(state);
  return {
    get heads() {
      return open().heads;
    },
    get value() {
      return open().value;
    },
    applyChanges: (changes) => applyChanges(open(), changes),
    replay: (draft) => replay(open(), draft),
    replayChain: (chain) => replayChain(open(), chain),
    emptyChange: (options) => emptyChange(open(), options),
    hasHeads: (heads) => heads.every((head) => open().history.hashes.has(head)),
    valueAt: (heads) => valueAt(open(), heads),
    diff: (before, after) => diff(open(), before, after),
    inverse: (before, after) => inverse(open(), before, after),
    marks: (path) => readMarks(open(), path),
    save: () => encodeSaved(open()),
    snapshot: () => encodeSnapshot(open()),
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
    take(state, trial, changes);
    return true;
  } catch {
    freeHandle(trial);
    return false;
  }
}
