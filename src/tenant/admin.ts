/**
 * What the admin of a tenant does about people: answers join requests, grants, revokes, publishes. How it is written is in
 * directory-writes.ts.
 */
import { assert, CofferError, type AuthorKey, type CommitHash, type KeyId } from "../std/index.ts";
import { activeUsers, isMember, keysOfUsers, userOf, type DirectoryRecord } from "../directory/index.ts";
import {
  encodeJoinResponse,
  parseJoinRequest,
  safetyNumber,
  type BagSecrets,
  type JoinRequest,
} from "../keys/index.ts";
import { signPublication } from "../sync/index.ts";
import { directoryPositions } from "./beside.ts";
import { keyNames, type TenantCore } from "./core.ts";
import { cutsOf, writtenBy } from "./cuts.ts";
import {
  closeFork,
  grantRecords,
  inTurn,
  unlockAdmin,
  writeAsAdmin,
  writeNext,
  type ActingAdmin,
  type AdminPassword,
  type DirectoryRecords,
} from "./directory-writes.ts";
import { keysFor } from "./key-records.ts";
import { rotationsWithout } from "./rotate.ts";
import type { TenantSession } from "./session.ts";

/** What a join request says, with the number that both sides compare. */
export async function inspectRequest(
  core: TenantCore,
  uri: string,
): Promise<{ userName: string; key: string; safetyNumber: string }> {
  const { identity } = await parseJoinRequest(core.world.crypto, uri.trim());
  const parties = {
    tenantId: core.tenantId,
    adminKey: core.genesis.adminSigningKey,
    memberKey: identity.signingKey,
  };
  return {
    userName: identity.userName,
    key: identity.signingKey,
    safetyNumber: safetyNumber(core.world.crypto, parties),
  };
}

/** How a request is answered. */
export interface JoinAnswer extends AdminPassword {
  readonly sharePassword: string;
  readonly serverUrl: string | undefined;
  readonly expiresInMs: number;
}

/** Register whoever asks, and answer with the tenant's keys, sealed for that person and the share password. */
export async function approveRequest(
  session: TenantSession,
  uri: string,
  options: JoinAnswer,
): Promise<string> {
  return answerRequest(session, uri, options, {
    check: () => undefined,
    register: (by, request) => register(session, by, request),
  });
}

/** Who asks, and under which directory commit they are known. */
interface Registering {
  /** before anything is written */
  readonly check: (request: JoinRequest, secrets: BagSecrets) => void;
  readonly register: (by: ActingAdmin, request: JoinRequest) => Promise<CommitHash>;
}

/** Answer a request, once who asks is registered. */
export async function answerRequest(
  session: TenantSession,
  uri: string,
  options: JoinAnswer,
  { check, register: enter }: Registering,
): Promise<string> {
  const { core } = session;
  const { crypto, env } = core.world;
  const request = await parseJoinRequest(crypto, uri.trim());
  const admin = await unlockAdmin(session, options);
  return inTurn(session, async (secrets) => {
    // What was made for some documents alone is not for every newcomer.
    const everyonesIds: readonly KeyId[] = Object.values(keyNames).map((name) => core.keyIdOf(name));
    const everyones = secrets.keys.filter(({ keyId }) => everyonesIds.includes(keyId));
    // The answer is written first: a refused password or name must not leave a registered stranger behind.
    const answer = async (directoryHead: CommitHash): Promise<string> =>
      encodeJoinResponse(crypto, {
        request,
        signer: admin,
        genesis: core.genesis,
        tenantName: core.keys.tenantName,
        serverUrl: options.serverUrl,
        namesKey: secrets.namesKey,
        keys: everyones,
        directoryHead,
        sharePassword: options.sharePassword,
        expiresAtMs: env.nowMs() + options.expiresInMs,
      });
    const { head } = core.directory;
    assert(head !== undefined, "a tenant on its founder's device has a directory");
    check(request, secrets);
    await answer(head);
    return answer(await enter({ admin, secrets }, request));
  });
}

/**
 * Revoke a user with all of their devices: what this device has of their commits counts, nothing later does. What they held begins a new
 * epoch without them. `wipe`: their devices are to forget the tenant, too; that can also be said of who is revoked already.
 */
export async function revokeUser(
  session: TenantSession,
  { userKey, wipe }: { readonly userKey: AuthorKey; readonly wipe: boolean },
  proof: AdminPassword,
): Promise<void> {
  const { core } = session;
  const { usersByKey } = core.directory;
  const own = [...usersByKey.keys()].filter((key) => userOf(core.directory, key) === userKey);
  const wiping = wipe ? own.map((key): DirectoryRecord => ({ kind: "wipe", userKey: key })) : [];
  const isActive = activeUsers(core.directory).has(userKey);
  if (wipe && !isActive && usersByKey.has(userKey))
    return writeAsAdmin(session, proof, () => ({ open: wiping, sealed: [] }));
  if (!isActive) throw new CofferError("input/unknown-id", { what: "user" });
  await writeAsAdmin(session, proof, () =>
    revocations(core, keysOfUsers(core.directory, new Set([userKey])), wiping),
  );
}

