/**
 * Bringing lines of the directory together that were written apart: one commit of the admin that follows the ends of all of them, and says
 * again what the others gave and arranged, as far as it is still wanted.
 *
 * ```
 * line    c1 ◄─ c2 ◄─ c3 ◄────── m      m: what c2' gave and arranged, new epochs of what was begun anew on either line
 * other    └─── c2' ◄────────────┘      what c2' took away counts by itself, see directory/fold-lines.ts
 * ```
 *
 * | what the other line said | in the merge |
 * |---|---|
 * | new users and devices: grants, cards, and their revocations | again: what counted of theirs goes on counting |
 * | grants of who was known before | not: who is revoked and to come back is granted again in the open |
 * | members of groups, settings, roles | again, but for what the line said something of since they parted |
 * | groups, databases by their names, adopted commits | again |
 * | revocations, wipes, purges, epochs of keys | nothing: they count |
 *
 * The tenant's key, and each that began a new epoch on either line, begins one more, for who holds it now: who was revoked on one line may
 * have been given the other's. Holders who lack an epoch of the other line are handed it.
 */
import { CofferError, equalBytes, type AuthorKey, type CommitHash, type KeyId } from "../std/index.ts";
import {
  foldPreview,
  rolePlace,
  type DirectoryRecord,
  type DirectoryState,
  type MemberRef,
  type OpenedCommit,
} from "../directory/index.ts";
import { keyFingerprint } from "../entry/index.ts";
import { sinceParting } from "./beside.ts";
import { keyNames, type TenantCore } from "./core.ts";
import type { ActingAdmin, DirectoryRecords } from "./directory-writes.ts";
import { withNarrowings } from "./narrowings.ts";
import { epochRecords, holdersOf, rotationRecords, type KeyRoom } from "./key-records.ts";
import { stepsOf, writeSteps, type WriteLine } from "./step-merges.ts";

/**
 * Close a fork: the merge, and behind it what only that can say, devices of users whom the merge itself grants. Before it go the steps by
 * which a server comes to have all of it, see step-merges.ts. Nothing when no fork is open.
 */
export async function writeMerge(core: TenantCore, by: ActingAdmin, write: WriteLine): Promise<void> {
  const { head, otherHeads } = core.directory;
  if (otherHeads.length === 0 || head === undefined) return;
  const all = await core.readDirectory();
  const steps = stepsOf(all);
  const apart = sinceParting(core, [head, ...otherHeads], steps).filter((hash) => !steps.has(hash));
  const merge = await mergeRecords(core, by, inOrder(all, new Set(apart)));
  await write(await writeSteps(core, steps, write), ...merge);
}

async function mergeRecords(
  core: TenantCore,
  { secrets }: ActingAdmin,
  commits: readonly OpenedCommit[],
): Promise<readonly DirectoryRecords[]> {
  const { directory } = core;
  const { late, ...wanted } = wantedOf(directory, commits);
  const first = withNarrowings(core, wanted);
  const room: KeyRoom = {
    directory: foldPreview(directory, [...first.open, ...late.open]),
    keys: core.keys,
    tenantId: core.tenantId,
    world: core.world,
    keyIdOf: (name) => core.keyIdOf(name),
  };
  const handed: DirectoryRecord[] = [];
  const rotated = new Set<KeyId>([core.keyIdOf(keyNames.content)]);
  for (const { records } of commits)
    for (const record of records) {
      if (record.kind !== "keyepoch") continue;
      rotated.add(record.keyId);
      const known = secrets.keys.find(
        ({ epoch, keyId, secret }) =>
          keyId === record.keyId &&
          epoch === record.epoch &&
          equalBytes(keyFingerprint(core.world.crypto, secret), record.fingerprint),
      );
      if (known !== undefined) handed.push(...(await handOn(room, known)));
    }
  for (const keyId of rotated)
    if (holdersOf(room, keyId).size > 0) handed.push(...(await rotationRecords(room, keyId)));
  const merge = { ...first, open: [...first.open, ...handed] };
  return late.open.length === 0 ? [merge] : [merge, late];
}

/** An epoch that was begun on one line, for holders of the key who are only known to the other. */
async function handOn(
  room: KeyRoom,
  key: ActingAdmin["secrets"]["keys"][number],
): Promise<readonly DirectoryRecord[]> {
  const epochs = room.directory.epochsByKey.get(key.keyId) ?? [];
  const fingerprint = keyFingerprint(room.world.crypto, key.secret);
  const has = epochs.find(
    (one) => one.epoch === key.epoch && equalBytes(one.fingerprint, fingerprint),
  )?.wraps;
  const users = new Set([...holdersOf(room, key.keyId)].filter((user) => has?.has(user) !== true));
  if (users.size === 0) return [];
  const name = room.keys.keyNames.find((one) => room.keyIdOf(one) === key.keyId) ?? "";
  return epochRecords(room, key, { users, name });
}

