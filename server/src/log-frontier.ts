import type { Verifier } from "../../src/crypto/index.ts";
import { assert, type CommitHash, type DbId } from "../../src/std/index.ts";
import { appendLeaves, type Frontier } from "../../src/sync/index.ts";

/**
 * Append one commit to a log's frontier.
 *
 * @returns the new frontier, and the node that the row of this commit keeps: the frontier's last one
 */
export function extendFrontier(
  crypto: Pick<Verifier, "sha256">,
  log: Frontier,
  commitHash: CommitHash,
): { readonly frontier: readonly Uint8Array[]; readonly node: Uint8Array } {
  const { frontier } = appendLeaves(crypto, { size: log.size, frontier: log.frontier }, [commitHash]);
  const node = frontier.at(-1);
  assert(node !== undefined, "frontier: a log with a commit has a node");
  return { frontier, node };
}

/** Order logs by the text of their ids. */
export function byLogId(a: { readonly dbId: DbId }, b: { readonly dbId: DbId }): number {
  return a.dbId < b.dbId ? -1 : a.dbId > b.dbId ? 1 : 0;
}
