/**
 * The sealed unit, as types. Byte tables are in `codec.ts`.
 *
 * An entry is one sealed Automerge change, snapshot, deletion, attachment chunk or directory record, or it names
 * entries that its author erased. A commit is what one action wrote: 1…256 entries in order under one Ed25519 signature; it is the unit of durability,
 * signing and transfer.
 */
import type { AuthorKey, CommitHash, DbId, DocId, EntryHash, KeyId, TenantId } from "../std/index.ts";
import type { Key } from "../crypto/index.ts";
import type { PreparedSealing } from "./sealing-key.ts";

export const entryTypes = [
  "doc_create",
  "doc_change",
  "doc_snapshot",
  "doc_delete",
  "attachment_chunk",
  "directory_record",
  "doc_purge",
] as const;
export type EntryType = (typeof entryTypes)[number];

/** Limits that every writer keeps and every reader checks before it decrypts. */
export const entryLimits = {
  entriesPerCommit: 256,
  /** what a writer aims at: beyond 64 KiB a record costs Chromium's IndexedDB two to four times as much */
  commitTargetBytes: 60 * 1024,
  /** the whole encoded commit, signature included */
  commitBytes: 1024 * 1024,
  /** header of the commit, entry hashes not counted */
  commitHeaderBytes: 16 * 1024,
  dependencies: 64,
  predecessors: 64,
  keysPerCommit: 16,
  /** plaintext of one change */
  changeBytes: 256 * 1024,
  /** plaintext of one snapshot or attachment chunk */
  blobBytes: 512 * 1024,
} as const;

/** A content key as the worker holds it: named, versioned, not readable. */
export interface ContentKey {
  readonly keyId: KeyId;
  readonly epoch: number;
  /** first 8 bytes of SHA-256("coffer/key/v1\0" ‖ key bytes) */
  readonly fingerprint: Uint8Array;
  /** HKDF key, not extractable */
  readonly key: Key;
}

/** What names a content key without holding it. */
export interface KeyName {
  readonly keyId: KeyId;
  readonly epoch: number;
  readonly fingerprint: Uint8Array;
}

/** A key as a commit names it: with its commitment (32 bytes), compared before anything is decrypted. */
export interface CommittedKey extends KeyName {
  readonly commitment: Uint8Array;
}

/** The head of a server's log of this database, as its author verified it last; all zero where there was none. Their word: see sync/seen-claims.ts. */
export interface SeenHead {
  /** 8 bytes, see `deriveLogKeyId` */
  readonly logKeyId: Uint8Array;
  readonly epoch: number;
  readonly size: number;
  /** first 16 bytes of the root */
  readonly rootPrefix: Uint8Array;
}

export interface EntryHeader {
  readonly docId: DocId;
  readonly entryType: EntryType;
  /** sorted, unique */
  readonly dependencies: readonly EntryHash[];
  /** index into the commit's `keys` */
  readonly keyIndex: number;
  /** only in `doc_create`: what the document id was made from, with author and writerNonce; otherwise 0 */
  readonly docCounter: number;
  readonly ciphertextSizeBytes: number;
  /** 32 bytes */
  readonly ciphertextHash: Uint8Array;
}

/**
 * One entry of a verified commit. A purged or not transferred entry has its hash only, or header without
 * ciphertext.
 */
export interface CommitEntry {
  readonly entryHash: EntryHash;
  readonly header?: EntryHeader;
  readonly ciphertext?: Uint8Array;
}

export interface CommitHeader {
  readonly suite: number;
  readonly tenantId: TenantId;
  readonly dbId: DbId;
  readonly author: AuthorKey;
  /** 16 bytes, fresh per worker and opening */
  readonly writerNonce: Uint8Array;
  /** from 1, per database and writer nonce */
  readonly writerSeq: number;
  /** sorted, unique; exactly one after a writer's first commit */
  readonly predecessors: readonly CommitHash[];
  /** the newest directory commit the author knew; `undefined` only in a tenant's first directory commit */
  readonly directoryHead: CommitHash | undefined;
  readonly seen: SeenHead;
  /** for display only */
  readonly createdAtMs: number;
  /** 32 bytes */
  readonly salt: Uint8Array;
  readonly keys: readonly CommittedKey[];
  readonly entryHashes: readonly EntryHash[];
}

/** A commit whose structure, hashes and signature hold. Nothing is said about the author's rights. */
export interface Commit {
  readonly commitHash: CommitHash;
  readonly header: CommitHeader;
  readonly entries: readonly CommitEntry[];
  /** 64 bytes */
  readonly signature: Uint8Array;
  /** the wire form that was judged */
  readonly bytes: Uint8Array;
}

/**
 * What judging a commit's bytes says. `hash`: it is not the commit that the caller expected; `version`: its
 * version or suite is not one of ours.
 */
export type CommitVerdict =
  | { readonly kind: "verified"; readonly commit: Commit }
  | { readonly kind: "forged"; readonly reason: "signature" | "hash" | "malformed" | "limit" | "version" };

export type OpenVerdict =
  | { readonly kind: "opened"; readonly plaintext: Uint8Array }
  | { readonly kind: "no-key"; readonly key: KeyName }
  /** the entry's ciphertext is not here: purged or not transferred */
  | { readonly kind: "absent" }
  | { readonly kind: "forged"; readonly reason: "commitment" | "ciphertext" | "padding" };

/** What a document's id is made from: who created it, where, under which key, and as which of theirs. */
export interface DocOrigin {
  readonly tenantId: TenantId;
  readonly dbId: DbId;
  readonly keyId: KeyId;
  readonly author: AuthorKey;
  /** 16 bytes */
  readonly writerNonce: Uint8Array;
  readonly docCounter: number;
}

/** The name of a new document. Made by `createDocNaming` alone, so that whoever is handed it need not derive it again. */
export interface DocName {
  readonly origin: Omit<DocOrigin, "docCounter">;
  readonly docCounter: number;
  readonly docId: DocId;
  /** what its writer is called in it */
  readonly actor: string;
}

/** What a writer hands in for one entry. */
export interface EntryDraft {
  readonly entryType: EntryType;
  readonly docId: DocId;
  /** entries in the store, or an earlier entry of the same commit by index */
  readonly dependencies: readonly (EntryHash | { readonly index: number })[];
  readonly key: ContentKey;
  readonly docCounter?: number;
  /** of a new document, where it was derived before */
  readonly name?: DocName;
  readonly plaintext: Uint8Array;
  /** of a chunk that travels apart: its ciphertext, where it is sealed by its content; its plaintext is empty then */
  readonly ciphertext?: Uint8Array<ArrayBuffer>;
  /** an attachment chunk's ciphertext travels apart from the commit: its bytes hold the header alone */
  readonly isApart?: boolean;
}

/** What a writer hands in for a commit; salt and signature are made by `sealCommit`. */
export interface CommitDraft {
  readonly tenantId: TenantId;
  readonly dbId: DbId;
  readonly author: AuthorKey;
  readonly signingKey: Key;
  readonly writerNonce: Uint8Array;
  readonly writerSeq: number;
  readonly predecessors: readonly CommitHash[];
  readonly directoryHead: CommitHash | undefined;
  readonly seen?: SeenHead;
  readonly createdAtMs: number;
  readonly entries: readonly EntryDraft[];
  /** used when all entries are sealed under the content key that it was made for, and nobody used it before */
  readonly prepared?: PreparedSealing | undefined;
}
