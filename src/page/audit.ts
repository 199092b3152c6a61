/** What a tenant tells of its past. */
import { CofferError } from "../std/index.ts";
import { throwIfAborted, unlessAborted } from "./abort.ts";
import type { AuditOptions, AuditReportOptions, AuditStep } from "./audit-types.ts";
import { inBackground, runCallers, type Session } from "./session.ts";

type OpenTenant = { readonly id: string; readonly session: Session };

/** Every commit, page by page. */
export async function* audit(
  { id, session }: OpenTenant,
  { database, from, signal, to, user }: AuditOptions = {},
): AsyncGenerator<AuditStep, void> {
  const query = { database, user, fromMs: timeOf(from), toMs: timeOf(to) };
  for (let cursor = 0, isDone = false; !isDone;) {
    throwIfAborted(signal);
    const start = cursor;
    const page = await unlessAborted(
      signal,
      session.call((api) => api.audit(id, start, query)),
    );
    for (const step of page.steps) {
      throwIfAborted(signal);
      yield step;
    }
    ({ cursor, isDone } = page);
  }
}

/** A report of all commits as a file. */
export async function exportAudit(
  { id, session }: OpenTenant,
  { names = false, onProgress, signal }: AuditReportOptions = {},
): Promise<Blob> {
  throwIfAborted(signal);
  const opening = session.call((api) => api.openAuditReport(id, names));
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let sizeBytes = 0;
  try {
    const exportId = await unlessAborted(signal, opening);
    for (;;) {
      throwIfAborted(signal);
      const piece = await unlessAborted(
        signal,
        session.call((api) => api.readExport(exportId)),
      );
      if (piece === undefined) return new Blob(pieces, { type: "application/octet-stream" });
      pieces.push(new Uint8Array(piece));
      sizeBytes += piece.length;
      const progress = { sizeBytes };
      if (onProgress !== undefined) runCallers(() => onProgress(progress));
    }
  } catch (error) {
    inBackground(opening.then(async (exportId) => session.call((api) => api.abortBackup(exportId))));
    throw error;
  }
}

/** @throws input/invalid for what is no time */
function timeOf(at: Date | number | undefined): number | undefined {
  if (at === undefined) return undefined;
  const atMs = Number(at);
  if (Number.isNaN(atMs)) throw new CofferError("input/invalid", { message: "This is no time." });
  return atMs;
}
