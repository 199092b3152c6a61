/** Reports for tests that attack them: exported by a device, taken apart, and signed anew by whoever lies. */
import { inAuditOrder } from "../src/audit/index.ts";
import { parseReport, ReportWriter, type ReportCommit, type ReportParts } from "../src/audit/report.ts";
import { parseCommit, type Commit } from "../src/entry/index.ts";
import { concatBytes, type CommitHash, type DbId } from "../src/std/index.ts";
import type { Author, Replica } from "./attack-fixtures.ts";
import { crypto } from "./device-fixtures.ts";

/** Have a device export a report. */
export async function reportOf(
  { device, tenantId }: Replica,
  names = false,
): Promise<Uint8Array<ArrayBuffer>> {
  const id = await device.api.openAuditReport(tenantId, names);
  const pieces: Uint8Array[] = [];
  for (;;) {
    const piece = await device.api.readExport(id);
    if (piece === undefined) return concatBytes(...pieces);
    pieces.push(piece);
  }
}

/** The parts of a report. */
export function parsedReport(report: Uint8Array): ReportParts {
  const parts = parseReport(crypto, report);
  if (typeof parts === "string") throw new Error(parts);
  return parts;
}

/** Write a report of other parts and sign it as a member. */
export async function signedReport(
  parts: Omit<ReportParts, "signed" | "signature">,
  by: Author,
): Promise<Uint8Array<ArrayBuffer>> {
  const writer = new ReportWriter(crypto);
  const bytes = [
    writer.head({ ...parts.head, exporter: by.author }),
    writer.count(parts.line.length),
    ...parts.line.map((line) => writer.line(line)),
    writer.count(parts.commits.length),
    ...parts.commits.map((commit) => writer.commit(commit)),
    writer.count(parts.servers.length),
    ...parts.servers.flatMap((server) => [
      writer.server(server),
      ...server.logs.map((log) => writer.log(log)),
    ]),
  ];
  return concatBytes(...bytes, await crypto.sign(by.identity.signing.privateKey, writer.signed));
}

/** The commit of an item of a report. */
export function commitOf({ bytes }: Pick<ReportCommit, "bytes">): Commit {
  const verdict = parseCommit(crypto, bytes);
  if (verdict.kind !== "verified") throw new Error(verdict.reason);
  return verdict.commit;
}

/** Bring the commits of a report into its order. */
export function inOrder(commits: readonly ReportCommit[]): readonly ReportCommit[] {
  const rows = commits.map((commit) => {
    const { commitHash, header } = commitOf(commit);
    const { dbId, predecessors }: { dbId: DbId; predecessors: readonly CommitHash[] } = header;
    return { commit, commitHash, dbId, predecessors };
  });
  return inAuditOrder(rows).map(({ commit }) => commit);
}
