/** Which commits of a request bring other lines of a directory into the one that is here. */
import type { CommitHash } from "../../src/std/index.ts";
import { indexOfHead, type DirectoryState, type OpenedCommit } from "../../src/directory/index.ts";

/**
 * The commits in the past of a merge that follows the head, with that merge. A request may bring more: what an admin's device wrote apart
 * and has not merged yet goes up beside the first pieces of its merge.
 *
 * @param state the directory as it is here, and what continues it
 * @param opened commits of a request
 * @returns those of the end with the most of them, of two the one with the lower hash; none where nothing that follows the head is whole
 */
export function broughtIn(state: DirectoryState, opened: readonly OpenedCommit[]): ReadonlySet<CommitHash> {
  const { head } = state;
  const pushed = new Map(opened.map((one) => [one.commit.commitHash, one.commit.header.predecessors]));
  const followed = new Set([...pushed.values()].flat());
  const ends = [...pushed.keys()].filter((hash) => !followed.has(hash));
  const isHere = (hash: CommitHash): boolean => indexOfHead(state, hash) !== undefined;
  const pasts = ends.flatMap((end) => {
    const past = new Set<CommitHash>();
    let hasHead = false;
    const open = [end];
    for (let hash = open.pop(); hash !== undefined; hash = open.pop()) {
      if (past.has(hash)) continue;
      hasHead ||= hash === head;
      const before = pushed.get(hash);
      // What continues the head is here and in the request.
      if (before === undefined && !isHere(hash)) return [];
      if (before === undefined) continue;
      past.add(hash);
      open.push(...before);
    }
    return hasHead ? [{ end, past }] : [];
  });
  const [best] = pasts.toSorted((a, b) => b.past.size - a.past.size || (a.end < b.end ? -1 : 1));
  return best?.past ?? new Set();
}
