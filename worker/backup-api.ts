/** What page and worker say to each other about backup files, about bundles, and about the storage. */
import type { BackupReport, BundleReport, BundleSize } from "../src/page/types.ts";

/** The calls about bundles. Their bytes go the way of a backup's: `readExport`, `writeImport`, `abortBackup`. */
export interface BundleCalls {
  /** What this device has, in a few bytes. */
  summarize(tenantId: string): Promise<Uint8Array>;
  /** Begin a bundle of what a device lacks that gave this summary; without one of everything; of contents of files at most so many bytes. */
  openBundleExport(tenantId: string, summary: Uint8Array | undefined, maxFileBytes: number): Promise<number>;
  /** Say how many bytes of files that would be. */
  measureBundle(tenantId: string, summary: Uint8Array | undefined, maxFileBytes: number): Promise<BundleSize>;
  /** Begin to take a bundle in. Given up, it keeps what came whole. */
  openBundleImport(tenantId: string): Promise<number>;
  /** End of the file. @throws `entry/corrupt` when something of it is missing or files are damaged; what came whole is kept */
  finishBundleImport(importId: number): Promise<BundleReport>;
}

/** The calls about backups, and about the storage. */
export interface BackupCalls extends BundleCalls {
  /**
   * Begin a backup file; its bytes are read piece by piece, `undefined` at its end. `resume`: the header of an export that
   * was broken off, and how many bytes of it are kept.
   */
  openExport(
    tenantId: string,
    options: {
      readonly password: string;
      readonly documents: boolean;
      /** with the bytes of attachments, if `documents`; default true */
      readonly files?: boolean;
      readonly resume: { readonly header: Uint8Array; readonly sizeBytes: number } | undefined;
    },
  ): Promise<number>;
  readExport(exportId: number): Promise<Uint8Array | undefined>;
  /**
   * Begin to take a backup file in. What was taken in before it broke off is known and not stored twice. `input/used`: this
   * device holds the tenant for another user.
   */
  openImport(password: string): Promise<number>;
  writeImport(importId: number, bytes: Uint8Array): Promise<{ readonly commitCount: number }>;
  /** End of the file: verified as a whole. @throws `entry/corrupt` when something of it is missing */
  finishImport(importId: number): Promise<BackupReport>;
  /** Give up an export or import; what was stored stays. */
  abortBackup(id: number): Promise<void>;
  /** Measure the storage now: an event tells. */
  measureStorage(): Promise<void>;
}
