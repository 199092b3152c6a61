/** Backup files on the page: bytes from the worker into a stream, and from a stream into the worker. */
import { handOn, iterateExport, takeIn, type RunningExport } from "./byte-streams.ts";
import type { Session } from "./session.ts";
import type { BackupOptions, BackupReport, Coffer } from "./types.ts";

type BackupSource = { readonly id: string; readonly session: Session };

/** Hand a stream the next piece of a backup; without one it was given up. */
export async function readBackup(
  { id: tenantId, session }: BackupSource,
  backup: RunningExport<BackupOptions>,
  stream?: ReadableStreamDefaultController<Uint8Array>,
): Promise<void> {
  await handOn(backup, stream, ({ password, documents = true, files = true, resume, signal }) => {
    const from = resume && { header: resume.head, sizeBytes: resume.sizeBytes };
    return iterateExport(session, signal, async () =>
      session.call((api) => api.openExport(tenantId, { password, documents, files, resume: from })),
    );
  });
}

/** Take in a backup file, piece by piece. What was taken in before it broke off stays. */
export async function importBackup(
  session: Session,
  file: Parameters<Coffer["importBackup"]>[0],
  { password, signal, onProgress }: Parameters<Coffer["importBackup"]>[1],
): Promise<BackupReport> {
  return takeIn(session, file, {
    open: async () => session.call((api) => api.openImport(password)),
    finish: async (id) => session.call((api) => api.finishImport(id), "stores"),
    signal,
    onProgress,
  });
}
