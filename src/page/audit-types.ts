/** Audit as an application sees it: who did what when, and reports that another party can check. */
import type { AuditDeed } from "../audit/index.ts";

export type { AuditDeed } from "../audit/index.ts";

/** One commit of the log: who wrote what, and what became of it. */
export interface AuditStep {
  readonly commitHash: string;
  /** key of the user, or of the admin */
  readonly author: string;
  /** by the author's clock */
  readonly atMs: number;
  readonly databaseId: string;
  /** where settings or roles name it */
  readonly database: string | undefined;
  readonly verdict: "accepted" | "waiting" | "quarantined";
  /** why it is not accepted, one of a closed list of words; "" where it is */
  readonly reason: string;
  /** why some of its entries were refused; "" where none was */
  readonly refused: string;
  /** hashes, signature and author of the stored commit hold; false: the log is damaged here */
  readonly verified: boolean;
  /** `gap`: something that it follows is not here; `fork`: its author, or the admin, wrote two things in one place */
  readonly chain: "whole" | "gap" | "fork";
  /** one for each entry; nothing where the commit cannot be read */
  readonly deeds: readonly AuditDeed[];
}

/** What of the commits is asked for. */
export interface AuditOptions {
  /** from then on, by the authors' clocks */
  readonly from?: Date | number;
  /** before then */
  readonly to?: Date | number;
  /** a database by its name */
  readonly database?: string;
  /** a user by their key */
  readonly user?: string;
  readonly signal?: AbortSignal;
}

/** What a report shows, and how it is made. */
export interface AuditReportOptions {
  /** show the names of users and groups, and settings, to whoever reads it; default false */
  readonly names?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly sizeBytes: number }) => void;
}

/** What a tenant tells of its past. */
export interface Audit {
  /**
   * Every commit that this device holds, in the order in which it judged them; each is verified anew as it is told.
   *
   * @throws input/invalid for what is no time or no user, access/locked
   */
  audit(options?: AuditOptions): AsyncIterable<AuditStep>;
  /**
   * A report of all commits without contents, signed by this user, that anybody can check with `verifyAuditReport` of `cofferdb/audit`
   * and the tenant's id. It shows what servers see: keys, ids, times, who may do what.
   */
  exportAudit(options?: AuditReportOptions): Promise<Blob>;
}
