import type { Crypto } from "../../src/crypto/index.ts";
import {
  createDirectory,
  foldCommit,
  foldLines,
  isMember,
  parseRecord,
  type DirectoryRecord,
  type DirectoryState,
  type OpenedCommit,
} from "../../src/directory/index.ts";
import {
  createContentKey,
  openEntries,
  parseCommit,
  type Commit,
  type ContentKey,
  type FindKey,
} from "../../src/entry/index.ts";
import { CofferError, equalBytes, type AuthorKey, type TenantId } from "../../src/std/index.ts";
import type { RelayStorage } from "./storage.ts";
import { readTenantRecord } from "./tenant-record.ts";

/** What the relay needs of crypto: the verifying half, and what opens access-control records. */
export type RelayCrypto = Pick<
  Crypto,
  | "sha256"
  | "hmacSha256"
  | "randomBytes"
  | "sign"
  | "verify"
  | "importDerivationKey"
  | "derive"
  | "importCipherKey"
  | "decrypt"
>;

/** A tenant's directory as of `size` commits of its log. */
export interface TenantDirectory {
  readonly state: DirectoryState;
  /** how many commits are folded: an append that was judged with this state names it */
  readonly size: number;
  /** of the directory's log when it was folded; another one, and it is folded anew */
  readonly epoch: number;
  /** finds the key of `$publicinfos`, and no other */
  readonly findKey: FindKey;
}

/** The directories of all tenants, folded from storage and kept for those that were used last. */
export interface Directories {
  /** The directory as it is stored now; `undefined` for an unknown tenant. */
  read(tenantId: TenantId): Promise<TenantDirectory | undefined>;
  /** The bytes of the commit at an index of a directory's line. */
  readCommit({ state }: TenantDirectory, index: number): Promise<Uint8Array | undefined>;
  /** All commits of a directory, opened as far as `$publicinfos` does. */
  readAll(directory: TenantDirectory): Promise<readonly OpenedCommit[]>;
}

const cachedDirectories = 1000;
const readBytes = 4 * 1024 * 1024;

interface DirectoryParts {
  readonly crypto: RelayCrypto;
  readonly storage: Pick<RelayStorage, "readCommits">;
}

/** The commits of a directory from a place in its log on, opened. */
async function* readFrom(
  { crypto, storage }: DirectoryParts,
  { findKey, state: { dbId, tenantId } }: TenantDirectory,
  fromSeq: number,
): AsyncGenerator<OpenedCommit, void> {
  for (let seq = fromSeq; ;) {
    const rows = await storage.readCommits(tenantId, dbId, {
      fromSeq: seq,
      maxCount: 256,
      maxBytes: readBytes,
    });
    for (const { bytes } of rows) {
      const verdict = bytes === undefined ? undefined : parseCommit(crypto, bytes);
      if (verdict?.kind !== "verified") throw damaged();
      yield { commit: verdict.commit, records: await openRecords(crypto, verdict.commit, findKey) };
    }
    seq += rows.length;
    if (rows.length === 0) return;
  }
}

async function readCommitAt(
  parts: DirectoryParts,
  directory: TenantDirectory,
  index: number,
): Promise<Uint8Array | undefined> {
  const { acts, besideByCommit, dbId, indexByCommit, tenantId } = directory.state;
  if (besideByCommit.size + acts.size === 0) {
    // Its log is its line.
    const range = { fromSeq: index, maxCount: 1, maxBytes: 1 };
    return (await parts.storage.readCommits(tenantId, dbId, range))[0]?.bytes;
  }
  for await (const { commit } of readFrom(parts, directory, 0))
    if (indexByCommit.get(commit.commitHash) === index) return commit.bytes;
  return undefined;
}

