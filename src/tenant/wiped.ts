/**
 * Whether the admin had this device forget the tenant. While it is unlocked the directory says so; a locked one, and one that servers do
 * not let in any more, goes by the admin's signed word itself.
 */
import type { AuthorKey } from "../std/index.ts";
import { isWipeOf } from "../directory/index.ts";
import { verifyCommit, type Commit } from "../entry/index.ts";
import type { TenantCore } from "./core.ts";

const page = { maxCount: 256, maxBytes: 4 * 1024 * 1024 } as const;

/** Whether the directory, as far as it is folded here, says so. */
export function isWiped({ directory }: TenantCore, userKey: AuthorKey): boolean {
  return directory.usersByKey.get(userKey)?.revoked?.wipedAt !== undefined;
}

/**
 * Whether a commit that a server hands over says so. One that this device has already is left to the judge: who was granted access again
 * is not wiped by an old word.
 */
export async function isToldToForget(
  core: TenantCore,
  userKey: AuthorKey,
  bytes: Uint8Array,
): Promise<boolean> {
  const { crypto } = core.world;
  const verified = await verifyCommit(crypto, bytes);
  if (verified.kind === "forged" || verified.commit.header.tenantId !== core.tenantId) return false;
  const user = { userKey, adminKey: core.genesis.adminSigningKey, directoryDbId: core.directoryDbId };
  return isWipeOf(crypto, verified.commit, user) && !(await isInLog(core, verified.commit));
}

async function isInLog({ store }: TenantCore, { commitHash }: Commit): Promise<boolean> {
  for (let after = 0; ;) {
    const records = await store.readLog({ after, ...page });
    if (records.some((record) => record.commitHash === commitHash)) return true;
    const last = records.at(-1);
    if (last === undefined) return false;
    after = last.position;
  }
}
