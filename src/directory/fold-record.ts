/** One record into a directory that is being folded: what it changes, and what it does not. The rules are in fold.ts. */
import {
  equalBytes,
  type AuthorKey,
  type CommitHash,
  type DbId,
  type DocId,
  type GroupId,
  type KeyId,
} from "../std/index.ts";
import type {
  DirectoryEpoch,
  DirectoryGroup,
  DirectoryRecord,
  DirectoryRole,
  DirectoryState,
  DirectoryUser,
  FormerRevocation,
  MemberEdit,
  RoleSubject,
  SettingEdit,
  Settings,
} from "./directory.ts";
import { activeUsers } from "./devices.ts";
import { settleMembers, unsettled } from "./linked.ts";
import { LayeredMap } from "./layered-map.ts";

/** What a tenant's directory may hold, beyond what a record may. */
export const directoryLimits = {
  groups: 10_000,
  groupMembers: 10_000,
  roles: 10_000,
  settings: 1_000,
  keys: 10_000,
  epochs: 10_000,
  adopted: 30_000,
  purged: 30_000,
} as const;

interface GroupDraft {
  readonly groupId: GroupId;
  groupName: string | undefined;
  readonly users: Set<AuthorKey>;
  readonly groups: Set<GroupId>;
  readonly userTurns: Map<AuthorKey, readonly number[]>;
  readonly groupTurns: Map<GroupId, readonly number[]>;
}

/** A directory that is being folded: what changes in its maps is its own, and so are the groups and settings in `owned`. */
export interface FoldDraft extends Omit<
  DirectoryState,
  | "head"
  | "indexByCommit"
  | "grantedBeside"
  | "grantedUsers"
  | "usersByKey"
  | "claimedKeys"
  | "groupsById"
  | "epochsByKey"
  | "rolesByPlace"
  | "adopted"
  | "purgedDocs"
  | "tenantSettings"
  | "settingsByDb"
> {
  head: CommitHash | undefined;
  readonly indexByCommit: LayeredMap<CommitHash, number>;
  readonly grantedBeside: Map<AuthorKey, number>;
  /** those of the line */
  readonly usersByKey: LayeredMap<AuthorKey, DirectoryUser>;
  readonly groupsById: LayeredMap<GroupId, DirectoryGroup>;
  readonly epochsByKey: LayeredMap<KeyId, readonly DirectoryEpoch[]>;
  readonly rolesByPlace: LayeredMap<string, DirectoryRole>;
  readonly adopted: LayeredMap<CommitHash, number>;
  readonly purgedDocs: LayeredMap<DocId, DbId>;
  readonly tenantSettings: Map<string, string>;
  readonly settingsByDb: Map<string, Settings>;
  /** who is granted first by the commit that is being folded */
  readonly newcomers: Set<AuthorKey>;
  readonly ownedGroups: Map<GroupId, GroupDraft>;
  readonly ownedSettings: Map<string, Map<string, string>>;
}

/** Begin to fold upon a state, which stays as it is. */
export function beginDraft(state: DirectoryState): FoldDraft {
  return {
    ...unsettled(state),
    indexByCommit: new LayeredMap(state.indexByCommit),
    grantedBeside: new Map(state.grantedBeside),
    usersByKey: new LayeredMap(state.grantedUsers),
    groupsById: new LayeredMap(state.groupsById),
    epochsByKey: new LayeredMap(state.epochsByKey),
    rolesByPlace: new LayeredMap(state.rolesByPlace),
    adopted: new LayeredMap(state.adopted),
    purgedDocs: new LayeredMap(state.purgedDocs),
    tenantSettings: new Map(state.tenantSettings),
    settingsByDb: new Map(state.settingsByDb),
    newcomers: new Set(),
    ownedGroups: new Map(),
    ownedSettings: new Map(),
  };
}

/** The state that a draft has become; the draft is not to be used any more. */
export function endDraft(draft: FoldDraft): DirectoryState {
  return settleMembers(unsettled({ ...draft, grantedUsers: draft.usersByKey }));
}

