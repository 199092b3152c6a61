import { parseCommit, type Commit } from "../../src/entry/index.ts";
import type { AuthorKey, CommitHash, DbId, TenantId } from "../../src/std/index.ts";
import type { RelayCrypto } from "./directories.ts";
import type { RelayStorage } from "./storage.ts";

/** A commit's place in its author's graph. */
export type AuthorCommit = readonly [commitHash: CommitHash, predecessors: readonly CommitHash[]];

/** What one author wrote into one database, as far as it is stored. Only the cut of a revoked author asks. */
export interface AuthorCommits {
  read(tenantId: TenantId, dbId: DbId, author: AuthorKey): Promise<readonly AuthorCommit[]>;
}

interface Scan {
  readonly found: AuthorCommit[];
  /** rows before this one are scanned */
  nextSeq: number;
}

const cachedScans = 256;
const pageRows = 1024;
const pageBytes = 4 * 1024 * 1024;

/** Create the reader. A log is scanned once for an author, and later only at its end. */
export function createAuthorCommits(
  crypto: Pick<RelayCrypto, "sha256">,
  storage: Pick<RelayStorage, "readCommits" | "readLog">,
): AuthorCommits {
  const scans = new Map<string, Scan>();

  function note(scan: Scan, author: AuthorKey, { commitHash, header }: Commit): void {
    if (header.author === author) scan.found.push([commitHash, header.predecessors]);
  }

  return {
    async read(tenantId, dbId, author) {
      const log = await storage.readLog(tenantId, dbId);
      // A tenant that was removed may come again, with newer epochs.
      const name = `${tenantId}/${dbId}/${log?.epoch}/${author}`;
      const scan = scans.get(name) ?? { found: [], nextSeq: 0 };
      for (;;) {
        const fromSeq = scan.nextSeq;
        const rows = await storage.readCommits(tenantId, dbId, {
          fromSeq,
          maxCount: pageRows,
          maxBytes: pageBytes,
        });
        // Someone else may have scanned these rows during the read.
        const fresh = rows.slice(scan.nextSeq - fromSeq);
        scan.nextSeq += fresh.length;
        for (const { bytes } of fresh) {
          const verdict = bytes && parseCommit(crypto, bytes);
          if (verdict?.kind === "verified") note(scan, author, verdict.commit);
        }
        if (rows.length === 0) break;
      }
      scans.delete(name);
      scans.set(name, scan);
      const [oldest] = scans.keys();
      if (scans.size > cachedScans && oldest !== undefined) scans.delete(oldest);
      return scan.found;
    },
  };
}
