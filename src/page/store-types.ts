/** The entries of a database, as stores of the specification give them. What an entry is here is said in src/sync/entry-store.ts. */
import type { PeerConnection } from "./peer-types.ts";
import type { ServerLink } from "./types.ts";

/** What the header of an entry says. Nothing of it is content: that is sealed, whoever asks. */
export interface StoreEntryMetadata {
  /** `<docId>_d_<fingerprint of dependencies>_<hash>` */
  readonly id: string;
  readonly entryType: string;
  readonly docId: string;
  /** hashes of the entries it stands on: what their ids end with */
  readonly dependencies: readonly string[];
  /** SHA-256 of the ciphertext, base64url */
  readonly contentHash: string;
  readonly encryptedSize: number;
  /** as its author says, for display only; milliseconds since 1970 */
  readonly createdAt: number;
  /** Ed25519, base64url */
  readonly createdByPublicKey: string;
  readonly decryptionKeyId: string;
  /** the commit that it is in: 1 to 256 entries under one signature */
  readonly commitHash: string;
}

/** An entry with what it seals, and its proof. */
export interface StoreEntry extends StoreEntryMetadata {
  /** `undefined` where it is kept apart (parts of files), or was erased */
  readonly encryptedData: Uint8Array | undefined;
  /** the whole commit, as it was signed */
  readonly commit: Uint8Array;
}

/** Some entries in the order of a log, and where to go on. */
export interface EntryPage {
  readonly entries: readonly StoreEntryMetadata[];
  readonly nextCursor: string;
  readonly hasMore: boolean;
}

/**
 * Which ids may be in a store. Advisory only: about one of a hundred others is in it all the same, and who gave it may lie, so `hasEntries` has
 * the last word. The salt is new for each; how bits follow from ids is in docs/protocol.md.
 */
export interface BloomSummary {
  readonly salt: Uint8Array;
  readonly entryCount: number;
  readonly hashCount: number;
  readonly bits: Uint8Array;
}

/** How much a store holds. A log has one record for each commit as it is: nothing is compacted. */
export interface CompactionStatus {
  readonly enabled: false;
  readonly totalCompactions: 0;
  readonly entryCount: number;
  readonly commitCount: number;
  readonly sizeBytes: number;
}

/**
 * What can be asked of the log of a database, wherever it is. Entries of a remote are verified before they are told.
 *
 * @throws input/too-large over a limit, and for anything but scanning in a log of more than 200,000 entries; input/invalid
 */
export interface EntryReader {
  /** The log of the tenant's directory, which says who may write: it is brought first, since changes wait for what they know of it. */
  readonly directory?: EntryReader;
  /** Those of at most 4096 ids that are there. */
  hasEntries(ids: readonly string[]): Promise<readonly string[]>;
  /** The first 1000 that are not among at most 10,000 known ids. */
  findNewEntries(knownIds: readonly string[]): Promise<readonly StoreEntryMetadata[]>;
  findNewEntriesForDoc(knownIds: readonly string[], docId: string): Promise<readonly StoreEntryMetadata[]>;
  /** Those of at most 256 ids that are there, until 4 MiB are passed: ask again for the rest. */
  getEntries(ids: readonly string[]): Promise<readonly StoreEntry[]>;
  /** A page of at most `limit` ≤ 1000 entries, and the rest of the last one's commit. A cursor of another log begins anew. */
  scanEntriesSince(cursor?: string, limit?: number): Promise<EntryPage>;
  getIdBloomSummary(): Promise<BloomSummary>;
  getCompactionStatus(): Promise<CompactionStatus>;
}

/** The log of this device. */
export interface EntryStore extends EntryReader {
  readonly directory?: EntryStore;
  /** Ids of what an entry stands on, nearest first, as far as they are here. @throws input/unknown-id when the start is not here */
  resolveDependencies(
    startId: string,
    options?: {
      /** such an entry is named, and nothing behind it */
      readonly stopAtEntryType?: string;
      readonly maxDepth?: number;
      /** default true */
      readonly includeStart?: boolean;
    },
  ): Promise<readonly string[]>;
  /** Take in what another store gave: verified, stored once, and judged like anything that arrives. */
  putEntries(entries: readonly Pick<StoreEntry, "commit">[]): Promise<{
    readonly newCount: number;
    readonly refused: readonly { readonly commitHash: string | undefined }[];
  }>;
}

/** What moved between two stores, in commits. */
export interface TransferReport {
  readonly newCount: number;
  /** that are not genuine, or of another database */
  readonly refusedCount: number;
}

/** A remote: a link with a server or a peer, or any store of the same database, such as that of another device or a test. */
export type ChangesRemote = Pick<ServerLink | PeerConnection, "sync"> | EntryReader;

/** The specification's explicit form of synchronisation. */
export interface EntryStores {
  /** The log of this database as a store: this device's, or that of a server that the tenant is linked with. */
  getStore(): Promise<EntryStore>;
  getStore(of: Pick<ServerLink, "url">): Promise<EntryReader>;
  /**
   * Bring here what a remote has. A link brings both ways, of all databases; what it moved is in its status, and there is no report.
   *
   * @throws protocol/malformed for a store that does not come to an end; what the remote throws
   */
  pullChangesFrom(
    remote: ChangesRemote,
    options?: { readonly signal?: AbortSignal },
  ): Promise<TransferReport | undefined>;
  /** Bring to a remote what is here; likewise. @throws input/invalid for a store that takes nothing */
  pushChangesTo(
    remote: ChangesRemote,
    options?: { readonly signal?: AbortSignal },
  ): Promise<TransferReport | undefined>;
}
