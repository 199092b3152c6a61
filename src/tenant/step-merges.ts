/**
 * Bringing a line of the directory to a server in pieces. A server that has one line takes another only together with the commit that merges
 * them, and a request has an end; so what it lacks goes up one commit at a time, each with a merge of its own that says nothing.
 *
 * ```
 * there   x ◄──── t1 ◄──── t2 ◄──── m        t1, t2: adopt what they bring in, and nothing else: steps
 *                 ▼        ▼        ▼        m: the merge, as it would be without them
 * here    c1 ◄─── c2 ◄──── c3 ◄──── c4
 * ```
 *
 * Each commit is offered again right before its merge, and the outbox parts no merge from the commit before it. A device that dies in the
 * middle leaves a fork that is still open: the next merge looks through steps, as if there were none.
 */
import type { CommitHash } from "../std/index.ts";
import type { OpenedCommit } from "../directory/index.ts";
import { entryLimits } from "../entry/index.ts";
import type { LogRecord } from "../store/index.ts";
import { pastOf, sinceParting } from "./beside.ts";
import type { TenantCore } from "./core.ts";
import type { DirectoryRecords, LineEnds } from "./directory-writes.ts";

/** The steps among commits of the directory, each with the commit that it brings in. */
export function stepsOf(commits: readonly OpenedCommit[]): ReadonlyMap<CommitHash, CommitHash> {
  const steps = new Map<CommitHash, CommitHash>();
  for (const { commit, records } of commits) {
    const { predecessors } = commit.header;
    const [first, ...others] = records;
    if (predecessors.length < 2 || first?.kind !== "adopt" || others.length > 0) continue;
    const [adopted] = first.commitHashes;
    if (adopted !== undefined && first.commitHashes.length === 1 && predecessors.includes(adopted))
      steps.set(commit.commitHash, adopted);
  }
  return steps;
}

/** Writes directory commits behind some ends, as the admin who acts. @returns the hash of the last */
export type WriteLine = (ends: LineEnds, ...records: readonly DirectoryRecords[]) => Promise<CommitHash>;

/** Write the steps that lead to a merge of all lines. @returns what the merge follows */
export async function writeSteps(
  core: TenantCore,
  steps: ReadonlyMap<CommitHash, CommitHash>,
  write: WriteLine,
): Promise<LineEnds> {
  const { head, otherHeads } = core.directory;
  const ends = head === undefined ? otherHeads : [head, ...otherHeads];
  const { there, toBring } = await sidesOf(core, ends, steps);
  const last = toBring.at(-1);
  let at = there;
  for (const again of toBring.slice(0, -1)) {
    const adopt = { kind: "adopt", commitHashes: [again.commitHash] } as const;
    const behind = { head: at.head, others: [...at.others, again.commitHash], again };
    at = { head: await write(behind, { open: [adopt], sealed: [] }), others: [] };
  }
  if (last === undefined) return at;
  // The merge continues the line of this device, as it would without steps.
  if (last.commitHash !== head)
    return { head: at.head, others: [...at.others, last.commitHash], again: last };
  return { head, others: at.head === undefined ? at.others : [at.head, ...at.others], again: last };
}

/** The ends of what a server is taken to have, and the commits that it lacks, each behind what it follows; the head is the last of them. */
async function sidesOf(
  core: TenantCore,
  ends: readonly CommitHash[],
  steps: ReadonlyMap<CommitHash, CommitHash>,
): Promise<{ readonly there: LineEnds; readonly toBring: readonly LogRecord[] }> {
  const { directory, ledger, store } = core;
  const apart = sinceParting(core, ends, steps).filter((hash) => !steps.has(hash));
  const positions = apart.flatMap((hash) => ledger.find(hash)?.position ?? []);
  const records = await store.readRecords(positions.toSorted((a, b) => a - b));
  const byHash = new Map(records.map((record) => [record.commitHash, record]));
  const own = new Set(apart.filter((hash) => byHash.get(hash)?.origin === ""));
  const isSplit = own.size > 0 && ends.some((end) => !own.has(end));
  const side = isSplit ? own : new Set(apart.filter((hash) => !directory.indexByCommit.has(hash)));
  const [first, ...others] = ends.filter((end) => !side.has(end));
  const there = { head: first, others: others.slice(0, entryLimits.predecessors - 2) };
  const known = pastOf(core, first === undefined ? [] : [first, ...others]);
  const isLast = (hash: CommitHash): number => Number(hash === directory.head);
  const toBring = apart
    .filter((hash) => side.has(hash) && !known.has(hash))
    .toSorted((a, b) => isLast(a) - isLast(b));
  return { there, toBring: toBring.flatMap((hash) => byHash.get(hash) ?? []) };
}
