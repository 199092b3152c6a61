/** Which commits are judged anew when someone's rights moved. */
import type { TenantCore } from "./core.ts";
import { judgeRight } from "./judge.ts";
import type { KnownCommit } from "./ledger.ts";

/** By which role a commit of the ledger is to be judged as things stand, see {@link judgeRight}. */
export function rightOf(core: TenantCore, row: KnownCommit): ReturnType<typeof judgeRight> {
  return judgeRight(core, row, { ...row, tenantId: core.tenantId });
}

/** After a revocation: what its cut does not cover, and what a wider one covers again. */
export function rowsCutAnew({ directory, directoryDbId, ledger }: TenantCore): readonly KnownCommit[] {
  return ledger.rows().filter((row) => {
    const revoked = directory.usersByKey.get(row.author)?.revoked;
    if (revoked === undefined || row.dbId === directoryDbId) return false;
    const heads = revoked.cuts.get(row.dbId) ?? [];
    const isCovered = ledger.graph(row.dbId, row.author).isCovered(row.commitHash, heads);
    return isCovered === true ? row.reason === "revoked" : row.reason !== "revoked";
  });
}

/** After a narrowing: what was judged by another role than it is now. */
export function rowsOfOtherRoles(core: TenantCore): readonly KnownCommit[] {
  return core.ledger.rows().filter((row) => {
    if (row.role === undefined || row.dbId === core.directoryDbId) return false;
    const right = rightOf(core, row);
    return right.kind === "waiting" || (right.kind === "role" && right.role !== row.role);
  });
}
