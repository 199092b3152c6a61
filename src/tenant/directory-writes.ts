/**
 * Writing into the directory: one line of commits, signed by the admin's key. Each call takes the admin's password anew; the admin's keys
 * are in memory only while it runs.
 *
 * What servers must read to judge authors is sealed under `$publicinfos`; cards and settings beside it under the tenant's content key, which
 * they do not have.
 */
import { assert, bytesToId, CofferError, type AuthorKey, type CommitHash } from "../std/index.ts";
import { encodeRecord, hashUserName, wipeMark, type DirectoryRecord } from "../directory/index.ts";
import {
  createContentKey,
  deriveNameId,
  entryLimits,
  sealedSizeBytes,
  type ContentKey,
  type EntryDraft,
} from "../entry/index.ts";
import { unlockVault, type BagSecrets, type PublicIdentity, type UnlockedIdentity } from "../keys/index.ts";
import type { LogRecord } from "../store/index.ts";
import { keyNames, type TenantCore, type TenantWorld } from "./core.ts";
import type { TenantSession } from "./session.ts";
import { Writer } from "./writer.ts";

/** A commit holds four times as much; but one goes up in a frame with the merge that brings it in, behind what else waits. */
const maxCommitBytes = 256 * 1024;
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

/** What a directory commit follows: the end of the line that it continues, and ends of others that it merges. */
export interface LineEnds {
  readonly head: CommitHash | undefined;
  readonly others: readonly CommitHash[];
  /** one of these, which is offered once more right before: a server takes it only together with what merges it */
  readonly again?: Pick<LogRecord, "commitHash" | "bytes">;
}

/** The end of the line, and those of others that a fork has. */
export function lineEnds({ directory: { head, otherHeads } }: TenantCore): LineEnds {
  return { head, others: otherHeads.slice(0, entryLimits.predecessors - 1) };
}

/** Write directory commits, one for each of some records, the first behind these ends. They are judged from the log. */
export async function writeDirectory(
  core: TenantCore,
  by: ActingAdmin,
  ends: LineEnds,
  ...records: readonly DirectoryRecords[]
): Promise<CommitHash> {
  const { crypto, env } = core.world;
  const parts: (readonly EntryDraft[])[] = [];
  for (const each of records) parts.push(...inCommits(await directoryEntries(core, by.secrets, each)));
  let { head, others } = ends;
  const writer = new Writer({
    crypto,
    store: core.store,
    tenantId: core.tenantId,
    dbId: core.directoryDbId,
    author: by.admin.publicIdentity.signingKey,
    signingKey: by.admin.signing.privateKey,
    nowMs: () => env.nowMs(),
    knownHeads: () => (head === undefined ? [] : [...others, head]),
    directoryHead: () => head,
    seen: () => core.writers.seen(core.directoryDbId),
    ahead: ends.again,
  });
  assert(parts.length > 0, "a directory commit says something");
  for (const part of parts) {
    head = (await writer.write(part, "strict")).commit.commitHash;
    others = [];
  }
  assert(head !== undefined, "what was written has a hash");
  return head;
}

/** What a member says in the directory's database, beside the admin's line: see directory/linked.ts. */
interface MemberSaying {
  readonly records: DirectoryRecords;
  readonly follows: readonly CommitHash[];
  readonly directoryHead: CommitHash;
}

/** Write one commit of a member into the directory's database, signed by their own key. It is judged from the log. */
export async function writeAsMember(
  core: TenantCore,
  { identity, secrets }: { readonly identity: UnlockedIdentity; readonly secrets: BagSecrets },
  { directoryHead, follows, records }: MemberSaying,
): Promise<CommitHash> {
  const { crypto, env } = core.world;
  const writer = new Writer({
    crypto,
    store: core.store,
    tenantId: core.tenantId,
    dbId: core.directoryDbId,
    author: identity.publicIdentity.signingKey,
    signingKey: identity.signing.privateKey,
    nowMs: () => env.nowMs(),
    knownHeads: () => follows,
    directoryHead: () => directoryHead,
    seen: () => core.writers.seen(core.directoryDbId),
  });
  const { commit } = await writer.write(await directoryEntries(core, secrets, records), "strict");
  return commit.commitHash;
}

