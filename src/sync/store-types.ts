/** What stores of entries give and take, for who asks them: the page hands these types on as they are. See entry-store.ts. */
import type { EntryType } from "../entry/index.ts";

/** What the header of an entry says. Nothing of it is content: that is sealed, whoever asks. */
export interface StoreEntryMetadata {
  /** `<docId>_d_<fingerprint of dependencies>_<hash>` */
  readonly id: string;
  readonly entryType: EntryType;
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
  /** the whole commit, as it was signed; entries of one commit share it */
  readonly commit: Uint8Array;
}

/** Some entries in the order of a log, and where to go on. */
export interface EntryPage {
  readonly entries: readonly StoreEntryMetadata[];
  readonly nextCursor: string;
  readonly hasMore: boolean;
}

/**
 * Which ids may be in a store: of those that are, none is missing; of a hundred others about one is in it all the same. Advisory only, and
 * who gave it may lie, so `hasEntries` has the last word. How bits follow from ids is in docs/protocol.md.
 */
export interface BloomSummary {
  /** 16 bytes, new for each summary */
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
export interface LogReader {
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

/** That log, and the one that says who may write in it. */
export interface EntryReader extends LogReader {
  /** The log of the tenant's directory: it is brought first, since changes wait for what they know of it. */
  readonly directory?: EntryReader;
}

/** Where to stop on the way to what an entry stands on. */
export interface ResolveOptions {
  /** such an entry is named, and nothing behind it */
  readonly stopAtEntryType?: EntryType;
  /** steps from the start; default: as many as there are */
  readonly maxDepth?: number;
  /** default true */
  readonly includeStart?: boolean;
}

/** What putting entries came to, in commits. */
export interface PutReport {
  /** that were not here, or not with as much */
  readonly newCount: number;
  /** that are not genuine */
  readonly refused: readonly { readonly commitHash: string | undefined }[];
}

/** The log of a device. */
export interface EntryStore extends EntryReader {
  readonly directory?: EntryStore;
  /** Ids of what an entry stands on, nearest first, as far as they are here. @throws input/unknown-id when the start is not here, input/too-large */
  resolveDependencies(startId: string, options?: ResolveOptions): Promise<readonly string[]>;
  /** Take in what another store gave: verified, stored once, and judged like anything that arrives. */
  putEntries(entries: readonly Pick<StoreEntry, "commit">[]): Promise<PutReport>;
}
