/**
 * Roles on this device: the admin gives them, every write is held to the user's own, and a change can be tried on what was written.
 *
 * What takes rights away says, for each user who loses some, what of theirs this device has: that goes on counting by the rights that
 * they had. Nothing that was accepted here is refused by a change of roles.
 */
import { CofferError, utf8ToBytes, type AuthorKey, type DbId, type DocId } from "../std/index.ts";
import {
  directoryLimits,
  foldPreview,
  groupIdOf,
  isSameUser,
  mayWrite,
  recordLimits,
  roleAt,
  rolePlace,
  userOf,
  type DirectoryRecord,
  type Role,
  type RoleSubject,
} from "../directory/index.ts";
import type { EntryType } from "../entry/index.ts";
import type { CatalogDoc } from "./catalog.ts";
import type { TenantCore } from "./core.ts";
import { writeAsAdmin, type AdminPassword } from "./directory-writes.ts";
import { withNarrowings } from "./narrowings.ts";
import { creatorOf } from "./rights.ts";
import type { TenantSession } from "./session.ts";

/** The role of one subject: a user, a group by its name, or everyone; in one database by its name, or in all that say nothing. */
export interface RoleChange {
  readonly database: string | undefined;
  readonly user: AuthorKey | undefined;
  readonly group: string | undefined;
  /** `undefined`: it goes */
  readonly role: Role | undefined;
}

/** A change that would have been refused. */
export interface WouldRefuse {
  readonly dbId: DbId;
  readonly docId: DocId;
  readonly author: AuthorKey;
  readonly role: Role;
  readonly entryType: EntryType;
  readonly atMs: number;
}

/** What roles would have refused of what was written. */
export interface DryRun {
  /** of how many changes */
  readonly changeCount: number;
  readonly refusedCount: number;
  /** the newest of them */
  readonly refused: readonly WouldRefuse[];
}

const maxListed = 200;

/**
 * Give roles, or take them away.
 *
 * @throws `input/invalid` for a subject that is named twice, or is user and group at once; `input/unknown-id` for who is not in the
 *   directory; `input/too-large`; and as {@link writeAsAdmin}
 */
export async function setRoles(
  session: TenantSession,
  changes: readonly RoleChange[],
  proof: AdminPassword,
): Promise<void> {
  const { core } = session;
  await writeAsAdmin(session, proof, () => {
    const open = roleRecords(core, changes);
    const names = new Set(changes.flatMap(({ database }) => database?.normalize("NFKC") ?? []));
    const sealed = [...names]
      .filter((dbName) => !core.directory.settingsByDb.has(dbName))
      .map((dbName): DirectoryRecord => ({ kind: "dbsettings", dbName, edits: [] }));
    return withNarrowings(core, { open, sealed });
  });
}

/**
 * What roles would have refused, had they and the groups of now been in force from the beginning. Nothing is written.
 *
 * @throws as {@link setRoles}, but for the admin's password
 */
export async function dryRun(session: TenantSession, changes: readonly RoleChange[]): Promise<DryRun> {
  await session.settle();
  return session.exclusive(async () => {
    const { core } = session;
    const directory = foldPreview(core.directory, roleRecords(core, changes));
    const index = directory.indexByCommit.size;
    const refused: WouldRefuse[] = [];
    let changeCount = 0;
    for (const [dbId, catalog] of core.catalogs()) {
      for (const doc of catalog.values()) {
        for (const entry of writtenIn(core, doc)) {
          changeCount += 1;
          const role = roleAt(directory, { dbId, userKey: entry.author }, index);
          if (mayWrite(role, entry.entryType, entry.isOwn)) continue;
          const { atMs, author, entryType } = entry;
          refused.push({ dbId, docId: doc.docId, author, role, entryType, atMs });
        }
      }
    }
    refused.sort((a, b) => b.atMs - a.atMs);
    return { changeCount, refusedCount: refused.length, refused: refused.slice(0, maxListed) };
  });
}

/** The names of databases that the directory speaks of, by their ids. */
export function databaseNames(core: TenantCore): ReadonlyMap<DbId, string> {
  return new Map([...core.directory.settingsByDb.keys()].map((name) => [core.dbIdOf(name), name]));
}

function roleRecords(core: TenantCore, changes: readonly RoleChange[]): readonly DirectoryRecord[] {
  const byDb = new Map<DbId | undefined, { subject: RoleSubject; role: Role | undefined }[]>();
  const places = new Set<string>();
  for (const { database, role, ...named } of changes) {
    const dbId = database === undefined ? undefined : core.dbIdOf(checkedName(database));
    const subject = subjectOf(core, named);
    const place = rolePlace(dbId, subject);
    if (places.has(place)) throw new CofferError("input/invalid", { message: "A role is named twice." });
    places.add(place);
    const edits = byDb.get(dbId) ?? [];
    edits.push({ subject, role });
    byDb.set(dbId, edits);
  }
  const size = new Set([...core.directory.rolesByPlace.keys(), ...places]).size;
  if (size > directoryLimits.roles) throw new CofferError("input/too-large", { roles: size });
  if (places.size === 0) throw new CofferError("input/invalid", { message: "No role is named." });
  return [...byDb].map(([dbId, edits]) => ({ kind: "role", dbId, edits }));
}

function subjectOf(
  { directory, keys, world }: TenantCore,
  { group, user }: Pick<RoleChange, "group" | "user">,
): RoleSubject {
  if (group !== undefined && user !== undefined)
    throw new CofferError("input/invalid", { message: "A role is a user's or a group's." });
  if (user !== undefined) {
    if (!directory.usersByKey.has(user) || userOf(directory, user) !== user)
      throw new CofferError("input/unknown-id", { what: "user" });
    return { kind: "user", userKey: user };
  }
  if (group === undefined) return { kind: "everyone" };
  const groupId = groupIdOf(world.crypto, keys.bag.namesKey, group);
  if (!directory.groupsById.has(groupId)) throw new CofferError("input/unknown-id", { what: "group" });
  return { kind: "group", groupId };
}

/** Settings hold it, so that members can read which database a role is of. */
function checkedName(database: string): string {
  const sizeBytes = utf8ToBytes(database.normalize("NFKC")).length;
  if (sizeBytes === 0 || sizeBytes > recordLimits.dbNameBytes)
    throw new CofferError("input/invalid", { at: "database" });
  return database;
}

interface WrittenEntry {
  readonly author: AuthorKey;
  readonly entryType: EntryType;
  readonly atMs: number;
  readonly isOwn: boolean;
}

function* writtenIn({ directory, ledger }: TenantCore, doc: CatalogDoc): Generator<WrittenEntry> {
  const creator = creatorOf(ledger, doc);
  for (const { atMs, entryType, position } of doc.entries) {
    const author = ledger.at(position)?.author;
    if (author !== undefined)
      yield { author, entryType, atMs, isOwn: isSameUser(directory, creator, author) };
  }
}
