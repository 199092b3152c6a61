/**
 * What a member may do with a database: roles, given to users, to groups and to everyone.
 *
 * | role | may |
 * |---|---|
 * | reader | read, and tell what of their own they erased |
 * | author | create documents; change, delete and bring back those that they created |
 * | editor | create documents; change all of them; delete those that they created |
 * | manager | create, change and delete all of them |
 *
 * A member's role in a database is the first of these that there is:
 *
 * ```
 * in the database:   their own │ the highest of their groups' │ everyone's
 * in all databases:  their own │ the highest of their groups' │ everyone's │ manager
 * ```
 *
 * Roles and groups are those at the directory head that a commit names. Whoever lost rights could go on naming an old one: so a record
 * that narrows says what of theirs need not have known of it, and every other commit of theirs is judged by the lower role of both.
 *
 * ```
 * directory   d0 ◄─ d1 ◄─ d2 (narrows; cut: c2) ◄─ d3
 * their own   c1 ◄─ c2 ◄─ c3 (names d1)              c1, c2: as of the heads they name      c3: as of d1 or d2, the lower
 * ```
 */
import type { AuthorKey, CommitHash, DbId, GroupId } from "../std/index.ts";
import type { CommitHeader, EntryType } from "../entry/index.ts";
import {
  roles,
  type AuthorGraph,
  type DirectoryGroup,
  type DirectoryState,
  type Role,
  type RoleSubject,
} from "./directory.ts";
import { userOf } from "./devices.ts";
import { indexOfHead } from "./judge.ts";
import { usersOfGroup } from "./groups.ts";

/** What a role in one place says. */
interface PlaceRoles {
  everyone: Role | undefined;
  readonly users: Map<AuthorKey, Role>;
  /** the highest of their groups' */
  readonly members: Map<AuthorKey, Role>;
}

/** By database; `undefined`: in all of them. */
type RoleTable = ReadonlyMap<DbId | undefined, PlaceRoles>;

const maxTables = 16;
const tables = new WeakMap<DirectoryState, Map<number, RoleTable>>();

/** The role of a member, or of a device of theirs, in a database, as of an index of the directory's line. */
export function roleAt(
  state: DirectoryState,
  { dbId, userKey }: { readonly dbId: DbId | undefined; readonly userKey: AuthorKey },
  index: number,
): Role {
  if (state.rolesByPlace.size === 0) return "manager";
  const table = tableAt(state, index);
  const user = userOf(state, userKey);
  const own = dbId === undefined ? undefined : roleIn(table.get(dbId), user);
  return own ?? roleIn(table.get(undefined), user) ?? "manager";
}

export type RoleVerdict =
  | { readonly kind: "role"; readonly role: Role }
  /** what the cut of a narrowing covers is not known yet */
  | { readonly kind: "waiting" };

/**
 * Judge by which role a commit was written. Its author was judged before, and its directory head is known.
 *
 * @param graph this author's commits of this database
 */
export function judgeRole(
  state: DirectoryState,
  { author: userKey, dbId, directoryHead }: Pick<CommitHeader, "author" | "dbId" | "directoryHead">,
  commitHash: CommitHash,
  graph: AuthorGraph,
): RoleVerdict {
  const headIndex = indexOfHead(state, directoryHead);
  if (state.rolesByPlace.size === 0 || state.adopted.has(commitHash))
    return { kind: "role", role: "manager" };
  if (headIndex === undefined) return { kind: "waiting" };
  const place = { dbId, userKey };
  const named = roleAt(state, place, headIndex);
  const narrowings = state.usersByKey.get(userKey)?.narrowings ?? [];
  let lowest = named;
  for (const { at, cuts } of narrowings) {
    const role = roleAt(state, place, at);
    if (at <= headIndex || isAtLeast(role, lowest)) continue;
    const covered = graph.isCovered(commitHash, cuts.get(dbId) ?? none);
    if (covered === undefined) return { kind: "waiting" };
    if (!covered) lowest = role;
  }
  return { kind: "role", role: lowest };
}

const none: readonly CommitHash[] = [];

/** Tell whether a role allows an entry. `isOwn`: its author created the document. */
export function mayWrite(role: Role, entryType: EntryType, isOwn: boolean): boolean {
  switch (entryType) {
    case "doc_purge":
      return true;
    case "doc_change":
      return isAtLeast(role, isOwn ? "author" : "editor");
    case "doc_delete":
      return isAtLeast(role, isOwn ? "author" : "manager");
    default:
      return isAtLeast(role, "author");
  }
}

/** Tell whether a role allows all that another one does. */
export function isAtLeast(role: Role, least: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(least);
}

function roleIn(place: PlaceRoles | undefined, userKey: AuthorKey): Role | undefined {
  return place?.users.get(userKey) ?? place?.members.get(userKey) ?? place?.everyone;
}

/** The roles as of an index. What was asked last is kept: a pull names few heads. */
function tableAt(state: DirectoryState, index: number): RoleTable {
  const kept = tables.get(state) ?? new Map<number, RoleTable>();
  tables.set(state, kept);
  const known = kept.get(index);
  if (known !== undefined) return known;
  const [oldest] = kept.keys();
  if (kept.size >= maxTables && oldest !== undefined) kept.delete(oldest);
  const table = makeTable(state, index);
  kept.set(index, table);
  return table;
}

function makeTable({ groupsById, rolesByPlace }: DirectoryState, index: number): RoleTable {
  const table = new Map<DbId | undefined, PlaceRoles>();
  const groups = {
    get: (id: GroupId): Pick<DirectoryGroup, "users" | "groups"> | undefined => {
      const group = groupsById.get(id);
      return group && { users: insideAt(group.userTurns, index), groups: insideAt(group.groupTurns, index) };
    },
  };
  for (const { dbId, subject, turns } of rolesByPlace.values()) {
    const role = turns.findLast(({ at }) => at <= index)?.role;
    if (role === undefined) continue;
    const place = table.get(dbId) ?? { everyone: undefined, users: new Map(), members: new Map() };
    table.set(dbId, place);
    give(place, { role, subject }, (id) => usersOfGroup(groups, id));
  }
  return table;
}

function give(
  place: PlaceRoles,
  { role, subject }: { readonly role: Role; readonly subject: RoleSubject },
  usersOf: (id: GroupId) => ReadonlySet<AuthorKey>,
): void {
  if (subject.kind === "everyone") place.everyone = role;
  else if (subject.kind === "user") place.users.set(subject.userKey, role);
  else
    for (const user of usersOf(subject.groupId)) {
      const known = place.members.get(user);
      if (known === undefined || isAtLeast(role, known)) place.members.set(user, role);
    }
}

/** Who is in at an index: every turn is one way or the other, in first. */
function insideAt<Id>(turns: ReadonlyMap<Id, readonly number[]>, index: number): ReadonlySet<Id> {
  const inside = new Set<Id>();
  for (const [id, indexes] of turns) {
    const later = indexes.findIndex((at) => at > index);
    if ((later < 0 ? indexes.length : later) % 2 === 1) inside.add(id);
  }
  return inside;
}
