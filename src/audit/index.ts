/**
 * audit: reports of who did what when, which another party can check with the public keys alone.
 *
 * Guarantees
 * - a report holds no content and no key of a document; of the directory it shows what says who may do what, and names where they are wanted
 * - what was changed in a report, left out of it or put into it is found, see verify.ts
 * - where a server signed a log and could be asked for its order, the commits are the leaves under its head, see logs.ts
 * - the same commits are written in the same order by everybody
 * - reading a report never throws, whatever the bytes
 *
 * It reads no store and decides no right: the directory does, and the keys of members prove the rest.
 */
export { deedOf, type AuditDeed } from "./deeds.ts";
export { inAuditOrder } from "./order.ts";
export type { AuditedLog } from "./logs.ts";
export { auditLimits, ReportWriter, type AuditClaim, type ReportLog, type ReportServer } from "./report.ts";
export type { AuditedCommit, AuditedMember, AuditGap, AuditVerdict } from "./verdict.ts";
export { verifyReport } from "./verify.ts";
