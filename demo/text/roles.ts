/** Roles in plain words. Pure. */
import type { DryRun, GivenRole, Role, RoleHolder } from "cofferdb";
import { formatCount } from "./format.ts";

const words: Record<Role, string> = {
  reader: "Reads everything, changes nothing.",
  author: "Adds films, and changes and deletes those.",
  editor: "Changes all films, and deletes those that they added.",
  manager: "Changes and deletes all films.",
};

/** What a role means; undefined is what is not said. */
export function roleWords(role: Role | undefined, isEveryone: boolean): string {
  if (role !== undefined) return words[role];
  return isEveryone ? words.manager : "What is said for everyone, or for a group that they are in.";
}

/** The role that is given to exactly this holder, if any. */
export function givenRole(
  roles: readonly GivenRole[] | undefined,
  { database, user, group }: RoleHolder,
): Role | undefined {
  return roles?.find((given) => given.database === database && given.user === user && given.group === group)
    ?.role;
}

/** What a change of roles would have refused of what was written. */
export function describeDryRun({ changeCount, refusedCount }: DryRun): string {
  if (refusedCount === 0)
    return changeCount === 1
      ? "The one change so far would have been allowed."
      : `Of all ${formatCount(changeCount)} changes so far, none would have been refused.`;
  const refused = refusedCount === 1 ? "one" : formatCount(refusedCount);
  return `Of ${formatCount(changeCount)} changes so far, ${refused} would have been refused. They stay valid; the role counts from now on.`;
}
