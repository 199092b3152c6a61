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
import {
  entryLimits,
  noSeenHead,
  prepareSealing,
  sealCommit,
  type Commit,
  type ContentKey,
  type EntryDraft,
  type PreparedSealing,
  type SeenHead,
  type SealedCommit,
} from "../entry/index.ts";
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
  /** the head of a server's log of this database that was verified last */
  readonly seen: () => SeenHead | undefined;
  /** stored right before the first commit, in its transaction: a commit that is to go up with it */
  readonly ahead?: Pick<SealedCommit, "commitHash" | "bytes"> | undefined;
}

/** The writers of a tenant, by what they write and who they are. */
export class Writers {
  readonly byName = new Map<string, Writer>();
  /** the head of a server's log of a database that was verified last; none where nobody verifies any */
  seen: (dbId: DbId) => SeenHead | undefined = () => undefined;
}

/** A commit that is durable, with its place in the log. */
export interface WrittenCommit {
  readonly commit: Commit;
  readonly position: number;
}

/** What is done while a commit is being written. */
export interface WritingHooks {
  readonly meanwhile?: (() => void) | undefined;
  readonly before?: ((commit: SealedCommit) => Promise<void>) | undefined;
}

/** A commit that is sealed, and on its way into the log. */
export interface BegunCommit {
  readonly commit: SealedCommit;
  readonly stored: Promise<WrittenCommit>;
}

/** Writes the commits of one author into one database, one after the other. */
export class Writer {
  readonly #options: WriterOptions;
  readonly #logEpoch: string;
  #nonce: Uint8Array<ArrayBuffer> | undefined;
  #seq = 0;
  #last: CommitHash | undefined;
  #docCounter = 0;
  readonly #ahead: Pick<SealedCommit, "commitHash" | "bytes">[];
  /** the write of the commit before, of the same nonce */
  #storing: Promise<unknown> = Promise.resolve();
  /** what the next commit is sealed with, if it is under the same key as the last one */
  #prepared: Promise<PreparedSealing | undefined> | undefined;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#logEpoch = options.store.logEpoch;
    this.#ahead = options.ahead === undefined ? [] : [options.ahead];
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

  get dbId(): DbId {
    return this.#options.dbId;
  }

  /** Seal, sign and store one commit. On failure the nonce is gone, and so must be every document that used it. */
  async write(
    entries: readonly EntryDraft[],
    durability: "relaxed" | "strict" = "relaxed",
  ): Promise<WrittenCommit> {
    return (await this.begin(entries, durability)).stored;
  }

  /**
   * Seal and sign one commit, and begin to store it behind those that were begun before. `stored` fails when one of those does; then
   * the nonce is gone. Resolves when it is sealed: the next one may be begun.
   *
   * @param hooks `meanwhile` is called once while other threads encrypt, and does not throw; `before` is awaited before the commit is
   *   stored, and what it throws keeps it from being stored
   */
  async begin(
    entries: readonly EntryDraft[],
    durability: "relaxed" | "strict" = "relaxed",
    hooks: WritingHooks = {},
  ): Promise<BegunCommit> {
    const { crypto, tenantId, dbId, author, signingKey } = this.#options;
    const { nonce } = this;
    const before = this.#storing;
    try {
      const draft = {
        tenantId,
        dbId,
        author,
        signingKey,
        writerNonce: nonce,
        writerSeq: this.#seq + 1,
        predecessors: this.#predecessors(),
        directoryHead: this.#options.directoryHead(),
        seen: this.#options.seen() ?? noSeenHead(),
        createdAtMs: this.#options.nowMs(),
        entries,
        prepared: await this.#takePrepared(),
      };
      const commit = await sealCommit(crypto, draft, hooks.meanwhile);
      const preparing = Promise.all([before, hooks.before?.(commit)]);
      const stored = this.#storeBehind(preparing, commit, durability);
      const settled = stored.catch((error: unknown) => {
        this.#rotateFrom(nonce);
        throw error;
      });
      // Whoever began it hears of it; it need not be listening yet.
      settled.catch(() => undefined);
      if (this.#nonce === nonce) {
        this.#seq++;
        this.#last = commit.commitHash;
        this.#storing = settled;
      }
      return { commit, stored: settled };
    } catch (error) {
      this.#rotateFrom(nonce);
      throw error;
    }
  }

  /** What was prepared is for one commit: whoever takes it leaves nothing. */
  #takePrepared(): Promise<PreparedSealing | undefined> | undefined {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    return prepared;
  }

  /** A commit under this key comes next: other threads derive what it is sealed with, while this one prepares its entries. */
  prepare(key: ContentKey): void {
    // Without it the next commit derives its own, and tells what is wrong.
    this.#prepared ??= prepareSealing(this.#options.crypto, key).catch(() => undefined);
  }

  async #storeBehind(
    before: Promise<unknown>,
    commit: SealedCommit,
    durability: "relaxed" | "strict",
  ): Promise<WrittenCommit> {
    const { store } = this.#options;
    await before;
    const commits = [...this.#ahead.splice(0), commit];
    const records = commits.map(({ bytes, commitHash }) => ({ commitHash, bytes, origin: "" }));
    const result = await store.write({ records, durability });
    assert(result.kind === "stored", "a batch without slots has no conflict");
    // Another thread deleted the log while this one had it open: what this commit stands on is gone.
    if (store.logEpoch !== this.#logEpoch) throw new CofferError("store/closed", { store: store.name });
    return { commit, position: result.positions.at(-1) ?? 0 };
  }

  #rotateFrom(nonce: Uint8Array): void {
    if (this.#nonce === nonce) this.rotate();
  }

  /** Start anew: another nonce, another first commit. */
  rotate(): void {
    this.#nonce = undefined;
    this.#seq = 0;
    this.#last = undefined;
    this.#docCounter = 0;
    this.#storing = Promise.resolve();
  }

  #predecessors(): readonly CommitHash[] {
    if (this.#last !== undefined) return [this.#last];
    // Every nonce begins behind all heads, so there are about as many as workers that wrote at the same time.
    return this.#options.knownHeads().slice(-entryLimits.predecessors);
  }
}
