/**
 * What the admin of a tenant does: grants, revokes, answers join requests, publishes. Each call takes the admin's password anew; the
 * admin's keys are in memory only while it runs.
 *
 * A directory commit carries the access-control record under `$publicinfos`, which servers can open, and beside a grant the member card
 * under the tenant's content key, which they cannot.
 */
import {
  assert,
  bytesToId,
  CofferError,
  type AuthorKey,
  type CommitHash,
  type DbId,
  type KeyId,
} from "../std/index.ts";
import {
  encodeRecord,
  hashUserName,
  isMember,
  recordLimits,
  type DirectoryCuts,
  type DirectoryRecord,
} from "../directory/index.ts";
import { createContentKey, deriveNameId, type ContentKey, type EntryDraft } from "../entry/index.ts";
import {
  encodeJoinResponse,
  parseJoinRequest,
  safetyNumber,
  unlockVault,
  type BagSecrets,
  type JoinRequest,
  type PublicIdentity,
  type UnlockedIdentity,
} from "../keys/index.ts";
import { signPublication } from "../sync/index.ts";
import { keyNames, type TenantCore, type TenantWorld } from "./core.ts";
import type { TenantSession } from "./session.ts";
import { Writer } from "./writer.ts";

const directoryDocId = bytesToId("DocId", new Uint8Array(16));

/** What a directory commit says. */
export interface DirectoryRecords {
  /** sealed under `$publicinfos`: servers read them */
  readonly open: readonly DirectoryRecord[];
  /** sealed under the content key: for members */
  readonly sealed: readonly DirectoryRecord[];
}

/** The admin's identity and password, as every call here takes them. */
export interface AdminPassword {
  readonly adminKey: AuthorKey;
  readonly adminPassword: string;
}

/** The admin with everything that a directory commit is written with. */
export interface ActingAdmin {
  readonly admin: UnlockedIdentity;
  readonly secrets: BagSecrets;
}

/** Write one directory commit behind the head of the line. It is judged from the log like any other. */
export async function writeDirectory(
  core: TenantCore,
  by: ActingAdmin,
  records: DirectoryRecords,
): Promise<CommitHash> {
  const { crypto, env } = core.world;
  const entries = await directoryEntries(core, by.secrets, records);
  const { head } = core.directory;
  const writer = new Writer({
    crypto,
    store: core.store,
    tenantId: core.tenantId,
    dbId: core.directoryDbId,
    author: by.admin.publicIdentity.signingKey,
    signingKey: by.admin.signing.privateKey,
    nowMs: () => env.nowMs(),
    knownHeads: () => (head === undefined ? [] : [head]),
    directoryHead: () => head,
  });
  return (await writer.write(entries, "strict")).commit.commitHash;
}

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

