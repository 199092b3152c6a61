/**
 * audit: reports of who did what when, which another party can check with the public keys alone.
 *
 * Guarantees
 * - a report holds no content and no key of a document; of the directory it shows what says who may do what, and names where they are wanted
 * - what was changed in a report, left out of it or put into it is found, see verify.ts
 * - the same commits are written in the same order by everybody
 * - reading a report never throws, whatever the bytes
 *
 * It reads no store and decides no right: the directory does, and the keys of members prove the rest.
 */
export { deedOf, type AuditDeed } from "./deeds.ts";
export { inAuditOrder } from "./order.ts";
export { auditLimits, ReportWriter, type AuditClaim } from "./report.ts";
export {
  verifyReport,
  type AuditedCommit,
  type AuditedMember,
  type AuditGap,
  type AuditVerdict,
} from "./verify.ts";
