/** The entries of a database, as stores of the specification give them. What they are is in src/sync/store-types.ts. */
import type { EntryReader, EntryStore } from "../sync/index.ts";
import type { PeerConnection } from "./peer-types.ts";
import type { ServerLink } from "./types.ts";

export type {
  BloomSummary,
  CompactionStatus,
  EntryPage,
  EntryReader,
  EntryStore,
  StoreEntry,
  StoreEntryMetadata,
} from "../sync/index.ts";

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
