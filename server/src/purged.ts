/** What the admin purged: its ciphertexts are erased here, and stored no more. */
import type { DirectoryState } from "../../src/directory/index.ts";
import { eraseEntries, parseCommit, type Commit } from "../../src/entry/index.ts";
import { CofferError, type DbId, type DocId, type TenantId } from "../../src/std/index.ts";
import type { Directories, RelayCrypto } from "./directories.ts";
import type { RelayStorage } from "./storage.ts";

export interface PurgeParts {
  readonly crypto: RelayCrypto;
  readonly storage: RelayStorage;
  readonly directories: Directories;
}

const page = { maxCount: 256, maxBytes: 4 * 1024 * 1024 } as const;
const noReplica = new Uint8Array(16);
const maxAttempts = 16;

/** A commit as it is to be stored: without what it holds of purged documents. */
export function withoutPurged(
  crypto: Pick<RelayCrypto, "sha256">,
  { purgedDocs }: DirectoryState,
  commit: Commit,
): Commit {
  const bytes =
    purgedDocs.size === 0 ? undefined : eraseEntries(commit, ({ docId }) => purgedDocs.has(docId));
  const verdict = bytes && parseCommit(crypto, bytes, commit.commitHash);
  return verdict?.kind === "verified" ? { ...verdict.commit, signature: commit.signature } : commit;
}

/**
 * Erase what the log of a database holds of documents. Doing it twice changes nothing, so whoever is interrupted begins again.
 *
 * @throws `store/failed` when the directory goes on changing under it
 */
export async function erasePurged(
  parts: PurgeParts,
  { dbId, tenantId }: { readonly tenantId: TenantId; readonly dbId: DbId },
  docIds: ReadonlySet<DocId>,
): Promise<void> {
  const { crypto, storage } = parts;
  await storage.removeChunks(tenantId, [...docIds]);
  for (let fromSeq = 0; ;) {
    const rows = await storage.readCommits(tenantId, dbId, { fromSeq, ...page });
    const last = rows.at(-1);
    if (last === undefined) return;
    for (const { bytes, commitHash } of rows) {
      const verdict = bytes === undefined ? undefined : parseCommit(crypto, bytes, commitHash);
      if (verdict?.kind !== "verified") continue;
      const left = eraseEntries(verdict.commit, ({ docId }) => docIds.has(docId));
      if (left !== undefined) await replace(parts, { tenantId, dbId }, { commit: verdict.commit, left });
    }
    fromSeq = last.seq + 1;
  }
}

/** A stored commit takes the place of itself, with less in it. */
async function replace(
  { directories, storage }: PurgeParts,
  place: { readonly tenantId: TenantId; readonly dbId: DbId },
  { commit, left }: { readonly commit: Commit; readonly left: Uint8Array },
): Promise<void> {
  const { commitHash, header } = commit;
  const { author, createdAtMs } = header;
  const copy = { bytes: left, isPartial: true };
  const replaced = { commitHash, author, createdAtMs, ...copy, unite: () => copy };
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const directory = await directories.read(place.tenantId);
    if (directory === undefined) return;
    const request = { ...place, replicaId: noReplica, commits: [replaced], directorySize: directory.size };
    if ((await storage.append(request)).kind === "appended") return;
  }
  throw new CofferError("store/failed", { message: "The directory changes all the time." });
}
