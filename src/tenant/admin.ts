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
import { keyNames, type TenantCore } from "./core.ts";
import type { TenantSession } from "./session.ts";
import { Writer } from "./writer.ts";

const directoryDocId = bytesToId("DocId", new Uint8Array(16));

type DirectoryCuts = Extract<DirectoryRecord, { kind: "revokeaccess" }>["cuts"];

export type DirectoryAction =
  | { readonly kind: "grant"; readonly user: PublicIdentity }
  | {
      readonly kind: "revoke";
      readonly userKey: AuthorKey;
      readonly cuts: DirectoryCuts;
    };

/** The admin's identity and password, as every call here takes them. */
export interface AdminPassword {
  readonly adminKey: AuthorKey;
  readonly adminPassword: string;
}

/** Write one directory commit behind the head of the line. It is judged from the log like any other. */
export async function writeDirectory(
  core: TenantCore,
  by: { admin: UnlockedIdentity; secrets: BagSecrets },
  action: DirectoryAction,
): Promise<CommitHash> {
  const { crypto, env } = core.world;
  const entries = await directoryEntries(core, by.secrets, action);
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
  const admin = await unlockAdmin(session, proof);
  await session.catchUp();
  await session.exclusive(() =>
    session.withBagSecrets(async (secrets) => {
      await writeDirectory(
        core,
        { admin, secrets },
        { kind: "revoke", userKey, cuts: cutsOf(core, userKey) },
      );
    }),
  );
  await session.catchUp();
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

async function register(
  session: TenantSession,
  by: { admin: UnlockedIdentity; secrets: BagSecrets },
  request: JoinRequest,
): Promise<CommitHash> {
  const { core } = session;
  const userKey = request.identity.signingKey;
  const known = core.directory.usersByKey.get(userKey);
  if (known?.revoked !== undefined) throw new CofferError("access/revoked", { userKey });
  if (known === undefined) {
    await session.exclusive(() => writeDirectory(core, by, { kind: "grant", user: request.identity }));
    await session.catchUp();
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

async function directoryEntries(
  core: TenantCore,
  secrets: BagSecrets,
  action: DirectoryAction,
): Promise<readonly EntryDraft[]> {
  const { crypto } = core.world;
  const keyOf = async (name: string): Promise<ContentKey> => {
    const keyId = deriveNameId(crypto, secrets.namesKey, "key", name);
    const secret = secrets.keys.find((candidate) => candidate.keyId === keyId);
    if (secret === undefined) throw new CofferError("key/missing");
    return createContentKey(crypto, secret);
  };
  const entry = (key: ContentKey, record: DirectoryRecord): EntryDraft => ({
    entryType: "directory_record",
    docId: directoryDocId,
    dependencies: [],
    key,
    plaintext: encodeRecord(record),
  });
  const publicInfos = await keyOf(keyNames.directory);
  if (action.kind === "revoke") {
    return [entry(publicInfos, { kind: "revokeaccess", userKey: action.userKey, cuts: action.cuts })];
  }
  const { signingKey: userKey, encryptionKey, userName } = action.user;
  const nameHash = hashUserName(crypto, secrets.namesKey, userName);
  return [
    entry(publicInfos, { kind: "grantaccess", userKey, encryptionKey, nameHash }),
    entry(await keyOf(keyNames.content), { kind: "membercard", userKey, userName }),
  ];
}
