/**
 * Who holds which key: new epochs with fresh entropy, and grants of the epochs there are. Both are directory records with the key wrapped
 * for each holder, see keys/key-wrap.ts.
 *
 * ```
 * default     epoch 1 ──► epoch 2 ──► epoch 3     wrapped for every member of that moment
 * salaries    epoch 1 ──► epoch 2                 wrapped for who held it and is still a member
 * ```
 *
 * Nothing that was written is sealed anew by it (see reseal.ts), and who held an old epoch goes on opening what is under it. The key of the access-control records
 * does not rotate: servers hold it, and it opens no names.
 */
import { CofferError, type AuthorKey, type KeyId } from "../std/index.ts";
import {
  activeUsers,
  groupIdOf,
  keysOfUsers,
  userOf,
  usersOfGroup,
  type DirectoryRecord,
} from "../directory/index.ts";
import type { BagSecrets } from "../keys/index.ts";
import { writeAsAdmin, type AdminPassword } from "./directory-writes.ts";
import { keyNames, type TenantCore } from "./core.ts";
import { keysFor, newestHolders, rotatable, rotationRecords, self } from "./key-records.ts";
import type { TenantSession } from "./session.ts";

/**
 * Begin a new epoch of a key, for everyone who holds it now.
 *
 * @throws `input/invalid` for the key of the access-control records, `key/missing` for one that is not known here; and as
 *   {@link writeAsAdmin}
 */
export async function rotateKey(session: TenantSession, name: string, proof: AdminPassword): Promise<void> {
  const { core } = session;
  const keyId = rotatable(core, name);
  await writeAsAdmin(session, proof, async () => {
    requireKnown(core, keyId);
    return { open: await rotationRecords(core, keyId), sealed: [] };
  });
}

/** Who is to hold a key: users by their keys, groups by their names; a group's members are those of this moment. */
export interface Grantees {
  readonly users: readonly AuthorKey[];
  readonly groups: readonly string[];
}

/**
 * Hand a key of this device, with all of its epochs, to users.
 *
 * @throws `input/invalid` for a key of the tenant's own, `key/missing`, `input/unknown-id` for who is no member; and as
 *   {@link writeAsAdmin}
 */
export async function grantKey(
  session: TenantSession,
  name: string,
  grantees: Grantees,
  proof: AdminPassword,
): Promise<void> {
  const { core } = session;
  rotatable(core, name);
  if (name === keyNames.content)
    throw new CofferError("input/invalid", { message: "Every member has this key." });
  await writeAsAdmin(session, proof, async ({ secrets }) => {
    // Whoever grants holds it, and goes on holding it.
    const users = new Set([...granteesOf(core, secrets, grantees), ...ownKeys(core)]);
    return { open: await keysFor(core, secrets, { names: new Set([name]), users }), sealed: [] };
  });
}

/** What a revocation does to keys: each that one of the revoked held begins a new epoch, without them. */
export async function rotationsWithout(
  core: TenantCore,
  keys: ReadonlySet<AuthorKey>,
): Promise<readonly DirectoryRecord[]> {
  const held = [...core.directory.epochsByKey].filter(([, epochs]) =>
    [...newestHolders(epochs)].some((key) => keys.has(key)),
  );
  const keyIds = new Set([core.keyIdOf(keyNames.content), ...held.map(([keyId]) => keyId)]);
  const records: DirectoryRecord[] = [];
  for (const keyId of keyIds) records.push(...(await rotationRecords(core, keyId, { without: keys })));
  return records;
}

/** The keys of the users of whom grantees speak, devices included. @throws `input/unknown-id` for who is no member, or no group */
export function granteesOf(
  { directory, world }: TenantCore,
  { namesKey }: BagSecrets,
  { groups, users }: Grantees,
): ReadonlySet<AuthorKey> {
  const all = new Set(users);
  const active = activeUsers(directory);
  for (const name of groups) {
    const groupId = groupIdOf(world.crypto, namesKey, name);
    if (!directory.groupsById.has(groupId)) throw new CofferError("input/unknown-id", { what: "group" });
    for (const user of usersOfGroup(directory.groupsById, groupId)) if (active.has(user)) all.add(user);
  }
  for (const user of users)
    if (!active.has(user)) throw new CofferError("input/unknown-id", { what: "user" });
  return keysOfUsers(directory, all);
}

function requireKnown(core: TenantCore, keyId: KeyId): void {
  if (core.keys.bag.current(keyId) === undefined && !core.directory.epochsByKey.has(keyId))
    throw new CofferError("key/missing", { keyId });
}

/** The keys of this user, devices included. */
export function ownKeys(core: TenantCore): ReadonlySet<AuthorKey> {
  const { directory } = core;
  return new Set([...keysOfUsers(directory, new Set([userOf(directory, self(core))])), self(core)]);
}
