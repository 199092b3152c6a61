/** What of a user's commits counts when they lose something: all that this device has of them. */
import type { AuthorKey, CommitHash, DbId } from "../std/index.ts";
import { recordLimits, type DirectoryCuts } from "../directory/index.ts";
import type { TenantCore } from "./core.ts";
import type { KnownCommit } from "./ledger.ts";

/** A record holds so many heads. */
const maxCutHeads = 4096;

/** The commits of some users, by who wrote them, links of devices among them; nothing of who wrote none. */
export function writtenBy(
  { ledger }: Pick<TenantCore, "ledger">,
  users: ReadonlySet<AuthorKey>,
): ReadonlyMap<AuthorKey, readonly KnownCommit[]> {
  const written = new Map<AuthorKey, KnownCommit[]>();
  for (const row of ledger.rows()) {
    if (!users.has(row.author)) continue;
    const own = written.get(row.author);
    if (own === undefined) written.set(row.author, [row]);
    else own.push(row);
  }
  return written;
}

/**
 * The cuts that let all commits of one user count: the heads of their graph in each database. Only who wants to be hard to revoke has
 * more than a record can hold; then the oldest count.
 */
export function cutsOf(
  { ledger }: Pick<TenantCore, "ledger">,
  written: readonly KnownCommit[] = [],
): DirectoryCuts {
  const dbIds = new Map(written.map((row) => [row.dbId, row.author]));
  const heads = [...dbIds]
    .flatMap(([dbId, author]) => ledger.graph(dbId, author).heads())
    .flatMap((head) => ledger.find(head) ?? [])
    .sort((a, b) => a.position - b.position)
    .slice(0, maxCutHeads);
  const byDb = new Map<DbId, CommitHash[]>();
  for (const { commitHash, dbId } of heads) {
    const cut = byDb.get(dbId) ?? [];
    if (cut.length < recordLimits.headsPerCut) cut.push(commitHash);
    byDb.set(dbId, cut);
  }
  return [...byDb].map(([dbId, kept]) => ({ dbId, heads: kept }));
}
