import type { AuthorKey } from "../../src/std/index.ts";
import type { NewCommit, TenantUsage, Usage } from "./storage.ts";

/** How much may be stored; beyond it a push is `store/quota`, and pulling goes on. */
export interface Quotas {
  /** bytes of the commits of one tenant */
  readonly tenantBytes: number;
  readonly tenantCommits: number;
  /** bytes of the commits that one user of a tenant signed */
  readonly userBytes: number;
  readonly userCommits: number;
}

/** A full tenant must still be able to revoke somebody: its directory has as much more. */
export const directoryReserve: Usage = { commitCount: 4096, sizeBytes: 16 * 1024 * 1024 };

/** The quotas of a tenant's directory, which only its admin writes. */
export function directoryQuotas(quotas: Quotas): Quotas {
  return {
    tenantBytes: quotas.tenantBytes + directoryReserve.sizeBytes,
    tenantCommits: quotas.tenantCommits + directoryReserve.commitCount,
    userBytes: Infinity,
    userCommits: Infinity,
  };
}

/** Whether it matters who wrote how much. */
export function hasUserQuota({ userBytes, userCommits }: Quotas): boolean {
  return userBytes !== Infinity || userCommits !== Infinity;
}

/**
 * Decide who has room for what he wrote, as if all of it were new: a repeated push of a full tenant is refused, although it
 * would add nothing, since it cannot be told apart without reading. What other requests add at the same moment is not seen.
 *
 * @returns the authors whose commits do not fit; everyone, when the tenant has no room for all of them
 */
export function authorsWithoutRoom(
  quotas: Quotas,
  usage: TenantUsage,
  commits: readonly Pick<NewCommit, "author" | "bytes">[],
): ReadonlySet<AuthorKey> {
  const authors = new Set(commits.map(({ author }) => author));
  const { commitCount, sizeBytes } = sumOf(commits);
  const isFull =
    usage.sizeBytes + sizeBytes > quotas.tenantBytes ||
    usage.commitCount + commitCount > quotas.tenantCommits;
  if (isFull) return authors;
  const full = [...authors].filter((author) => {
    const has = usage.byAuthor.get(author) ?? { commitCount: 0, sizeBytes: 0 };
    const adds = sumOf(commits.filter((commit) => commit.author === author));
    return (
      has.sizeBytes + adds.sizeBytes > quotas.userBytes ||
      has.commitCount + adds.commitCount > quotas.userCommits
    );
  });
  return new Set(full);
}

function sumOf(commits: readonly Pick<NewCommit, "bytes">[]): Usage {
  return {
    commitCount: commits.length,
    sizeBytes: commits.reduce((sum, { bytes }) => sum + bytes.length, 0),
  };
}