/** Create the directories over a storage. */
export function createDirectories(
  crypto: RelayCrypto,
  storage: Pick<RelayStorage, "readTenant" | "readLog" | "readCommits">,
): Directories {
  const known = new Map<TenantId, TenantDirectory>();

  async function open(tenantId: TenantId): Promise<TenantDirectory | undefined> {
    const record = await storage.readTenant(tenantId);
    if (record === undefined) return undefined;
    const { root, publicInfosKey } = readTenantRecord(crypto, record);
    const findKey = findOnly(await createContentKey(crypto, publicInfosKey));
    return { state: createDirectory(crypto, tenantId, root.adminKey), size: 0, epoch: 0, findKey };
  }

  async function readAll(directory: TenantDirectory): Promise<readonly OpenedCommit[]> {
    const all: OpenedCommit[] = [];
    for await (const opened of readFrom({ crypto, storage }, directory, 0)) all.push(opened);
    return all;
  }

  /** @returns `undefined` when the tenant was removed, or removed and published again */
  async function catchUp(directory: TenantDirectory): Promise<TenantDirectory | undefined> {
    const { tenantId, dbId } = directory.state;
    const log = await storage.readLog(tenantId, dbId);
    let { state, size } = directory;
    const isAnother = size > 0 && (log?.epoch !== directory.epoch || log.size < size);
    if (isAnother) return undefined;
    if (size < (log?.size ?? 0))
      for await (const { commit, records } of readFrom({ crypto, storage }, directory, size)) {
        const folded = foldCommit(state, commit, records);
        if (folded.kind !== "applied") {
          // Lines that were written apart, and a merge behind them.
          const all = await readAll(directory);
          state = foldLines(createDirectory(crypto, tenantId, state.adminKey), all);
          if (isTorn(state, all.length)) throw damaged();
          size = all.length;
          break;
        }
        state = folded.state;
        size++;
      }
    if (size < (log?.size ?? 0)) throw damaged();
    return { ...directory, state, size, epoch: log?.epoch ?? 0 };
  }

  return {
    async read(tenantId) {
      const before = known.get(tenantId);
      const current = before && (await catchUp(before));
      if (before !== undefined && current === undefined && known.get(tenantId) === before)
        known.delete(tenantId);
      const opened = current === undefined ? await open(tenantId) : undefined;
      const directory = current ?? (opened && (await catchUp(opened)));
      if (directory === undefined) return undefined;
      const newest = known.get(tenantId);
      // Another caller may have folded further meanwhile.
      if (newest === undefined || newest.epoch < directory.epoch || newest.size <= directory.size) {
        known.delete(tenantId);
        known.set(tenantId, directory);
      }
      const [oldest] = known.keys();
      if (known.size > cachedDirectories && oldest !== undefined) known.delete(oldest);
      return directory;
    },
    readAll,
    readCommit: (directory, index) => readCommitAt({ crypto, storage }, directory, index),
  };
}

/** Whether commits do not make one directory: one does not hang together with the others, or a line is not brought into the other. */
export function isTorn(state: DirectoryState, commitCount: number): boolean {
  const foundCount = state.indexByCommit.size + state.besideByCommit.size + state.acts.size;
  return state.otherHeads.length > 0 || foundCount !== commitCount;
}

function damaged(): CofferError {
  return new CofferError("entry/corrupt", { message: "A stored directory is damaged." });
}

/** Find one key by its whole name. */
export function findOnly(key: ContentKey): FindKey {
  return (name) =>
    name.keyId === key.keyId && name.epoch === key.epoch && equalBytes(name.fingerprint, key.fingerprint)
      ? key
      : undefined;
}

/** Open what the relay's one key opens of a directory commit: grants and revocations. Member cards stay sealed. */
export async function openRecords(
  crypto: RelayCrypto,
  commit: Commit,
  findKey: FindKey,
): Promise<readonly DirectoryRecord[]> {
  const opened = await openEntries(crypto, commit, findKey);
  return opened.flatMap((verdict) =>
    verdict.kind === "opened" ? (parseRecord(verdict.plaintext) ?? []) : [],
  );
}

/**
 * Whether a user may hold a session now. The admin's key is no member and moves commits like one, and so does a device that was linked: its
 * own word is still to come.
 */
export function standingOf(state: DirectoryState, userKey: AuthorKey): "member" | "revoked" | "unknown" {
  const isClaimed = state.claimedKeys.has(userKey);
  if (userKey === state.adminKey || isClaimed || isMember(state, userKey)) return "member";
  return state.usersByKey.has(userKey) ? "revoked" : "unknown";
}