/** Fold one record of the commit at `index`. */
export function foldRecord(draft: FoldDraft, record: DirectoryRecord, index: number): void {
  switch (record.kind) {
    case "grantaccess":
    case "revokeaccess":
    case "wipe":
    case "membercard": {
      const known = draft.usersByKey.get(record.userKey);
      const user = foldUser(draft.adminKey, known, record, index);
      if (user === undefined) return;
      // Who was granted on another line has written since.
      const beside = known === undefined ? draft.grantedBeside.get(record.userKey) : undefined;
      draft.usersByKey.set(record.userKey, beside === undefined ? user : { ...user, grantedAt: beside });
      if (known === undefined) draft.newcomers.add(record.userKey);
      return;
    }
    case "device": {
      const device = draft.usersByKey.get(record.deviceKey);
      const isNew = draft.newcomers.has(record.deviceKey) && device?.user === undefined;
      const user = draft.usersByKey.get(record.userKey);
      const isUser = user !== undefined && user.user === undefined && hasDevice(draft, user);
      if (device !== undefined && isNew && isUser && !draft.newcomers.has(record.userKey))
        draft.usersByKey.set(record.deviceKey, { ...device, user: record.userKey });
      return;
    }
    case "group": {
      const group = ownGroup(draft, record.groupId);
      if (group !== undefined) for (const edit of record.edits) foldMember(group, edit, index);
      return;
    }
    case "groupcard": {
      // A server does not open cards: they make no group.
      const group = draft.groupsById.has(record.groupId) ? ownGroup(draft, record.groupId) : undefined;
      if (group !== undefined) group.groupName = record.groupName;
      return;
    }
    case "tenantsettings":
      return foldSettings(draft.tenantSettings, record.edits);
    case "dbsettings":
      return foldSettings(ownSettings(draft, record.dbName), record.edits);
    case "keyepoch":
      return foldEpoch(draft.epochsByKey, record, index);
    case "role":
      return foldRoles(draft.rolesByPlace, record, index);
    case "adopt":
      for (const commitHash of record.commitHashes)
        foldListed(draft.adopted, commitHash, index, directoryLimits.adopted);
      return;
    case "purge":
      for (const docId of record.docIds)
        foldListed(draft.purgedDocs, docId, record.dbId, directoryLimits.purged);
      return;
    case "narrowing":
      for (const { cuts, userKey } of record.users) {
        const user = draft.usersByKey.get(userKey);
        if (user === undefined) continue;
        const narrowing = { at: index, cuts: new Map(cuts.map((cut) => [cut.dbId, cut.heads])) };
        draft.usersByKey.set(userKey, { ...user, narrowings: [...user.narrowings, narrowing] });
      }
      return;
  }
}

/** Whether something that writes is left to a user: their own key, or a device of theirs. */
function hasDevice({ usersByKey }: Pick<FoldDraft, "usersByKey">, user: DirectoryUser): boolean {
  return user.revoked === undefined || activeUsers({ usersByKey }).has(user.userKey);
}

/**
 * Fold what a record of another line takes away. `knows`: index of the last commit of this line that its author knew of.
 *
 * Who is revoked on both lines is revoked by both cuts; who is granted there is noted, and nothing more.
 */
export function foldTaking(
  draft: FoldDraft,
  record: DirectoryRecord,
  { index, knows }: { readonly index: number; readonly knows: number },
): void {
  if (record.kind === "grantaccess") {
    const { userKey } = record;
    const since = Math.min(knows, draft.grantedBeside.get(userKey) ?? knows);
    draft.grantedBeside.set(userKey, since);
    const user = draft.usersByKey.get(userKey);
    if (user !== undefined && since < user.grantedAt)
      draft.usersByKey.set(userKey, { ...user, grantedAt: since });
    return;
  }
  if (!["revokeaccess", "wipe", "purge", "keyepoch"].includes(record.kind)) return;
  const user = record.kind === "revokeaccess" ? draft.usersByKey.get(record.userKey) : undefined;
  if (record.kind !== "revokeaccess" || user?.revoked === undefined) return foldRecord(draft, record, index);
  const cuts = new Map(record.cuts.map((cut) => [cut.dbId, cut.heads]));
  draft.usersByKey.set(record.userKey, { ...user, formerly: [...user.formerly, { until: Infinity, cuts }] });
}

type UserRecord = Extract<DirectoryRecord, { kind: "grantaccess" | "revokeaccess" | "membercard" | "wipe" }>;

/** The user after a record, or `undefined` when it changes nothing. */
function foldUser(
  adminKey: AuthorKey,
  user: DirectoryUser | undefined,
  record: UserRecord,
  index: number,
): DirectoryUser | undefined {
  switch (record.kind) {
    case "grantaccess":
      if (record.userKey === adminKey) return undefined;
      return {
        userKey: record.userKey,
        user: user?.user,
        encryptionKey: record.encryptionKey,
        nameHash: record.nameHash,
        userName: user?.userName,
        grantedAt: user?.grantedAt ?? index,
        revoked: undefined,
        formerly: formerly(user, index),
        narrowings: user?.narrowings ?? [],
      };
    case "revokeaccess":
      if (user === undefined) return undefined;
      return {
        ...user,
        revoked: {
          at: index,
          cuts: new Map(record.cuts.map((cut) => [cut.dbId, cut.heads])),
          wipedAt: user.revoked?.wipedAt,
        },
      };
    case "wipe":
      return user?.revoked && { ...user, revoked: { ...user.revoked, wipedAt: index } };
    case "membercard":
      return user === undefined ? undefined : { ...user, userName: record.userName };
  }
}

