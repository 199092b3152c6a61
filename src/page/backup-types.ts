/** Backup files, as the application asks for them and hears of them. */

/** How far a file has been taken in. */
export interface BackupProgress {
  readonly sizeBytes: number;
  readonly commitCount: number;
}

/** What a file held. */
export interface BackupReport {
  readonly tenantId: string;
  /** in the file */
  readonly commitCount: number;
  /** of them, new to this device */
  readonly newCount: number;
  /** of attachments, sealed, as far as they were in the file */
  readonly fileBytes: number;
}

/** What a file is to hold, and what it is sealed under. */
export interface BackupOptions {
  /** the file is sealed under it; at least as strong as a share password */
  readonly password: string;
  /** false: keys, names and members only: enough to sign in on a fresh device and fetch the rest from a server. Default true */
  readonly documents?: boolean;
  /** false: without the bytes of attachments, which other devices and servers have. Default true: as much of them as is on this device */
  readonly files?: boolean;
  /** go on with a file that was broken off: its first bytes, at least its header, and how many bytes of it are kept */
  readonly resume?: { readonly head: Uint8Array; readonly sizeBytes: number };
  readonly signal?: AbortSignal;
}
