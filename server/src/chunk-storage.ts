/**
 * What the relay keeps of files: ciphertexts of chunks, by their SHA-256, apart from the logs.
 *
 * Guarantees, for every implementation (the contract suite proves each)
 * - K1 a chunk that was added is durable when the promise resolves, and comes back as it went in
 * - K2 a chunk is stored once for each tenant, whoever brings it; another tenant's is another chunk. One
 *      that several documents name stays until the last of them is removed
 * - K3 what a tenant and each author use is what is stored; chunks of removed documents and tenants are gone, and count no more
 *
 * It does not judge: that a commit names the chunk, and that its hash is right, is the caller's business.
 */
import type { AuthorKey, CommitHash, DbId, DocId, TenantId } from "../../src/std/index.ts";

/** A verified chunk on its way into the storage. */
export interface NewChunk {
  /** 32 bytes: SHA-256 of the bytes */
  readonly hash: Uint8Array;
  /** the document that it goes with, or one of them */
  readonly docId: DocId;
  /** who signed the commit that names it, and whom its bytes are counted for */
  readonly author: AuthorKey;
  readonly bytes: Uint8Array;
}

/** A chunk of a document. */
export type ChunkName = Pick<NewChunk, "hash" | "docId">;

/** Bytes of chunks: of the whole tenant, and of one author in it. */
export interface ChunkUsage {
  readonly tenantBytes: number;
  readonly authorBytes: number;
}

/** The part of a storage that is about files. */
export interface ChunkStorage {
  /** A stored commit and its place in the log, by its hash and the time in its header. */
  findCommit(place: CommitPlace): Promise<FoundCommit | undefined>;
  /** Store a chunk; one that is there stays as it is, and goes with this document too. @throws `store/failed` for an unknown tenant */
  addChunk(tenantId: TenantId, chunk: NewChunk): Promise<"stored" | "present">;
  /** The sizes of chunks, in the order asked; `undefined` for one that is not stored for this document. */
  chunkSizes(tenantId: TenantId, asked: readonly ChunkName[]): Promise<readonly (number | undefined)[]>;
  readChunk(tenantId: TenantId, hash: Uint8Array): Promise<Uint8Array | undefined>;
  /** Remove the chunks that go with no other document than these. Doing it twice changes nothing. */
  removeChunks(tenantId: TenantId, docIds: readonly DocId[]): Promise<void>;
  chunkUsage(tenantId: TenantId, author: AuthorKey): Promise<ChunkUsage>;
}

/** A commit that was found. */
export interface FoundCommit {
  readonly seq: number;
  readonly bytes: Uint8Array;
}

/** Where a commit is. */
export interface CommitPlace {
  readonly tenantId: TenantId;
  readonly dbId: DbId;
  readonly commitHash: CommitHash;
  readonly createdAtMs: number;
}
