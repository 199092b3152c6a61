/** What members may do as things stand: every write is held to the user's own role before anything is sealed. */
import { CofferError, type AuthorKey, type DbId } from "../std/index.ts";
import { activeUsers, isMember, isSameUser, mayWrite, roleAt, type Role } from "../directory/index.ts";
import type { EntryType } from "../entry/index.ts";
import type { CatalogDoc } from "./catalog.ts";
import type { TenantCore } from "./core.ts";
import type { Ledger } from "./ledger.ts";

/** Who created a document; `undefined` where it is not here. */
export function creatorOf(ledger: Ledger, doc: CatalogDoc | undefined): AuthorKey | undefined {
  const [created] = doc?.entries ?? [];
  return created && ledger.at(created.position)?.author;
}

/**
 * See to it that this user may write an entry now. `doc`: the document that it belongs to, `undefined` for a new one.
 *
 * @throws `access/denied`
 */
export function requireRight(
  core: TenantCore,
  { doc, entryType, dbId }: { readonly dbId: DbId; readonly entryType: EntryType; readonly doc?: CatalogDoc },
): void {
  const self = core.keys.identity.publicIdentity.signingKey;
  const role = ownRole(core, dbId);
  const creator = doc === undefined ? self : creatorOf(core.ledger, doc);
  if (!mayWrite(role, entryType, isSameUser(core.directory, creator, self)))
    throw new CofferError("access/denied", { role, entryType, docId: doc?.docId });
}

/** The role of this user in a database, as of now. */
export function ownRole({ directory, keys }: TenantCore, dbId: DbId): Role {
  const userKey = keys.identity.publicIdentity.signingKey;
  return roleAt(directory, { dbId, userKey }, directory.indexByCommit.size);
}

/** The role of a member in a database, as of now. @throws `input/unknown-id` for who is none */
export function roleNow({ directory }: TenantCore, dbId: DbId, userKey: AuthorKey): Role {
  if (!isMember(directory, userKey) && !activeUsers(directory).has(userKey))
    throw new CofferError("input/unknown-id", { what: "user" });
  return roleAt(directory, { dbId, userKey }, directory.indexByCommit.size);
}
