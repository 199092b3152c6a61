/**
 * Documents for some people alone: each list of recipients is a key of its own, with a name that nobody is shown, wrapped in the directory
 * for those on the list.
 *
 * ```
 * key of the list    epoch 1 ──► epoch 2          epoch 1: Ada, Grace, who made it          epoch 2: without Grace
 * document           e1 ◄─ e2 ◄── e3              e1, e2 under epoch 1                      e3 under epoch 2
 * ```
 *
 * Guarantees
 * - who is not on the list, and was not, holds no key that opens the document: no member, no server, not the admin's identity
 * - who comes is handed all epochs, and reads the document with its past
 * - who goes is handed nothing that begins then: what is written later is under an epoch with fresh entropy that was not wrapped for
 *   them. What they could read they can go on reading
 * - keys of recipients are the directory's: nobody but the admin says whose they are
 */
import { bytesToBase64url, CofferError, type AuthorKey, type KeyId } from "../std/index.ts";
import { keysOfUsers, userOf, type DirectoryRecord } from "../directory/index.ts";
import type { CatalogDoc } from "./catalog.ts";
import type { TenantCore } from "./core.ts";
import { writeAsAdmin, type AdminPassword } from "./directory-writes.ts";
import { holdersOf, rotationRecords, keysFor } from "./key-records.ts";
import { isListKey, listKeyPrefix, makeKey } from "./named-keys.ts";
import { granteesOf, ownKeys, type Grantees } from "./rotate.ts";
import type { TenantSession } from "./session.ts";

/** Who comes onto a list and who goes. */
export interface RecipientEdits {
  readonly add: readonly AuthorKey[];
  readonly remove: readonly AuthorKey[];
}

/**
 * Make the key of a list: for users, who is in groups now, and this user, who makes it.
 *
 * @returns what it is called, for the documents that are to be sealed under it
 * @throws `input/unknown-id` for who is no member; and as {@link writeAsAdmin}
 */
export async function createListKey(
  session: TenantSession,
  recipients: Grantees,
  proof: AdminPassword,
): Promise<string> {
  const { core } = session;
  const name = `${listKeyPrefix}${bytesToBase64url(core.world.crypto.randomBytes(16))}`;
  await writeAsAdmin(session, proof, async ({ secrets }) => {
    const named = granteesOf(core, secrets, recipients);
    const users = new Set([...named, ...ownKeys(core)]);
    // Known here before it is handed out: a document must not wait for its own key.
    const secret = await makeKey(core, name);
    const keys = [{ keyId: core.keyIdOf(name), epoch: 1, secret }];
    try {
      return {
        open: await keysFor(core, { ...secrets, keys }, { names: new Set([name]), users }),
        sealed: [],
      };
    } finally {
      secret.fill(0);
    }
  });
  return name;
}

/** Who can read what is written to a document now, as far as the directory and this device know. */
export function recipientsOf(core: TenantCore, { keyId }: Pick<CatalogDoc, "keyId">): readonly AuthorKey[] {
  const { directory } = core;
  return [...new Set([...holdersOf(core, keyId)].map((key) => userOf(directory, key)))].sort();
}

/**
 * Change who can read what is written to a document, and to all others of the same list.
 *
 * @throws `input/invalid` for a document that is not for a list, for who is named twice, or where this user would go themselves;
 *   `input/unknown-id` for who comes and is no member; `key/missing` when this device does not hold the key; and as {@link writeAsAdmin}
 */
export async function changeRecipients(
  session: TenantSession,
  { keyId }: Pick<CatalogDoc, "keyId">,
  { add, remove }: RecipientEdits,
  proof: AdminPassword,
): Promise<void> {
  const { core } = session;
  const name = listNameOf(core, keyId);
  const { directory } = core;
  const leaving = keysOfUsers(directory, new Set(remove));
  if (leaving.has(core.keys.identity.publicIdentity.signingKey))
    throw new CofferError("input/invalid", { message: "Who changes the recipients is one of them." });
  if (add.some((user) => remove.includes(user)) || add.length + remove.length === 0)
    throw new CofferError("input/invalid", { message: "A user comes or goes." });
  await writeAsAdmin(session, proof, async ({ secrets }) => {
    const coming = granteesOf(core, secrets, { users: add, groups: [] });
    const open: DirectoryRecord[] = [];
    if (coming.size > 0)
      open.push(...(await keysFor(core, secrets, { names: new Set([name]), users: coming })));
    const isLess = [...holdersOf(core, keyId)].some((user) => leaving.has(user));
    if (isLess) open.push(...(await rotationRecords(core, keyId, { without: leaving, also: coming })));
    if (open.length === 0) throw new CofferError("input/unknown-id", { what: "user" });
    return { open, sealed: [] };
  });
}

/** @throws `input/invalid` for the key of no list */
function listNameOf(core: TenantCore, keyId: KeyId): string {
  const name = core.keys.keyNames.find((one) => isListKey(one) && core.keyIdOf(one) === keyId);
  if (name !== undefined) return name;
  throw new CofferError("input/invalid", { message: "This document is not for a list of recipients." });
}
