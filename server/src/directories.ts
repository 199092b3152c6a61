import type { Crypto } from "../../src/crypto/index.ts";
import {
  createDirectory,
  foldCommit,
  isMember,
  parseRecord,
  type DirectoryRecord,
  type DirectoryState,
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
}

const cachedDirectories = 1000;
const readBytes = 4 * 1024 * 1024;

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

  /** @returns `undefined` when the tenant was removed, or removed and published again */
  async function catchUp(directory: TenantDirectory): Promise<TenantDirectory | undefined> {
    const { tenantId, dbId } = directory.state;
    const log = await storage.readLog(tenantId, dbId);
    let { state, size } = directory;
    const isAnother = size > 0 && (log?.epoch !== directory.epoch || log.size < size);
    if (isAnother) return undefined;
    while (size < (log?.size ?? 0)) {
      const rows = await storage.readCommits(tenantId, dbId, {
        fromSeq: size,
        maxCount: 256,
        maxBytes: readBytes,
      });
      for (const { bytes } of rows) {
        const verdict = bytes === undefined ? undefined : parseCommit(crypto, bytes);
        if (verdict?.kind !== "verified") throw damaged();
        const folded = foldCommit(
          state,
          verdict.commit,
          await openRecords(crypto, verdict.commit, directory.findKey),
        );
        if (folded.kind !== "applied") throw damaged();
        state = folded.state;
        size++;
      }
      if (rows.length === 0) throw damaged();
    }
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
    async readCommit({ state: { dbId, tenantId } }, index) {
      // Its log is its line.
      const range = { fromSeq: index, maxCount: 1, maxBytes: 1 };
      return (await storage.readCommits(tenantId, dbId, range))[0]?.bytes;
    },
  };
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

/** Whether a user may hold a session now. The admin's key is no member and moves commits like one. */
export function standingOf(state: DirectoryState, userKey: AuthorKey): "member" | "revoked" | "unknown" {
  if (userKey === state.adminKey || isMember(state, userKey)) return "member";
  return state.usersByKey.has(userKey) ? "revoked" : "unknown";
}
