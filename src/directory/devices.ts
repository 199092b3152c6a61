/**
 * Devices of a user: keys of their own, granted like a user's and tied to one by the admin for as long as they live.
 *
 * ```
 * user (the key of the first device) ◄── device      writes, signs in and is handed keys under its own key;
 *                                    ◄── device      its role, and whose the documents are, are the user's
 * ```
 */
import type { AuthorKey } from "../std/index.ts";
import type { DirectoryState } from "./directory.ts";

/** Whose a key is: the user of a device, or the key itself. */
export function userOf({ usersByKey }: Pick<DirectoryState, "usersByKey">, key: AuthorKey): AuthorKey {
  return usersByKey.get(key)?.user ?? key;
}

/** Tell whether two keys are one user's. */
export function isSameUser(
  state: Pick<DirectoryState, "usersByKey">,
  one: AuthorKey | undefined,
  other: AuthorKey,
): boolean {
  return one !== undefined && userOf(state, one) === userOf(state, other);
}

/** The users who have a device that is not revoked: which of theirs it is does not matter. */
export function activeUsers({ usersByKey }: Pick<DirectoryState, "usersByKey">): ReadonlySet<AuthorKey> {
  const active = new Set<AuthorKey>();
  for (const { revoked, user, userKey } of usersByKey.values())
    if (revoked === undefined) active.add(user ?? userKey);
  return active;
}

/** The keys that users have now: of their devices, and their own. Who is revoked has none. */
export function keysOfUsers(
  { usersByKey }: Pick<DirectoryState, "usersByKey">,
  users: ReadonlySet<AuthorKey>,
): ReadonlySet<AuthorKey> {
  const keys = new Set<AuthorKey>();
  for (const { revoked, user, userKey } of usersByKey.values())
    if (revoked === undefined && users.has(user ?? userKey)) keys.add(userKey);
  return keys;
}