/** A revocation that stands is over with a grant at `until`, and so are those beside it. */
function formerly(user: DirectoryUser | undefined, until: number): readonly FormerRevocation[] {
  if (user === undefined) return [];
  const past = user.formerly.map((cut) => (cut.until === Infinity ? { ...cut, until } : cut));
  return user.revoked === undefined ? past : [...past, { until, cuts: user.revoked.cuts }];
}

/** A group that may be changed, made if there is none; `undefined` when there are too many. */
function ownGroup(draft: FoldDraft, groupId: GroupId): GroupDraft | undefined {
  const own = draft.ownedGroups.get(groupId);
  if (own !== undefined) return own;
  const known = draft.groupsById.get(groupId);
  if (known === undefined && draft.groupsById.size >= directoryLimits.groups) return undefined;
  const group: GroupDraft = {
    groupId,
    groupName: known?.groupName,
    users: new Set(known?.users),
    groups: new Set(known?.groups),
    userTurns: new Map(known?.userTurns),
    groupTurns: new Map(known?.groupTurns),
  };
  draft.ownedGroups.set(groupId, group);
  draft.groupsById.set(groupId, group);
  return group;
}

function foldMember(group: GroupDraft, { member, op }: MemberEdit, index: number): void {
  const hasRoom = group.users.size + group.groups.size < directoryLimits.groupMembers;
  if (op === "added" && !hasRoom) return;
  if (member.kind === "user") foldInto(group.users, group.userTurns, { id: member.userKey, op, index });
  else foldInto(group.groups, group.groupTurns, { id: member.groupId, op, index });
}

function foldInto<Id>(
  members: Set<Id>,
  turns: Map<Id, readonly number[]>,
  { id, index, op }: { readonly id: Id; readonly op: MemberEdit["op"]; readonly index: number },
): void {
  if (members.has(id) === (op === "added")) return;
  if (op === "added") members.add(id);
  else members.delete(id);
  turns.set(id, [...(turns.get(id) ?? []), index]);
}

function foldRoles(
  rolesByPlace: LayeredMap<string, DirectoryRole>,
  { dbId, edits }: Extract<DirectoryRecord, { kind: "role" }>,
  index: number,
): void {
  for (const { role, subject } of edits) {
    const place = rolePlace(dbId, subject);
    const known = rolesByPlace.get(place);
    if (known === undefined && (role === undefined || rolesByPlace.size >= directoryLimits.roles)) continue;
    rolesByPlace.set(place, { dbId, subject, turns: [...(known?.turns ?? []), { at: index, role }] });
  }
}

/** Where the role of a subject stands. */
export function rolePlace(dbId: DbId | undefined, subject: RoleSubject): string {
  return `${dbId ?? ""}|${subject.kind}|${subjectId(subject)}`;
}

function subjectId(subject: RoleSubject): string {
  if (subject.kind === "everyone") return "";
  return subject.kind === "user" ? subject.userKey : subject.groupId;
}

function foldEpoch(
  epochsByKey: LayeredMap<KeyId, readonly DirectoryEpoch[]>,
  record: Extract<DirectoryRecord, { kind: "keyepoch" }>,
  index: number,
): void {
  const { epoch, fingerprint, keyId } = record;
  const epochs = epochsByKey.get(keyId) ?? [];
  const isSame = (one: DirectoryEpoch): boolean =>
    one.epoch === epoch && equalBytes(one.fingerprint, fingerprint);
  const known = epochs.find(isSame);
  const hasRoom = epochsByKey.has(keyId) || epochsByKey.size < directoryLimits.keys;
  if (known === undefined && (!hasRoom || epochs.length >= directoryLimits.epochs)) return;
  const wraps = new Map(known?.wraps);
  for (const { sealed, userKey } of record.wraps) wraps.set(userKey, sealed);
  const next: DirectoryEpoch = { epoch, fingerprint, at: known?.at ?? index, wraps };
  epochsByKey.set(
    keyId,
    known === undefined ? [...epochs, next] : epochs.map((one) => (isSame(one) ? next : one)),
  );
}

/** The first word about an id stands. */
function foldListed<K, V>(listed: LayeredMap<K, V>, key: K, value: V, most: number): void {
  if (!listed.has(key) && listed.size < most) listed.set(key, value);
}

function ownSettings(draft: FoldDraft, dbName: string): Map<string, string> {
  const own = draft.ownedSettings.get(dbName) ?? new Map(draft.settingsByDb.get(dbName));
  draft.ownedSettings.set(dbName, own);
  draft.settingsByDb.set(dbName, own);
  return own;
}

function foldSettings(settings: Map<string, string>, edits: readonly SettingEdit[]): void {
  for (const { name, value } of edits) {
    if (value === undefined) settings.delete(name);
    else if (settings.has(name) || settings.size < directoryLimits.settings) settings.set(name, value);
  }
}
