/** Which parts of a chunk store changed, told to the other threads that have it open: on one broadcast channel, a commit hash or `null` for the budget. */
import { parseId, type CommitHash, type Env, type Release } from "../std/index.ts";
import type { ChunkStore } from "./chunk-store.ts";

/** Tell other threads what this one changes, and hear what any of them did, until the release. */
export function shareChunkNews(
  env: Pick<Env, "openChannel">,
  chunks: ChunkStore,
  onNews: (commitHash: CommitHash | undefined) => void = () => undefined,
): Release {
  const channel = env.openChannel(`coffer-chunks/${chunks.name}`);
  channel.onMessage((message) => onNews(parseId("CommitHash", message)));
  const release = chunks.onChange((commitHash) => {
    channel.post(commitHash ?? null);
    onNews(commitHash);
  });
  return () => {
    release();
    channel.close();
  };
}
