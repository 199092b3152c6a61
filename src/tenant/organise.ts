/** What the admin arranges: groups and settings. Each call says what to change, so that what was changed elsewhere stays. */
import { CofferError, type AuthorKey } from "../std/index.ts";
import {
  directoryLimits,
  groupIdOf,
  userOf,
  type DirectoryState,
  type MemberEdit,
  type MemberRef,
  type SettingEdit,
} from "../directory/index.ts";
import { requireName, type BagSecrets } from "../keys/index.ts";
import { writeAsAdmin, type AdminPassword, type DirectoryRecords } from "./directory-writes.ts";
import type { TenantCore } from "./core.ts";
import { withNarrowings } from "./narrowings.ts";
import type { TenantSession } from "./session.ts";

/** Who comes into a group and who leaves it; groups by their names. */
export interface GroupEdits {
  readonly addUsers: readonly AuthorKey[];
  readonly removeUsers: readonly AuthorKey[];
  readonly addGroups: readonly string[];
  readonly removeGroups: readonly string[];
}

/**
 * Change a group, made if there is none of that name.
 *
 * @throws `input/invalid` for a name that is none, or a member named twice; `input/unknown-id` for who is not in the directory;
 *   `input/too-large`; and as {@link writeAsAdmin}
 */
export async function setGroup(
  session: TenantSession,
  name: string,
  edits: GroupEdits,
  proof: AdminPassword,
): Promise<void> {
  requireName(name);
  const { core } = session;
  await writeAsAdmin(session, proof, ({ secrets }) =>
    withNarrowings(core, groupRecords(core, secrets, { name, edits })),
  );
}

/**
 * Change settings of the tenant, or of one database.
 *
 * @throws `input/invalid` for a name that is none, a doubled one, or a value that is not canonical JSON; `input/too-large`; and as
 *   {@link writeAsAdmin}
 */
export async function changeSettings(
  session: TenantSession,
  dbName: string | undefined,
  edits: readonly SettingEdit[],
  proof: AdminPassword,
): Promise<void> {
  const name = dbName?.normalize("NFKC");
  await writeAsAdmin(session, proof, () => {
    const { settingsByDb, tenantSettings } = session.core.directory;
    const before = name === undefined ? tenantSettings : settingsByDb.get(name);
    const after = new Set(before?.keys());
    for (const edit of edits) {
      if (edit.value === undefined) after.delete(edit.name);
      else after.add(edit.name);
    }
    if (after.size > directoryLimits.settings)
      throw new CofferError("input/too-large", { settings: after.size });
    const sealed =
      name === undefined
        ? ({ kind: "tenantsettings", edits } as const)
        : ({ kind: "dbsettings", dbName: name, edits } as const);
    return { open: [], sealed: [sealed] };
  });
}

function groupRecords(
  core: TenantCore,
  { namesKey }: BagSecrets,
  { name, edits }: { readonly name: string; readonly edits: GroupEdits },
): DirectoryRecords {
  const { directory, world } = core;
  const groupId = groupIdOf(world.crypto, namesKey, name);
  const groupRef = (groupName: string): MemberRef => ({
    kind: "group",
    groupId: groupIdOf(world.crypto, namesKey, groupName),
  });
  const memberEdits: MemberEdit[] = [
    ...edits.addUsers.map((userKey) => added(directory, { kind: "user", userKey })),
    ...edits.addGroups.map((groupName) => added(directory, groupRef(groupName))),
    ...edits.removeUsers.map((userKey) => removed({ kind: "user", userKey })),
    ...edits.removeGroups.map((groupName) => removed(groupRef(groupName))),
  ];
  const group = directory.groupsById.get(groupId);
  if (group === undefined && directory.groupsById.size >= directoryLimits.groups)
    throw new CofferError("input/too-large", { groups: directory.groupsById.size });
  const size = (group?.users.size ?? 0) + (group?.groups.size ?? 0);
  if (size + edits.addUsers.length + edits.addGroups.length > directoryLimits.groupMembers)
    throw new CofferError("input/too-large", { members: size });
  return {
    open: [{ kind: "group", groupId, edits: memberEdits }],
    sealed: group?.groupName === name ? [] : [{ kind: "groupcard", groupId, groupName: name }],
  };
}

function added(directory: DirectoryState, member: MemberRef): MemberEdit {
  const isKnown =
    member.kind === "user"
      ? directory.usersByKey.has(member.userKey) && userOf(directory, member.userKey) === member.userKey
      : directory.groupsById.has(member.groupId);
  if (!isKnown) throw new CofferError("input/unknown-id", { what: member.kind });
  return { op: "added", member };
}

function removed(member: MemberRef): MemberEdit {
  return { op: "removed", member };
}
