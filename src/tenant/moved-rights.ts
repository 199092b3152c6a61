/** Which commits are judged anew when someone's rights moved. */
import type { CommitHash } from "../std/index.ts";
import { wasRevoked } from "../directory/index.ts";
import type { TenantCore } from "./core.ts";
import { judgeRight } from "./judge.ts";
import type { KnownCommit } from "./ledger.ts";
import { readCommits } from "./reversal.ts";

/** Why what comes before the link of its device is refused, and what comes after the link was cut off. */
const unknownAuthor = "unknown-author";

/** By which role a commit of the ledger is to be judged as things stand, see {@link judgeRight}. */
export function rightOf(core: TenantCore, row: KnownCommit): ReturnType<typeof judgeRight> {
  return judgeRight(core, row, { ...row, tenantId: core.tenantId });
}

/**
 * After a revocation, its end, or a link: what its cut does not cover, what a wider one covers again, what was written after a new grant, and
 * what devices wrote that a user linked, or linked while they might not.
 */
export function rowsCutAnew(core: TenantCore): readonly KnownCommit[] {
  const { directory, directoryDbId, ledger } = core;
  return ledger.rows().filter((row) => {
    if (row.dbId === directoryDbId) return false;
    const user = directory.usersByKey.get(row.author);
    if (user !== undefined && !wasRevoked(user) && row.reason !== unknownAuthor) return false;
    const right = rightOf(core, row);
    if (right.kind === "rejected") return row.reason !== right.reason;
    return right.kind === "waiting"
      ? row.reason !== "directory"
      : ["revoked", unknownAuthor].includes(row.reason);
  });
}

/** After a commit that came late: what follows it, came before it, and names an older directory head. */
export function rowsOvertaken(core: TenantCore, commitHash: CommitHash): readonly KnownCommit[] {
  const { ledger } = core;
  const row = ledger.find(commitHash);
  if (row === undefined) return [];
  return ledger
    .graph(row.dbId, row.author)
    .overtook(commitHash)
    .flatMap((hash) => ledger.find(hash) ?? [])
    .filter((follower) => {
      const right = rightOf(core, follower);
      return right.kind === "rejected" && follower.reason !== right.reason;
    });
}

/** After the directory took another line: everything but itself. */
export function rowsOfDocuments({ directoryDbId, ledger }: TenantCore): readonly KnownCommit[] {
  return ledger.rows().filter((row) => row.dbId !== directoryDbId);
}

/** After the admin adopted commits: those of them that are here, and did not count in whole or in part, or by a lower role. */
export function rowsAdopted(
  { directoryDbId, ledger }: TenantCore,
  adopted: readonly CommitHash[],
): readonly KnownCommit[] {
  return adopted
    .flatMap((hash) => ledger.find(hash) ?? [])
    .filter(
      (row) => row.dbId !== directoryDbId && (row.reason + row.refused !== "" || row.role !== "manager"),
    );
}

/** After documents were purged: what was refused of them is settled as what was taken is. */
export async function rowsOfPurged(core: TenantCore): Promise<readonly KnownCommit[]> {
  const { directoryDbId, ledger } = core;
  const refused = ledger.quarantined().filter((row) => row.dbId !== directoryDbId);
  const rows: KnownCommit[] = [];
  for (let from = 0; from < refused.length; from += 16)
    for (const { commitHash, entries } of await readCommits(core, refused.slice(from, from + 16))) {
      const row = ledger.find(commitHash);
      const isMeant = entries.some(({ header }) => header !== undefined && core.isPurged(header.docId));
      if (row !== undefined && isMeant) rows.push(row);
    }
  return rows;
}

/** After a narrowing: what was judged by another role than it is now. */
export function rowsOfOtherRoles(core: TenantCore): readonly KnownCommit[] {
  return core.ledger.rows().filter((row) => {
    if (row.role === undefined || row.dbId === core.directoryDbId) return false;
    const right = rightOf(core, row);
    return right.kind === "waiting" || (right.kind === "role" && right.role !== row.role);
  });
}
