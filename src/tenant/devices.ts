/**
 * Devices of a user: the user links one by their own signature and the device's, or the admin ties a key to a user, hands it what the user holds, and takes it away again.
 *
 * ```
 * new device   request (public keys, the user's name) ──► admin's device     safety numbers compared
 *              ◄── answer, sealed for it and the share password ──           grant, whose it is, what it is called, keys
 * ```
 *
 * Guarantees
 * - a device signs, signs in and is handed keys as itself; its role, and whose the documents are that it creates, are the user's
 * - what a device is tied to it stays tied to, and only from its first grant on: nobody is turned into a device of somebody else
 * - a device that is revoked, the first one like any other, is cut off causally like a user, and no other device of the user with it; who
 *   has one left is the user still, with role, groups and documents. A user is revoked with all of theirs
 */
import { CofferError, equalBytes, type AuthorKey, type CommitHash } from "../std/index.ts";
import { activeUsers, isMember, keysOfUsers, userOf, type DirectoryRecord } from "../directory/index.ts";
import {
  encodeJoinResponse,
  parseJoinRequest,
  requireName,
  unlockVault,
  type BagSecrets,
  type JoinRequest,
} from "../keys/index.ts";
import { answerRequest, grantedHead, revocations, type JoinAnswer } from "./admin.ts";
import {
  grantRecords,
  inTurn,
  writeAsAdmin,
  writeAsMember,
  writeNext,
  type ActingAdmin,
  type AdminPassword,
  type DirectoryRecords,
} from "./directory-writes.ts";
import type { TenantCore } from "./core.ts";
import { heldBy, keysFor, maxDevices, self } from "./key-records.ts";
import type { TenantSession } from "./session.ts";

/** Whose a device is to be, and what it is called. */
export interface DeviceOwner {
  /** `undefined`: this user's */
  readonly user: AuthorKey | undefined;
  readonly name: string;
}

/**
 * Link a device that asked to a user, and answer it.
 *
 * @throws `input/invalid` for a name that is none, a request under another name than the user's, and a key that is known as something
 *   else; `input/unknown-id` for who is no user; and as `approveRequest`
 */
export async function approveDevice(
  session: TenantSession,
  uri: string,
  options: JoinAnswer & DeviceOwner,
): Promise<string> {
  const { core } = session;
  requireName(options.name);
  const user = options.user ?? userOf(core.directory, core.keys.identity.publicIdentity.signingKey);
  return answerRequest(session, uri, options, {
    check: (request, secrets) => requireFits(core, { request, secrets, user }),
    register: (by, request) => registerDevice(session, by, { request, user, name: options.name }),
  });
}

interface Linking {
  readonly request: JoinRequest;
  readonly user: AuthorKey;
}

/** How a user answers a device of their own. */
export interface OwnAnswer extends Omit<JoinAnswer, keyof AdminPassword> {
  readonly password: string;
  readonly name: string;
}

/**
 * Link a device that asked to this user, by the user's own signature, and answer it. The device says so itself when it takes the answer, and
 * is the user's from then on, wherever both are known. It has all keys of this device.
 *
 * @throws `access/locked`, `key/wrong-password` for the user's own; and as {@link approveDevice}
 */
