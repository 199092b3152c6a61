/**
 * Writing commits of one author into one database.
 *
 * Guarantees
 * - W1 a promise resolves when the commit is durable in the device log
 * - W2 a change is sealed once; after an unknown outcome the writer draws a fresh nonce, so that no sequence number is used twice
 * - W3 the first commit of a nonce follows all known heads of the author's graph, every later one exactly its predecessor
 */
import {
  assert,
  CofferError,
  type AuthorKey,
  type CommitHash,
  type DbId,
  type TenantId,
} from "../std/index.ts";
import type { Crypto, Key } from "../crypto/index.ts";
import { entryLimits, sealCommit, type Commit, type EntryDraft } from "../entry/index.ts";
import type { Store } from "../store/index.ts";

export interface WriterOptions {
  readonly crypto: Crypto;
  readonly store: Store;
  readonly tenantId: TenantId;
  readonly dbId: DbId;
  readonly author: AuthorKey;
  readonly signingKey: Key;
  readonly nowMs: () => number;
  /** heads of this author's commit graph in this database */
  readonly knownHeads: () => readonly CommitHash[];
  readonly directoryHead: () => CommitHash | undefined;
}

/** A commit that is durable, with its place in the log. */
export interface WrittenCommit {
  readonly commit: Commit;
  readonly position: number;
}

/** Writes the commits of one author into one database, one after the other. */
export class Writer {
  readonly #options: WriterOptions;
  readonly #logEpoch: string;
  #nonce: Uint8Array<ArrayBuffer> | undefined;
  #seq = 0;
  #last: CommitHash | undefined;
  #docCounter = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#logEpoch = options.store.logEpoch;
  }

  /** The nonce that the next commit carries; documents derive their actors from it. */
  get nonce(): Uint8Array<ArrayBuffer> {
    this.#nonce ??= this.#options.crypto.randomBytes(16);
    return this.#nonce;
  }

  /** A number that no other document of this nonce has. */
  nextDocCounter(): number {
    return this.#docCounter++;
  }

  /** Seal, sign and store one commit. On failure the nonce is gone, and so must be every document that used it. */
  async write(
    entries: readonly EntryDraft[],
    durability: "relaxed" | "strict" = "relaxed",
  ): Promise<WrittenCommit> {
    const { crypto, store, tenantId, dbId, author, signingKey } = this.#options;
    try {
      const commit = await sealCommit(crypto, {
        tenantId,
        dbId,
        author,
        signingKey,
        writerNonce: this.nonce,
        writerSeq: this.#seq + 1,
        predecessors: this.#predecessors(),
        directoryHead: this.#options.directoryHead(),
        createdAtMs: this.#options.nowMs(),
        entries,
      });
      const record = { commitHash: commit.commitHash, bytes: new Uint8Array(commit.bytes), origin: "" };
      const result = await store.write({ records: [record], durability });
      assert(result.kind === "stored", "a batch without slots has no conflict");
      // Another thread deleted the log while this one had it open: what this commit stands on is gone.
      if (store.logEpoch !== this.#logEpoch) throw new CofferError("store/closed", { store: store.name });
      this.#seq++;
      this.#last = commit.commitHash;
      return { commit, position: result.positions[0] ?? 0 };
    } catch (error) {
      this.rotate();
      throw error;
    }
  }

  /** Start anew: another nonce, another first commit. */
  rotate(): void {
    this.#nonce = undefined;
    this.#seq = 0;
    this.#last = undefined;
    this.#docCounter = 0;
  }

  #predecessors(): readonly CommitHash[] {
    if (this.#last !== undefined) return [this.#last];
    // Every nonce begins behind all heads, so there are about as many as workers that wrote at the same time.
    return this.#options.knownHeads().slice(-entryLimits.predecessors);
  }
}