function inOrder(all: readonly OpenedCommit[], hashes: ReadonlySet<CommitHash>): readonly OpenedCommit[] {
  const byHash = new Map(all.map((opened) => [opened.commit.commitHash, opened]));
  return [...hashes].map((hash) => {
    const opened = byHash.get(hash);
    if (opened === undefined) throw new CofferError("entry/corrupt", { commitHash: hash });
    return opened;
  });
}

/**
 * What the other lines said and is still wanted; `late`: what needs a user whom the merge itself grants.
 *
 * @param commits of all lines since they parted, each behind what it follows
 */
export function wantedOf(
  directory: DirectoryState,
  commits: readonly OpenedCommit[],
): DirectoryRecords & { readonly late: DirectoryRecords } {
  const isOfLine = ({ commit }: OpenedCommit): boolean => directory.indexByCommit.has(commit.commitHash);
  const said = new Set(commits.filter(isOfLine).flatMap(({ records }) => records.flatMap(placesOf)));
  const beside = commits.filter((one) => !isOfLine(one)).flatMap(({ records }) => records);
  const newcomers = newcomersOf(directory, beside);
  const wanted = { open: new Array<DirectoryRecord>(), sealed: new Array<DirectoryRecord>() };
  const late = { open: new Array<DirectoryRecord>(), sealed: new Array<DirectoryRecord>() };
  for (const record of beside) {
    if ("userKey" in record) {
      const key = record.kind === "device" ? record.deviceKey : record.userKey;
      const owner = newcomers.get(key);
      if (owner === undefined) continue;
      const target = owner !== key && newcomers.has(owner) ? late : wanted;
      target[record.kind === "membercard" ? "sealed" : "open"].push(record);
      continue;
    }
    const left = unsaidOf(directory, record, said);
    if (left === undefined) continue;
    const isOpen = left.kind === "group" || left.kind === "role" || left.kind === "adopt";
    wanted[isOpen ? "open" : "sealed"].push(left);
  }
  return { ...wanted, late };
}

/** Who was granted first beside the line, with whose device it is: their own key for a user. All that was said of them is said again. */
function newcomersOf(
  directory: DirectoryState,
  beside: readonly DirectoryRecord[],
): ReadonlyMap<AuthorKey, AuthorKey> {
  const newcomers = new Map<AuthorKey, AuthorKey>();
  for (const record of beside) {
    if (record.kind === "grantaccess" && !directory.usersByKey.has(record.userKey))
      newcomers.set(record.userKey, record.userKey);
    if (record.kind === "device" && newcomers.has(record.deviceKey))
      newcomers.set(record.deviceKey, record.userKey);
  }
  return newcomers;
}

/** What of a record the line has not said otherwise; `undefined` where nothing is left, or nothing is to be said again. */
function unsaidOf(
  directory: DirectoryState,
  record: DirectoryRecord,
  said: ReadonlySet<string>,
): DirectoryRecord | undefined {
  switch (record.kind) {
    case "group": {
      const edits = record.edits.filter(({ member }) => !said.has(memberPlace(record.groupId, member)));
      return edits.length > 0 || !directory.groupsById.has(record.groupId) ? { ...record, edits } : undefined;
    }
    case "groupcard":
      return directory.groupsById.get(record.groupId)?.groupName === undefined ? record : undefined;
    case "tenantsettings": {
      const edits = record.edits.filter(({ name }) => !said.has(settingPlace(undefined, name)));
      return edits.length > 0 ? { ...record, edits } : undefined;
    }
    case "dbsettings": {
      const edits = record.edits.filter(({ name }) => !said.has(settingPlace(record.dbName, name)));
      return edits.length > 0 || !directory.settingsByDb.has(record.dbName)
        ? { ...record, edits }
        : undefined;
    }
    case "role": {
      const edits = record.edits.filter(({ subject }) => !said.has(rolePlace(record.dbId, subject)));
      return edits.length > 0 ? { ...record, edits } : undefined;
    }
    case "adopt": {
      const commitHashes = record.commitHashes.filter((hash) => !directory.adopted.has(hash));
      return commitHashes.length > 0 ? { ...record, commitHashes } : undefined;
    }
    default:
      return undefined;
  }
}

/** What a record says something of that a later one can say otherwise. */
function placesOf(record: DirectoryRecord): readonly string[] {
  switch (record.kind) {
    case "group":
      return record.edits.map(({ member }) => memberPlace(record.groupId, member));
    case "tenantsettings":
      return record.edits.map(({ name }) => settingPlace(undefined, name));
    case "dbsettings":
      return record.edits.map(({ name }) => settingPlace(record.dbName, name));
    case "role":
      return record.edits.map(({ subject }) => rolePlace(record.dbId, subject));
    default:
      return [];
  }
}

function settingPlace(dbName: string | undefined, name: string): string {
  return dbName === undefined ? `setting ${name}` : `setting of ${JSON.stringify(dbName)} ${name}`;
}

function memberPlace(groupId: string, member: MemberRef): string {
  return `member of ${groupId} ${member.kind === "user" ? member.userKey : member.groupId}`;
}
