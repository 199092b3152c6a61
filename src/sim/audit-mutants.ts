/** Broken products whose audit proves nothing. */
import type { SourceMutant } from "./security-mutants.ts";

const auditTest = "src/tenant/audit-attack.test.ts";

/** Audit: what a report proves, and what is told of the log. */
export const auditing: readonly SourceMutant[] = [
  {
    name: "a report is signed by nobody",
    file: "src/audit/verify.ts",
    from: 'return refused("signature");',
    to: "void signed;",
    killedBy: { file: auditTest, test: "is refused with any bit of it changed" },
  },
  {
    name: "a report is of any tenant",
    file: "src/audit/verify.ts",
    from: 'return refused("foreign");',
    to: "void head;",
    killedBy: { file: auditTest, test: "of another tenant is foreign" },
  },
  {
    name: "anybody makes a report",
    file: "src/audit/verify.ts",
    from: 'if (!isMember(directory, head.exporter)) return refused("exporter");',
    to: "",
    killedBy: { file: auditTest, test: "not as a stranger or one who was revoked" },
  },
  {
    name: "records of the directory may be hidden",
    file: "src/audit/verify.ts",
    from: 'if (openKeyId === undefined || isHidden) return refused("directory", at);',
    to: 'if (openKeyId === undefined || (isHidden && keys.size > 99)) return refused("directory", at);',
    killedBy: { file: auditTest, test: "cannot hide, reorder or make up records of the directory" },
  },
  {
    name: "a report says of a commit what it likes",
    file: "src/audit/verify.ts",
    from: 'if (at !== undefined) return refused("verdict", report.line.length + at);',
    to: "",
    killedBy: { file: auditTest, test: "cannot claim what the directory contradicts" },
  },
  {
    name: "a role is not asked for in a report",
    file: "src/audit/verify.ts",
    from: 'return !isAllowed && claim.refused === "";',
    to: "return !isAllowed && claim.refused.length > 64;",
    killedBy: { file: auditTest, test: "cannot claim what the directory contradicts" },
  },
  {
    name: "what is left out of a report is not told",
    file: "src/audit/verify.ts",
    from: 'if (past.includes(undefined)) return [gap("predecessor")];',
    to: "if (past.includes(undefined)) return [];",
    killedBy: { file: auditTest, test: "who leaves out a commit shows a gap" },
  },
  {
    name: "commits of a report may be of another tenant",
    file: "src/audit/verify.ts",
    from: 'if (verdict.kind === "forged" || verdict.commit.header.tenantId !== tenantId)',
    to: 'if (verdict.kind === "forged" || tenantId === "")',
    killedBy: { file: auditTest, test: "or show one of another tenant" },
  },
  {
    name: "a report hands out the keys of contents",
    file: "src/tenant/audit.ts",
    from: "if (keyId !== openKeyId && !names) continue;",
    to: "",
    killedBy: { file: auditTest, test: "is checked without any key of the tenant" },
  },
  {
    name: "a step of the audit is not verified",
    file: "src/tenant/audit.ts",
    from: "await verifyCommit(core.world.crypto, record.bytes, commitHash);",
    to: "parseCommit(core.world.crypto, record.bytes, commitHash);",
    killedBy: { file: auditTest, test: "says where the log is damaged" },
  },
  {
    name: "a report may count what forgets the directory",
    file: "src/audit/verify.ts",
    from: 'return forgetsHead(directory, header, before) ? "older-head" : "";',
    to: 'return before.length > 99 ? "older-head" : "";',
    killedBy: { file: auditTest, test: "tells the truth of what was adopted, of older heads" },
  },
];