export async function linkOwnDevice(
  session: TenantSession,
  uri: string,
  options: OwnAnswer,
): Promise<string> {
  const { core, row } = session;
  const { crypto, env } = core.world;
  requireName(options.name);
  if (core.unlocked === undefined) throw new CofferError("access/locked");
  const request = await parseJoinRequest(crypto, uri.trim());
  const signer = await unlockVault(crypto, await session.readVault(row.userKey), options.password);
  return inTurn(session, async (secrets) => {
    const user = userOf(core.directory, self(core));
    requireFits(core, { request, secrets, user });
    const deviceKey = request.identity.signingKey;
    const { head } = core.directory;
    const devices = keysOfUsers(core.directory, new Set([user])).size;
    if (devices >= maxDevices) throw new CofferError("input/too-large", { devices });
    if (
      core.directory.usersByKey.has(deviceKey) ||
      head === undefined ||
      !isMember(core.directory, self(core))
    )
      throw new CofferError("input/invalid", { message: "This device cannot be linked from here." });
    const answer = (commit: CommitHash): Promise<string> =>
      encodeJoinResponse(crypto, {
        request,
        signer,
        link: { user, commit, keyNames: core.keys.keyNames },
        genesis: core.genesis,
        tenantName: core.keys.tenantName,
        serverUrl: options.serverUrl,
        namesKey: secrets.namesKey,
        keys: secrets.keys,
        directoryHead: head,
        sharePassword: options.sharePassword,
        expiresAtMs: env.nowMs() + options.expiresInMs,
      });
    // A refused password must not leave a linked stranger behind.
    await answer(head);
    const { open } = grantRecords(core.world, secrets, request.identity);
    const commit = await writeAsMember(
      core,
      { identity: signer, secrets },
      {
        records: {
          open: [...open, { kind: "device", userKey: user, deviceKey }],
          sealed: [{ kind: "membercard", userKey: deviceKey, userName: options.name }],
        },
        follows: core.ledger.graph(core.directoryDbId, self(core)).heads(),
        directoryHead: head,
      },
    );
    await session.catchUp();
    return answer(commit);
  });
}

/** A name that is another one's shows who took the wrong request. */
function requireFits(
  core: TenantCore,
  { request, secrets, user }: Linking & { readonly secrets: BagSecrets },
): void {
  const { directory, world } = core;
  const owner = directory.usersByKey.get(user);
  if (owner === undefined || owner.user !== undefined || !activeUsers(directory).has(user))
    throw new CofferError("input/unknown-id", { what: "user" });
  const [grant] = grantRecords(world, secrets, request.identity).open;
  const isSameName = grant?.kind === "grantaccess" && equalBytes(grant.nameHash, owner.nameHash);
  const known = directory.usersByKey.get(request.identity.signingKey);
  if (!isSameName || (known !== undefined && known.user !== user))
    throw new CofferError("input/invalid", { message: "This request is not one of this user's devices." });
}

async function registerDevice(
  session: TenantSession,
  by: ActingAdmin,
  { name, request, user }: Linking & { readonly name: string },
): Promise<CommitHash> {
  const { core } = session;
  const deviceKey = request.identity.signingKey;
  if (core.directory.usersByKey.get(deviceKey) === undefined)
    await writeNext(session, by, async ({ secrets }): Promise<DirectoryRecords> => {
      const { open } = grantRecords(core.world, secrets, request.identity);
      const tie: DirectoryRecord = { kind: "device", userKey: user, deviceKey };
      const names = heldBy(core, user);
      // Who hands on a key goes on holding it.
      const self = core.keys.identity.publicIdentity.signingKey;
      const keys = await keysFor(core, secrets, {
        names,
        users: new Set([deviceKey, self]),
        ahead: request.identity,
      });
      return {
        open: [...open, tie, ...keys],
        sealed: [{ kind: "membercard", userKey: deviceKey, userName: name }],
      };
    });
  return grantedHead(core, deviceKey);
}

/** Revoke one device of a user who has another one. @throws `input/unknown-id`; and as `writeAsAdmin` */
export async function revokeDevice(
  session: TenantSession,
  deviceKey: AuthorKey,
  proof: AdminPassword,
): Promise<void> {
  const { directory } = session.core;
  const keys = keysOfUsers(directory, new Set([userOf(directory, deviceKey)]));
  if (!keys.has(deviceKey) || keys.size < 2) throw new CofferError("input/unknown-id", { what: "device" });
  await writeAsAdmin(session, proof, () => revocations(session.core, new Set([deviceKey])));
}
