/**
 * The admin's word about devices that users linked themselves: whose they are, and the keys that the user holds. From then on the line speaks
 * of them as of any device.
 */
import type { AuthorKey } from "../std/index.ts";
import { userOf, type DirectoryRecord, type DirectoryState, type DirectoryUser } from "../directory/index.ts";
import { keyNames, type TenantCore } from "./core.ts";
import type { ActingAdmin, DirectoryRecords } from "./directory-writes.ts";
import { heldBy, keysFor, maxDevices, self } from "./key-records.ts";

/** so many devices are in one commit: each is granted and tied in the same one */
const devicesPerCommit = 32;

/** The devices that users linked and that the line does not speak of, as far as their users have room for them. */
export function unspoken({
  grantedUsers,
  usersByKey,
}: Pick<DirectoryState, "grantedUsers" | "usersByKey">): readonly DirectoryUser[] {
  const counts = new Map<AuthorKey, number>();
  const countOf = (user: AuthorKey): number => counts.get(user) ?? 0;
  for (const { user, userKey } of grantedUsers.values())
    counts.set(user ?? userKey, countOf(user ?? userKey) + 1);
  return [...usersByKey.values()].filter(({ user, userKey }) => {
    if (user === undefined || grantedUsers.has(userKey) || countOf(user) >= maxDevices) return false;
    counts.set(user, countOf(user) + 1);
    return true;
  });
}

/** What takes over all devices that are linked and not in the line, as records of one commit each. */
export async function takingOver(
  core: TenantCore,
  { secrets }: ActingAdmin,
): Promise<readonly DirectoryRecords[]> {
  const linked = unspoken(core.directory);
  const commits: DirectoryRecords[] = [];
  for (let from = 0; from < linked.length; from += devicesPerCommit) {
    const some = linked.slice(from, from + devicesPerCommit);
    const keys: DirectoryRecord[] = [];
    for (const { userKey } of some) {
      const names = new Set([keyNames.content, ...heldBy(core, userOf(core.directory, userKey))]);
      // Who hands on a key goes on holding it.
      keys.push(...(await keysFor(core, secrets, { names, users: new Set([userKey, self(core)]) })));
    }
    commits.push({ open: [...some.flatMap(wordsOn), ...keys], sealed: some.flatMap(cardOf) });
  }
  return commits;
}

function wordsOn({ encryptionKey, nameHash, user, userKey }: DirectoryUser): readonly DirectoryRecord[] {
  const grant: DirectoryRecord = { kind: "grantaccess", userKey, encryptionKey, nameHash };
  return user === undefined ? [] : [grant, { kind: "device", userKey: user, deviceKey: userKey }];
}

function cardOf({ userKey, userName }: DirectoryUser): readonly DirectoryRecord[] {
  return userName === undefined ? [] : [{ kind: "membercard", userKey, userName }];
}
