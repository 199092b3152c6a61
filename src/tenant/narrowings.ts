/** What of the users who lose rights goes on counting: said in the same commit as what narrows them. */
import type { AuthorKey, DbId } from "../std/index.ts";
import {
  foldPreview,
  isAtLeast,
  isMember,
  recordLimits,
  roleAt,
  type DirectoryRecord,
  type DirectoryState,
  type NarrowedUsers,
} from "../directory/index.ts";
import type { TenantCore } from "./core.ts";
import { cutsOf, writtenBy } from "./cuts.ts";
import type { DirectoryRecords } from "./directory-writes.ts";

/** bytes of narrowings in one record, before it is sealed */
const narrowingBytes = 128 * 1024;

/** What is to be written, and with it what of the users who lose rights by it goes on counting. */
export function withNarrowings(core: TenantCore, records: DirectoryRecords): DirectoryRecords {
  const before = core.directory;
  const after = foldPreview(before, records.open);
  const written = writtenBy(core, new Set(before.usersByKey.keys()));
  const narrowed: NarrowedUsers = [...narrowedUsers(core, before, after)].map((userKey) => ({
    userKey,
    cuts: cutsOf(core, written.get(userKey)),
  }));
  return { ...records, open: [...records.open, ...narrowingRecords(narrowed)] };
}

function narrowedUsers(
  { directoryDbId, ledger }: TenantCore,
  before: DirectoryState,
  after: DirectoryState,
): ReadonlySet<AuthorKey> {
  const dbIds = new Set<DbId | undefined>([undefined]);
  for (const row of ledger.rows()) if (row.dbId !== directoryDbId) dbIds.add(row.dbId);
  for (const { dbId } of after.rolesByPlace.values()) dbIds.add(dbId);
  const index = before.indexByCommit.size;
  const narrowed = new Set<AuthorKey>();
  for (const userKey of before.usersByKey.keys()) {
    if (!isMember(before, userKey)) continue;
    for (const dbId of dbIds) {
      const place = { dbId, userKey };
      if (!isAtLeast(roleAt(after, place, index), roleAt(before, place, index))) narrowed.add(userKey);
    }
  }
  return narrowed;
}

function narrowingRecords(narrowed: NarrowedUsers): readonly DirectoryRecord[] {
  const records: { kind: "narrowing"; users: NarrowedUsers[number][] }[] = [];
  let sizeBytes = Infinity;
  for (const user of narrowed) {
    const ownBytes = user.cuts.reduce((sum, { heads }) => sum + 20 + heads.length * 32, 40);
    sizeBytes += ownBytes;
    if (sizeBytes > narrowingBytes || (records.at(-1)?.users.length ?? 0) >= recordLimits.narrowedUsers) {
      records.push({ kind: "narrowing", users: [] });
      sizeBytes = ownBytes;
    }
    records.at(-1)?.users.push(user);
  }
  return records;
}
