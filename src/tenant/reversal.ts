/**
 * Reversing verdicts: what a commit brought is taken out of the documents, with everything that depends on it.
 *
 * ```
 * commit ──► its accepted entries, out of the catalog ──► entries that depend on them, out too: their commits wait again
 *                                                    └──► the documents: handles freed, summaries read anew
 * ```
 */
import type { CommitHash, DbId, DocId, EntryHash } from "../std/index.ts";
import { parseCommit, type Commit } from "../entry/index.ts";
import type { AcceptedEntry } from "./catalog.ts";
import type { TenantCore } from "./core.ts";
import type { KnownCommit } from "./ledger.ts";

/** What a reversal did. */
export interface Reversal {
  /** documents that lost entries, by database */
  readonly changed: ReadonlyMap<DbId, ReadonlySet<DocId>>;
  /** commits whose entries depended on what was taken out: to be judged again */
  readonly held: ReadonlySet<CommitHash>;
}

/** Read commits of the log that were verified before. */
export async function readCommits(
  core: TenantCore,
  rows: readonly KnownCommit[],
): Promise<readonly Commit[]> {
  const records = await core.store.readRecords(rows.map((row) => row.position).sort((a, b) => a - b));
  return records.flatMap((record) => {
    const verdict = parseCommit(core.world.crypto, record.bytes);
    return verdict.kind === "verified" && core.ledger.at(record.position) !== undefined
      ? [verdict.commit]
      : [];
  });
}

/** Take what commits brought out of the documents. Their own verdicts are the caller's to set. */
export async function withdraw(core: TenantCore, rows: readonly KnownCommit[]): Promise<Reversal> {
  const changed = new Map<DbId, Set<DocId>>();
  const held = new Set<CommitHash>();
  const reversed = new Set(rows.map((row) => row.commitHash));
  for (const commit of await readCommits(core, rows)) {
    const { dbId } = commit.header;
    for (const [docId, hashes] of entriesByDoc(commit)) {
      const withdrawn = core.catalog(dbId).withdraw(docId, hashes);
      if (withdrawn.length === 0) continue;
      changed.set(dbId, (changed.get(dbId) ?? new Set()).add(docId));
      for (const hash of hold(core, withdrawn, reversed)) held.add(hash);
    }
  }
  // A writer whose own change is gone from a document would use its sequence number again.
  if (changed.size > 0) core.dropWriters();
  return { changed, held };
}

/** Let the commits of withdrawn entries wait for them. */
export function hold(
  core: TenantCore,
  withdrawn: readonly AcceptedEntry[],
  except: ReadonlySet<CommitHash> = new Set(),
): ReadonlySet<CommitHash> {
  const held = new Set<CommitHash>();
  for (const { position, entryIndex } of withdrawn) {
    const row = core.ledger.at(position);
    if (row === undefined || except.has(row.commitHash)) continue;
    const pending = [...new Set([...row.pending, entryIndex])].sort((a, b) => a - b);
    const { refused, judgedAtMs: atMs } = row;
    core.ledger.judge(row.commitHash, { verdict: "waiting", reason: "held", pending, refused, atMs });
    held.add(row.commitHash);
  }
  return held;
}

function entriesByDoc(commit: Commit): ReadonlyMap<DocId, Set<EntryHash>> {
  const byDoc = new Map<DocId, Set<EntryHash>>();
  for (const { entryHash, header } of commit.entries) {
    if (header !== undefined) byDoc.set(header.docId, (byDoc.get(header.docId) ?? new Set()).add(entryHash));
  }
  return byDoc;
}
