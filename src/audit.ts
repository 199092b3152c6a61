/**
 * Audit reports on their own, as `cofferdb/audit`: verifying one, in a browser or in Node. It holds no state and needs no key: what it
 * needs to know is the id of the tenant that the report must be of.
 */
import { createWebOpener } from "./crypto/index.ts";
import { auditLimits, verifyReport, type AuditVerdict } from "./audit/index.ts";

export type {
  AuditDeed,
  AuditedCommit,
  AuditedLog,
  AuditedMember,
  AuditGap,
  AuditVerdict,
} from "./audit/index.ts";

/**
 * Verify a report that `tenant.exportAudit` made. Never throws for what the report holds.
 *
 * @param options `tenantId`: of which tenant it must be. Without it a report proves that it is sound, and not whose it is.
 */
export async function verifyAuditReport(
  report: Uint8Array | Blob,
  { tenantId }: { readonly tenantId?: string } = {},
): Promise<AuditVerdict> {
  const sizeBytes = report instanceof Uint8Array ? report.length : report.size;
  if (sizeBytes > auditLimits.reportBytes) return { kind: "refused", reason: "limit", at: undefined };
  // A copy: nobody changes it while it is verified.
  const bytes = report instanceof Uint8Array ? report.slice() : new Uint8Array(await report.arrayBuffer());
  return verifyReport(createWebOpener(), bytes, tenantId);
}