/** What revokes keys: a cut for each, what else is said of them, and new epochs of all that one of them held. */
export async function revocations(
  core: TenantCore,
  keys: ReadonlySet<AuthorKey>,
  further: readonly DirectoryRecord[] = [],
): Promise<DirectoryRecords> {
  const written = writtenBy(core, keys);
  const cuts = [...keys].map((userKey): DirectoryRecord => {
    return { kind: "revokeaccess", userKey, cuts: cutsOf(core, written.get(userKey)) };
  });
  // In one commit, as far as it holds them: who is thrown out asks why at once.
  return { open: [...cuts, ...further, ...(await rotationsWithout(core, keys))], sealed: [] };
}

/**
 * Let a revoked user in again, with every epoch of the tenant's key and of named ones that this device holds. What they write from now on
 * counts; of what they wrote before goes on counting what did.
 *
 * @throws `input/unknown-id` for who is not revoked, `key/missing`; and as {@link writeAsAdmin}
 */
export async function regrantUser(
  session: TenantSession,
  { keys, userKey }: { readonly userKey: AuthorKey; readonly keys: readonly string[] },
  proof: AdminPassword,
): Promise<void> {
  const { core } = session;
  await writeAsAdmin(session, proof, async ({ secrets }) => {
    const user = core.directory.usersByKey.get(userKey);
    const isAway = user?.revoked !== undefined && !activeUsers(core.directory).has(userKey);
    if (!isAway || user.user !== undefined) throw new CofferError("input/unknown-id", { what: "user" });
    const { encryptionKey, nameHash } = user;
    const names = new Set([keyNames.content, ...keys]);
    return {
      open: [
        { kind: "grantaccess", userKey, encryptionKey, nameHash },
        ...(await keysFor(core, secrets, { names, users: new Set([userKey]) })),
      ],
      sealed: [],
    };
  });
}

/**
 * Let commits count that do not by the rights of their authors: what was written while they were revoked, under a lower role, with an
 * older head. What does not hold by itself goes on counting nothing.
 *
 * @throws `input/unknown-id` for a commit that this device does not have, or of no member; and as {@link writeAsAdmin}
 */
export async function adoptCommits(
  session: TenantSession,
  commitHashes: readonly CommitHash[],
  proof: AdminPassword,
): Promise<void> {
  const { core } = session;
  await writeAsAdmin(session, proof, () => {
    for (const commitHash of commitHashes) {
      const row = core.ledger.find(commitHash);
      const isMembers = row !== undefined && core.directory.usersByKey.has(row.author);
      if (!isMembers || row.dbId === core.directoryDbId)
        throw new CofferError("input/unknown-id", { what: "commit" });
    }
    if (commitHashes.length === 0) throw new CofferError("input/invalid", { message: "No commit is named." });
    return { open: [{ kind: "adopt", commitHashes }], sealed: [] };
  });
}

/** Bring lines of the directory together that devices of the admin wrote apart; nothing is written where there is one. */
export async function mergeLines(session: TenantSession, proof: AdminPassword): Promise<void> {
  const admin = await unlockAdmin(session, proof);
  await inTurn(session, (secrets) => closeFork(session, { admin, secrets }));
}

/** The publication of this tenant for one server: genesis, the key of the access-control records, the directory so far. */
export async function createPublication(
  session: TenantSession,
  origin: string,
  proof: AdminPassword,
): Promise<Uint8Array<ArrayBuffer>> {
  const { core } = session;
  const admin = await unlockAdmin(session, proof);
  await session.catchUp();
  const records = await core.store.readRecords(directoryPositions(core));
  return session.withBagSecrets(async (secrets) => {
    const keyId = core.keyIdOf(keyNames.directory);
    const key = secrets.keys.find((candidate) => candidate.keyId === keyId);
    if (key === undefined) throw new CofferError("key/missing");
    return signPublication(core.world.crypto, admin.signing.privateKey, {
      genesis: core.genesis.bytes,
      publicInfosKey: key,
      createdAtMs: core.world.env.nowMs(),
      origin,
      directoryCommits: records.map((record) => record.bytes),
    });
  });
}

async function register(session: TenantSession, by: ActingAdmin, request: JoinRequest): Promise<CommitHash> {
  const { core } = session;
  const userKey = request.identity.signingKey;
  const known = core.directory.usersByKey.get(userKey);
  if (known?.revoked !== undefined) throw new CofferError("access/revoked", { userKey });
  if (known === undefined) {
    await writeNext(session, by, ({ secrets }) => grantRecords(core.world, secrets, request.identity));
  }
  return grantedHead(core, userKey);
}

/** The head of the directory, in which a key that was granted just now is known. */
export function grantedHead(core: TenantCore, userKey: AuthorKey): CommitHash {
  const { head } = core.directory;
  assert(
    head !== undefined && isMember(core.directory, userKey),
    "a grant that was written here is accepted here",
  );
  return head;
}
