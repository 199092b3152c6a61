/** Files between the devices of a tenant, as the application asks for them and hears of them. */
import type { BackupProgress } from "./backup-types.ts";

/** What a bundle is to hold. */
export interface BundleOptions {
  /** what the device that it is for has: the summary that it gave; without one the bundle holds everything */
  readonly since?: Uint8Array | Blob;
  /**
   * contents of files: all that are here, none, or at most so many bytes of them, the newest first; default: 64 MiB. What the other device
   * has whole, by its summary, is left out
   */
  readonly files?: boolean | number;
  readonly signal?: AbortSignal;
}

/** What of files a bundle holds, in bytes as they are sealed. */
export interface BundleSize {
  readonly fileBytes: number;
  /** that are here, and would not fit */
  readonly leftOutBytes: number;
}

/** How a bundle is taken in. */
export interface BundleImportOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BackupProgress) => void;
}

/** What taking a bundle in came to. */
export interface BundleReport {
  /** that were in the file and genuine */
  readonly commitCount: number;
  /** of these: that were not here, or not with as much */
  readonly newCount: number;
  /** that were not genuine: forged, damaged, or of another tenant or database than they were filed under */
  readonly refusedCount: number;
  /** the first 100 of them; without a hash it was no commit at all */
  readonly refused: readonly { readonly commitHash: string | undefined }[];
  /** of contents of files that were not here, as they are sealed */
  readonly newFileBytes: number;
}

/** What devices of one tenant bring each other as files, with no server and no connection. */
export interface Bundles {
  /** What this device has, in a few bytes, for another device to leave it out of a bundle. */
  summarize(): Promise<Uint8Array>;
  /** A file of what another device lacks, as a stream of bytes: a piece is made when its reader wants it. */
  exportBundle(options?: BundleOptions): ReadableStream<Uint8Array>;
  /** Say how many bytes of files that would be. */
  measureBundle(options?: BundleOptions): Promise<BundleSize>;
  /**
   * Take in a bundle of this tenant. Each commit is verified; what is not genuine is told in the report, and the rest is taken. What was
   * taken in before it broke off stays, and taking the file in again goes on.
   *
   * @throws input/unknown-id for a bundle of another tenant, entry/corrupt for one that is cut or whose files are damaged,
   *   protocol/malformed, protocol/version
   */
  importBundle(file: Blob | ReadableStream<Uint8Array>, options?: BundleImportOptions): Promise<BundleReport>;
}
