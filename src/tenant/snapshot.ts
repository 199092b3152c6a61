/** What the page is told of a tenant, from what is known now. Locked, it says ids and states only. */
import type { AuthorKey, GroupId } from "../std/index.ts";
import { activeUsers, userOf, usersOfGroup, type DirectoryState, type Settings } from "../directory/index.ts";
import type {
  AlarmEvent,
  GivenRole,
  Group,
  Identity,
  KeyGrant,
  Member,
  QuarantinedCommit,
  SettingValues,
  TenantSnapshot,
  TenantStatus,
  UserDevice,
} from "../../worker/api.ts";
import { keyNames, type TenantCore, type Unlocked } from "./core.ts";
import { databaseNames } from "./roles.ts";
import { isListKey } from "./named-keys.ts";
import { recipientsOf } from "./recipients.ts";

const maxListed = 200;

/** Describe a tenant for the page. */
export function describeTenant(
  core: TenantCore,
  rest: {
    adminKey: AuthorKey | undefined;
    alarms: readonly AlarmEvent[];
    links: TenantSnapshot["links"];
    files: TenantStatus["files"];
  },
): TenantSnapshot {
  const { unlocked } = core;
  const { counts } = core.ledger;
  const identity = unlocked?.identity.publicIdentity;
  const status: TenantStatus = {
    phase: unlocked === undefined ? "locked" : "open",
    unjudgedCount: counts.waiting,
    sealedCount: counts.sealed,
    quarantinedCount: counts.quarantined,
    pendingPushCount: rest.links.reduce((sum, link) => sum + link.status.pendingPush, 0),
    files: rest.files,
  };
  return {
    id: core.tenantId,
    name: unlocked?.tenantName,
    self: identity === undefined ? undefined : { userName: identity.userName, key: identity.signingKey },
    adminUser: adminIdentity(core, rest.adminKey),
    status,
    ...(unlocked === undefined ? nothingArranged : arrangements(core)),
    alarms: rest.alarms,
    quarantine: quarantine(core),
    keys: unlocked?.keyNames.filter((name) => !isListKey(name)),
    links: rest.links,
  };
}

type Arranged = Pick<
  TenantSnapshot,
  "devices" | "keyGrants" | "users" | "groups" | "roles" | "settings" | "databaseSettings"
>;

const nothingArranged: Arranged = {
  devices: undefined,
  keyGrants: undefined,
  users: undefined,
  groups: undefined,
  roles: undefined,
  settings: undefined,
  databaseSettings: undefined,
};

/** by the keys of an opening: what was arranged last, and by which directory */
const lastArranged = new WeakMap<Unlocked, { readonly by: DirectoryState; readonly arranged: Arranged }>();

/** Follows from directory and keys, each of which is another object when it changes; told of with whatever else moves, it is made once. */
function arrangements(core: TenantCore): Arranged {
  const last = lastArranged.get(core.keys);
  if (last?.by === core.directory) return last.arranged;
  const arranged = arrange(core);
  lastArranged.set(core.keys, { by: core.directory, arranged });
  return arranged;
}

function arrange(core: TenantCore): Arranged {
  const { settingsByDb, tenantSettings } = core.directory;
  const byName = [...settingsByDb].map(([name, settings]) => [name, settingValues(settings)] as const);
  return {
    devices: devices(core),
    keyGrants: keyGrants(core),
    users: members(core),
    groups: groups(core),
    roles: givenRoles(core),
    settings: settingValues(tenantSettings),
    databaseSettings: Object.fromEntries(byName),
  };
}

/** The record parsed, so its text is JSON. */
function settingValues(settings: Settings): SettingValues {
  const values = [...settings].map(
    ([name, text]) => [name, JSON.parse(text) as SettingValues[string]] as const,
  );
  return Object.fromEntries(values);
}

function keyGrants(core: TenantCore): readonly KeyGrant[] {
  return [keyNames.content, ...core.keys.keyNames.filter((name) => !isListKey(name))].map((name) => {
    const keyId = core.keyIdOf(name);
    const epoch = core.keys.bag.current(keyId)?.epoch ?? 0;
    return { name, epoch, holders: recipientsOf(core, { keyId }) };
  });
}

function groups({ directory }: TenantCore): readonly Group[] {
  const active = activeUsers(directory);
  const nameOf = (id: GroupId): string => directory.groupsById.get(id)?.groupName ?? id;
  return [...directory.groupsById.values()]
    .map((group) => ({
      name: nameOf(group.groupId),
      users: [...group.users].sort(),
      groups: [...group.groups].map(nameOf).sort(),
      members: [...usersOfGroup(directory.groupsById, group.groupId)]
        .filter((userKey) => active.has(userKey))
        .sort(),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** In the order in which they were first given. */
function givenRoles(core: TenantCore): readonly GivenRole[] {
  const { groupsById, rolesByPlace } = core.directory;
  const names = databaseNames(core);
  return [...rolesByPlace.values()].flatMap(({ dbId, subject, turns }) => {
    const role = turns.at(-1)?.role;
    if (role === undefined) return [];
    return [
      {
        role,
        database: dbId && (names.get(dbId) ?? dbId),
        user: subject.kind === "user" ? subject.userKey : undefined,
        group:
          subject.kind === "group"
            ? (groupsById.get(subject.groupId)?.groupName ?? subject.groupId)
            : undefined,
      },
    ];
  });
}

function adminIdentity(core: TenantCore, adminKey: AuthorKey | undefined): Identity | undefined {
  return core.unlocked === undefined || adminKey === undefined
    ? undefined
    : { userName: core.unlocked.adminName, key: adminKey };
}

function members(core: TenantCore): readonly Member[] {
  const self = core.unlocked?.identity.publicIdentity.signingKey;
  const active = activeUsers(core.directory);
  const users = [...core.directory.usersByKey.values()].filter(({ user }) => user === undefined);
  return users.map((user) => ({
    key: user.userKey,
    userName: user.userName,
    isAdmin: user.userKey === core.genesis.adminSigningKey,
    revoked: !active.has(user.userKey),
    self: self !== undefined && user.userKey === userOf(core.directory, self),
  }));
}

/** Every key that writes, the users' first ones among them. */
function devices({ directory, keys }: TenantCore): readonly UserDevice[] {
  const self = keys.identity.publicIdentity.signingKey;
  return [...directory.usersByKey.values()].map(({ revoked, user, userKey, userName }) => ({
    key: userKey,
    user: user ?? userKey,
    name: user === undefined ? undefined : userName,
    revoked: revoked !== undefined,
    self: userKey === self,
  }));
}

/** The newest of what was quarantined: whoever floods a tenant does not flood its pages. */
function quarantine(core: TenantCore): readonly QuarantinedCommit[] {
  return core.ledger.quarantined(maxListed).map((row) => {
    // What waits for an entry that was refused is here for that entry's sake.
    const reason = row.verdict === "quarantined" ? row.reason || row.refused : row.refused;
    return { commitHash: row.commitHash, reason, atMs: row.judgedAtMs };
  });
}