/** Register whoever asks, and answer with the tenant's keys, sealed for that person and the share password. */
export async function approveRequest(
  session: TenantSession,
  uri: string,
  options: AdminPassword & { sharePassword: string; serverUrl: string | undefined; expiresInMs: number },
): Promise<string> {
  const { core } = session;
  const { crypto, env } = core.world;
  const request = await parseJoinRequest(crypto, uri.trim());
  const admin = await unlockAdmin(session, options);
  return session.withBagSecrets(async (secrets) => {
    // What was made for some documents alone is not for every newcomer.
    const everyonesIds: readonly KeyId[] = Object.values(keyNames).map((name) => core.keyIdOf(name));
    const everyones = secrets.keys.filter(({ keyId }) => everyonesIds.includes(keyId));
    // The answer is written first: a refused password or name must not leave a registered stranger behind.
    const answer = async (directoryHead: CommitHash): Promise<string> =>
      encodeJoinResponse(crypto, {
        request,
        admin,
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
    await answer(head);
    return answer(await register(session, { admin, secrets }, request));
  });
}

/** Revoke a user: what this device has of their commits counts, nothing later does. */
export async function revokeUser(
  session: TenantSession,
  userKey: AuthorKey,
  proof: AdminPassword,
): Promise<void> {
  const { core } = session;
  if (!isMember(core.directory, userKey)) throw new CofferError("input/unknown-id", { what: "user" });
  await writeAsAdmin(session, proof, () => ({
    open: [{ kind: "revokeaccess", userKey, cuts: cutsOf(core, userKey) }],
    sealed: [],
  }));
}

/**
 * Write what the admin decides, behind everything that this device holds of the directory. It counts here when this resolves.
 *
 * @param decide what to write, in view of the directory as it is then
 * @throws `access/locked`, `access/not-admin`, `key/wrong-password`
 */
export async function writeAsAdmin(
  session: TenantSession,
  proof: AdminPassword,
  decide: (by: ActingAdmin) => DirectoryRecords | Promise<DirectoryRecords>,
): Promise<void> {
  const admin = await unlockAdmin(session, proof);
  await session.withBagSecrets((secrets) => writeInTurn(session, { admin, secrets }, decide));
}

/** Two tabs of the admin that wrote at once would fork the line: they take turns, and each looks what the other wrote. */
async function writeInTurn(
  session: TenantSession,
  by: ActingAdmin,
  decide: (by: ActingAdmin) => DirectoryRecords | Promise<DirectoryRecords>,
): Promise<void> {
  const { core } = session;
  await core.world.env.withLock(`coffer-directory/${core.store.name}`, {}, async () => {
    await session.catchUp();
    await session.exclusive(async () => writeDirectory(core, by, await decide(by)));
    await session.catchUp();
  });
}

/** A record holds so many heads. */
const maxCutHeads = 4096;

/**
 * What of a user's commits counts: the heads of their graph in each database. Only who wants to be hard to revoke has more than a
 * record can hold; then the oldest count.
 */
function cutsOf(core: TenantCore, userKey: AuthorKey): DirectoryCuts {
  const { directoryDbId, ledger } = core;
  const written = ledger.rows().filter((row) => row.author === userKey && row.dbId !== directoryDbId);
  const heads = [...new Set(written.map((row) => row.dbId))]
    .flatMap((dbId) => ledger.graph(dbId, userKey).heads())
    .flatMap((head) => ledger.find(head) ?? [])
    .sort((a, b) => a.position - b.position)
    .slice(0, maxCutHeads);
  const byDb = new Map<DbId, CommitHash[]>();
  for (const { commitHash, dbId } of heads) {
    const cut = byDb.get(dbId) ?? [];
    if (cut.length < recordLimits.headsPerCut) cut.push(commitHash);
    byDb.set(dbId, cut);
  }
  return [...byDb].map(([dbId, kept]) => ({ dbId, heads: kept }));
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
  const records = await core.store.readRecords(core.directoryPositions());
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
    await writeInTurn(session, by, ({ secrets }) => grantRecords(core.world, secrets, request.identity));
  }
  const { head } = core.directory;
  assert(
    head !== undefined && isMember(core.directory, userKey),
    "a grant that was written here is accepted here",
  );
  return head;
}

async function unlockAdmin(session: TenantSession, proof: AdminPassword): Promise<UnlockedIdentity> {
  const { core, row } = session;
  if (core.unlocked === undefined) throw new CofferError("access/locked");
  const { adminSigningKey } = core.genesis;
  if (row.adminKey !== adminSigningKey || proof.adminKey !== adminSigningKey)
    throw new CofferError("access/not-admin");
  return unlockVault(core.world.crypto, await session.readVault(adminSigningKey), proof.adminPassword);
}

/** What makes someone a member: a grant for everyone, a card for members. */
export function grantRecords(
  { crypto }: Pick<TenantWorld, "crypto">,
  { namesKey }: Pick<BagSecrets, "namesKey">,
  { signingKey: userKey, encryptionKey, userName }: PublicIdentity,
): DirectoryRecords {
  const nameHash = hashUserName(crypto, namesKey, userName);
  return {
    open: [{ kind: "grantaccess", userKey, encryptionKey, nameHash }],
    sealed: [{ kind: "membercard", userKey, userName }],
  };
}

async function directoryEntries(
  core: TenantCore,
  secrets: BagSecrets,
  records: DirectoryRecords,
): Promise<readonly EntryDraft[]> {
  const { crypto } = core.world;
  const keyOf = async (name: string): Promise<ContentKey> => {
    const keyId = deriveNameId(crypto, secrets.namesKey, "key", name);
    const secret = secrets.keys.find((candidate) => candidate.keyId === keyId);
    if (secret === undefined) throw new CofferError("key/missing");
    return createContentKey(crypto, secret);
  };
  const entriesUnder = async (
    name: string,
    sealed: readonly DirectoryRecord[],
  ): Promise<readonly EntryDraft[]> => {
    if (sealed.length === 0) return [];
    const key = await keyOf(name);
    return sealed.map((record) => ({
      entryType: "directory_record",
      docId: directoryDocId,
      dependencies: [],
      key,
      plaintext: encodeRecord(record),
    }));
  };
  const open = await entriesUnder(keyNames.directory, records.open);
  return [...open, ...(await entriesUnder(keyNames.content, records.sealed))];
}
