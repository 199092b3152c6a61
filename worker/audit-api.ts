/** The part of the contract that is about who did what when. */
import type { AuditStep } from "../src/page/types.ts";

/** What of the commits is asked for: a database by its name, a user by their key, times by the authors' clocks. */
export interface AuditMessage {
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
  readonly database: string | undefined;
  readonly user: string | undefined;
}

/** The calls about audit. */
export interface AuditCalls {
  /** The next commits from number `cursor` on, at most 64; there may be none on a page although more come. */
  audit(
    tenantId: string,
    cursor: number,
    query: AuditMessage,
  ): Promise<{ readonly steps: readonly AuditStep[]; readonly cursor: number; readonly isDone: boolean }>;
  /** Begin a report; its bytes are read by `readExport`, and `abortBackup` gives it up. */
  openAuditReport(tenantId: string, names: boolean): Promise<number>;
}