/** As few commits as hold the entries: the keys of thousands of members are more than one holds. */
function inCommits(entries: readonly EntryDraft[]): readonly (readonly EntryDraft[])[] {
  const commits: EntryDraft[][] = [];
  let sizeBytes = Infinity;
  for (const entry of entries) {
    sizeBytes += sealedSizeBytes(entry.plaintext.length);
    if (sizeBytes > maxCommitBytes || (commits.at(-1)?.length ?? 0) >= entryLimits.entriesPerCommit) {
      commits.push([]);
      sizeBytes = sealedSizeBytes(entry.plaintext.length);
    }
    commits.at(-1)?.push(entry);
  }
  return commits;
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
  await inTurn(session, (secrets) => writeNext(session, { admin, secrets }, decide));
}

/** Two tabs of the admin that wrote at once would fork the line: they take turns, and each looks what the other wrote. */
export async function inTurn<T>(
  session: TenantSession,
  run: (secrets: BagSecrets) => Promise<T>,
): Promise<T> {
  const { core } = session;
  const result = await core.world.env.withLock(`coffer-directory/${core.store.name}`, {}, async () => {
    await session.catchUp();
    return { value: await session.withBagSecrets(run) };
  });
  assert(result !== undefined, "a lock that is waited for is had");
  return result.value;
}

/** Write one decision and judge it; lines that were written apart are brought together first. Called in the admin's turn. */
export async function writeNext(
  session: TenantSession,
  by: ActingAdmin,
  decide: (by: ActingAdmin) => DirectoryRecords | Promise<DirectoryRecords>,
): Promise<void> {
  await closeFork(session, by);
  await takeOver(session, by);
  await session.exclusive(async () =>
    writeDirectory(session.core, by, lineEnds(session.core), await decide(by)),
  );
  await session.catchUp();
}

/** Say of devices that users linked whose they are, so that what follows can be said of them. */
async function takeOver(session: TenantSession, by: ActingAdmin): Promise<void> {
  const { usersByKey, grantedUsers } = session.core.directory;
  if (usersByKey.size === grantedUsers.size) return;
  const { takingOver } = await import("./take-over.ts");
  await session.exclusive(async () => {
    const records = await takingOver(session.core, by);
    if (records.length > 0) await writeDirectory(session.core, by, lineEnds(session.core), ...records);
  });
  await session.catchUp();
}

/** Bring lines of the directory together that were written apart. Called in the admin's turn; it ends with one line. */
export async function closeFork(session: TenantSession, by: ActingAdmin): Promise<void> {
  const { core } = session;
  while (core.directory.otherHeads.length > 0) {
    const { writeMerge } = await import("./merge-lines.ts");
    await session.exclusive(() =>
      writeMerge(core, by, (ends, ...records) => writeDirectory(core, by, ends, ...records)),
    );
    await session.catchUp();
  }
}

/** Open the admin's vault. @throws `access/locked`, `access/not-admin`, `key/wrong-password` */
export async function unlockAdmin(session: TenantSession, proof: AdminPassword): Promise<UnlockedIdentity> {
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
    // Who was revoked does not read the names of who comes later.
    const [secret] = secrets.keys.filter((key) => key.keyId === keyId).sort((a, b) => b.epoch - a.epoch);
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
      dependencies: record.kind === "wipe" ? [wipeMark(crypto, record.userKey)] : [],
      key,
      plaintext: encodeRecord(record),
    }));
  };
  const open = await entriesUnder(keyNames.directory, records.open);
  return [...open, ...(await entriesUnder(keyNames.content, records.sealed))];
}
