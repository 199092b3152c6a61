/** Lines of the directory that were written apart, on this device: folded as one, with what is beside the line kept as evidence. */
import type { CommitHash } from "../std/index.ts";
import {
  createDirectory,
  foldLines,
  indexOfHead,
  type DirectoryState,
  type OpenedCommit,
} from "../directory/index.ts";
import type { TenantCore } from "./core.ts";
import type { JudgeState, JudgeTools } from "./judge.ts";
import type { KnownCommit } from "./ledger.ts";

/** The accepted commits of the directory, as positions of the log; `also`: those of lines that a fork has beside it, too. */
export function directoryPositions(
  { directoryDbId, ledger }: Pick<TenantCore, "directoryDbId" | "ledger">,
  also?: "fork",
): number[] {
  const isMeant = ({ dbId, reason, verdict }: KnownCommit): boolean =>
    dbId === directoryDbId && (verdict === "accepted" || (reason === "fork" && also === "fork"));
  return ledger
    .rows()
    .filter(isMeant)
    .map((row) => row.position)
    .sort((a, b) => a - b);
}

/** The directory by all that the ledger has of it, opened with the keys of now. */
export async function foldAll(core: TenantCore): Promise<DirectoryState> {
  const { adminKey, tenantId } = core.directory;
  return foldLines(createDirectory(core.world.crypto, tenantId, adminKey), await core.readDirectory());
}

/** What a fork is folded with. */
type Folding = Pick<JudgeState, "directory" | "ledger" | "readDirectory">;

/**
 * Fold all lines anew with one more commit. What is beside the line and not brought into it by a merge is quarantined as `fork`.
 *
 * @returns when the commit closed a fork, all commits back to where the lines parted, each behind what it follows: a server that has one
 *   of the lines refused the other until now
 */
export async function foldBeside(
  state: Folding,
  tools: Pick<JudgeTools, "crypto" | "nowMs">,
  opened: OpenedCommit,
): Promise<readonly CommitHash[]> {
  const { adminKey, head, otherHeads, tenantId } = state.directory;
  const wasOpen = otherHeads.length > 0;
  const ends = head === undefined ? otherHeads : [head, ...otherHeads];
  const all = [...(await state.readDirectory()), opened];
  state.directory = foldLines(createDirectory(tools.crypto, tenantId, adminKey), all);
  const { ledger } = state;
  const open = pastOf(state, state.directory.otherHeads);
  const line = pastOf(state, state.directory.head === undefined ? [] : [state.directory.head]);
  for (const { commit } of all) {
    const { commitHash } = commit;
    if (indexOfHead(state.directory, commitHash) === undefined) continue;
    const isBeside = open.has(commitHash) && !line.has(commitHash);
    const verdict = isBeside ? "quarantined" : "accepted";
    if (ledger.find(commitHash)?.verdict === verdict) continue;
    const reason = isBeside ? "fork" : "";
    ledger.judge(commitHash, { verdict, reason, pending: [], refused: "", atMs: tools.nowMs() });
  }
  const isClosed = wasOpen && state.directory.otherHeads.length === 0;
  return isClosed ? [...sinceParting(state, ends), opened.commit.commitHash] : [];
}

/**
 * The commits of some lines that are not in the past of all of them, each behind what it follows.
 *
 * @param steps merges that are looked through, each with what it brings in, see step-merges.ts
 */
export function sinceParting(
  state: Pick<JudgeState, "ledger">,
  ends: readonly CommitHash[],
  steps: ReadonlyMap<CommitHash, CommitHash> = new Map(),
): readonly CommitHash[] {
  const pasts = ends.map((end) => pastOf(state, [end], steps));
  const apart = [...new Set(pasts.flatMap((past) => [...past]))].filter(
    (hash) => !pasts.every((past) => past.has(hash)),
  );
  const depths = new Map(apart.map((hash) => [hash, pastOf(state, [hash]).size]));
  return apart.sort((a, b) => (depths.get(a) ?? 0) - (depths.get(b) ?? 0));
}

/** Commits with all that they follow, but for what steps bring in. */
export function pastOf(
  { ledger }: Pick<JudgeState, "ledger">,
  ends: readonly CommitHash[],
  steps: ReadonlyMap<CommitHash, CommitHash> = new Map(),
): ReadonlySet<CommitHash> {
  const past = new Set<CommitHash>();
  const open = [...ends];
  for (let hash = open.pop(); hash !== undefined; hash = open.pop()) {
    if (past.has(hash)) continue;
    past.add(hash);
    const brought = steps.get(hash);
    open.push(...(ledger.find(hash)?.predecessors ?? []).filter((before) => before !== brought));
  }
  return past;
}
