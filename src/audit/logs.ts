/**
 * What servers signed of their logs, held against the commits of a report: whether these are the leaves under a head, in which order, and
 * what of either is not with the other.
 */
import {
  bytesToBase64url,
  equalBytes,
  idToBytes,
  type CommitHash,
  type DbId,
  type TenantId,
} from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import { appendLeaves, emptyFrontier, rootOf, verifyHead, type Frontier } from "../sync/index.ts";
import type { ReportLog, ReportServer } from "./report.ts";

/** A head of a server, and how the report's commits stand to it. Hashes and keys are base64url texts. */
export interface AuditedLog {
  /** of the server, as the exporter's device calls it */
  readonly address: string;
  /** what signed the head: hold it against the key that the server shows at `/sync/capabilities` */
  readonly serverKey: string;
  readonly databaseId: string;
  /** which log of the database it is: a server that lost one begins a later epoch */
  readonly epoch: number;
  /** of so many commits */
  readonly size: number;
  readonly root: string;
  /** by the server's clock */
  readonly signedAtMs: number;
  /** the commits under the head are shown, and their root is the signed one; false: the server could not be asked for their order */
  readonly isProven: boolean;
  /** commits under the head that the report does not have; none is known where nothing is proven */
  readonly missing: readonly string[];
  /** commits of this database in the report that are not under the head, likewise: written since, or never sent there */
  readonly beyond: readonly string[];
}

/** A commit of a report, by its place in it. */
export interface PlacedCommit {
  readonly commitHash: CommitHash;
  readonly dbId: DbId;
}

/** commits that become a root at a time, which takes no more memory than their number needs */
const leavesAtOnce = 4096;

/** Verify what a report says of servers; `undefined` when some of it is not so. */
export async function verifyLogs(
  crypto: Pick<Crypto, "sha256" | "verify">,
  tenantId: TenantId,
  servers: readonly ReportServer[],
  commits: readonly PlacedCommit[],
): Promise<readonly AuditedLog[] | undefined> {
  const audited: AuditedLog[] = [];
  if (!isAscending(servers.map(({ address }) => address))) return undefined;
  // Sorted once: a report may show many heads, and many commits.
  const hashesByDb = new Map<DbId, CommitHash[]>();
  for (const { commitHash, dbId } of commits) {
    const hashes = hashesByDb.get(dbId) ?? [];
    hashes.push(commitHash);
    hashesByDb.set(dbId, hashes);
  }
  for (const { address, key, logs } of servers) {
    if (!isAscending(logs.map(({ head }) => head.dbId))) return undefined;
    for (const log of logs) {
      const { dbId, epoch, root, size, timeMs } = log.head;
      if (!(await verifyHead(crypto, idToBytes(key), tenantId, log.head))) return undefined;
      const found = compare(crypto, log, commits, hashesByDb.get(dbId) ?? []);
      if (found === undefined) return undefined;
      const told = { address, serverKey: key, databaseId: dbId, epoch, size, root: bytesToBase64url(root) };
      audited.push({ ...told, signedAtMs: timeMs, isProven: log.leaves !== undefined, ...found });
    }
  }
  return audited;
}

function isAscending(texts: readonly string[]): boolean {
  return texts.every((text, index) => index === 0 || (texts[index - 1] ?? "") < text);
}

/** How the leaves under a head and the commits of its database stand to each other; `undefined` when they are not the leaves. */
function compare(
  crypto: Pick<Crypto, "sha256">,
  { head, leaves }: ReportLog,
  commits: readonly PlacedCommit[],
  ofDatabase: readonly CommitHash[],
): Pick<AuditedLog, "missing" | "beyond"> | undefined {
  if (leaves === undefined) return { missing: [], beyond: [] };
  const own = new Set(ofDatabase);
  const left = new Set(own);
  const missing: CommitHash[] = [];
  let frontier: Frontier = emptyFrontier;
  for (let from = 0; from < leaves.length; from += leavesAtOnce) {
    const hashes: CommitHash[] = [];
    for (const leaf of leaves.slice(from, from + leavesAtOnce)) {
      const commitHash = typeof leaf === "number" ? commits[leaf]?.commitHash : leaf;
      // One that is in the report is told by its place, and is of this log's database.
      if (commitHash === undefined || own.has(commitHash) !== (typeof leaf === "number")) return undefined;
      hashes.push(commitHash);
      left.delete(commitHash);
      if (typeof leaf !== "number") missing.push(leaf);
    }
    frontier = appendLeaves(crypto, frontier, hashes);
  }
  return equalBytes(rootOf(crypto, frontier), head.root) ? { missing, beyond: [...left] } : undefined;
}
