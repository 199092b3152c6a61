/**
 * Who is in which group, through groups in groups.
 *
 * ```
 * board ──► staff ──► sales ──► staff      circles end where they come back to
 *   1         2         3                  level 17 is not looked at
 * ```
 *
 * A user is in a group when a way of at most {@link maxGroupDepth} groups leads from it to them. Both directions look for the
 * shortest way, so that they agree.
 */
import type { AuthorKey, GroupId } from "../std/index.ts";
import type { DirectoryGroup } from "./directory.ts";

/** How many groups a way to a member leads through at most, the first one included. */
export const maxGroupDepth = 16;

type Groups = ReadonlyMap<GroupId, Pick<DirectoryGroup, "users" | "groups">>;
type OneGroup = Pick<Groups, "get">;

/** All users of a group, through its groups too. */
export function usersOfGroup(groups: OneGroup, groupId: GroupId): ReadonlySet<AuthorKey> {
  const users = new Set<AuthorKey>();
  const inside = (id: GroupId): Iterable<GroupId> => groups.get(id)?.groups ?? [];
  for (const id of walk([groupId], inside)) for (const user of groups.get(id)?.users ?? []) users.add(user);
  return users;
}

/** All groups that a user is in. */
export function groupsOfUser(groups: Groups, userKey: AuthorKey): ReadonlySet<GroupId> {
  const around = new Map<GroupId, GroupId[]>();
  const direct: GroupId[] = [];
  for (const [groupId, group] of groups) {
    if (group.users.has(userKey)) direct.push(groupId);
    for (const inner of group.groups) {
      const outer = around.get(inner);
      if (outer === undefined) around.set(inner, [groupId]);
      else outer.push(groupId);
    }
  }
  return walk(direct, (id) => around.get(id) ?? []);
}

/** Everything within reach, level by level. */
function walk(from: readonly GroupId[], next: (id: GroupId) => Iterable<GroupId>): ReadonlySet<GroupId> {
  const reached = new Set(from);
  let level: readonly GroupId[] = from;
  for (let depth = 1; depth < maxGroupDepth && level.length > 0; depth++) {
    const deeper: GroupId[] = [];
    for (const id of level) {
      for (const other of next(id)) {
        if (reached.has(other)) continue;
        reached.add(other);
        deeper.push(other);
      }
    }
    level = deeper;
  }
  return reached;
}
