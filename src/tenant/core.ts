/**
 * What the parts of an open tenant share: keys while unlocked, ledger, directory, catalogs, writers, and the one queue in which all of
 * them take turns.
 */
import {
  CofferError,
  idToBytes,
  parseHex,
  type AuthorKey,
  type CommitHash,
  type DbId,
  type DocId,
  type Env,
  type KeyId,
  type TenantId,
} from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import {
  createDirectory,
  indexOfHead,
  prescribedEpoch,
  type DirectoryState,
  type OpenedCommit,
} from "../directory/index.ts";
import type { ChangeCodec, DocEngine } from "../doc/index.ts";
import {
  createActorDerivation,
  deriveNameId,
  directoryDbId,
  type ContentKey,
  type KeyName,
  type CommitHeader,
} from "../entry/index.ts";
import type { Genesis, KeyBag, UnlockedIdentity } from "../keys/index.ts";
import type { Storage, Store } from "../store/index.ts";
import type { Transport } from "../sync/index.ts";
import { Catalog } from "./catalog.ts";
import { directoryPositions } from "./beside.ts";
import type { ActorsAt } from "./entry-journal.ts";
import { Contests } from "./contests.ts";
import { judgeRight, openAccepted, type JudgeState, type JudgeTools } from "./judge.ts";
import { knownCommitOf, Ledger, type KnownCommit } from "./ledger.ts";
import { nonePurged, type PurgedDocs } from "./purge.ts";
import { Serial } from "./serial.ts";
import { Writer, Writers, type WrittenCommit } from "./writer.ts";

/** What a worker gives to every tenant it opens. */
export interface TenantWorld {
  readonly env: Env;
  readonly crypto: Crypto;
  readonly storage: Storage;
  /** separates several CofferDBs of one origin */
  readonly scope: string;
  /** how a server is reached. @throws `input/invalid` for an address that is none */
  readonly openTransport: (url: string) => Transport;
  readonly codec: ChangeCodec;
  readonly loadEngine: () => Promise<DocEngine>;
  /** see to it that the engine can be loaded without a network later */
  readonly prepareEngine: () => void;
}

/** The keys of an unlocked tenant. Gone when it is locked. */
export interface Unlocked {
  readonly identity: UnlockedIdentity;
  readonly bag: KeyBag;
  /** ids of keys by their names, as far as they were asked for: they are on the way of every document */
  readonly keyIds: Map<string, KeyId>;
  readonly tenantName: string;
  /** "" when the admin is someone else */
  readonly adminName: string;
  /** names of the keys made on this device */
  readonly keyNames: readonly string[];
  /** keys that the directory hands to this user and that did not open, see adopt-keys.ts */
  readonly deadWraps: Set<string>;
  /** set once the tenant is open */
  readonly purged?: PurgedDocs;
  /** the stored list may be longer: nobody told whether it was written, see purge.ts */
  readonly isPurgedUnsure?: boolean;
}

/** The names of the keys every tenant has. */
export const keyNames = { content: "default", directory: "$publicinfos" } as const;

/** One tenant of this device: what its parts share. */
export class TenantCore implements JudgeState {
  readonly world: TenantWorld;
  readonly store: Store;
  readonly genesis: Genesis;
  readonly serial = new Serial();
  readonly directoryDbId: DbId;
  ledger = new Ledger();
  directory: DirectoryState;
  unlocked: Unlocked | undefined;
  /** from a join response: the directory commit that registered this user, until the directory itself is here */
  joinedAt: CommitHash | undefined;
  readonly contests = new Contests(this);
  readonly #catalogs = new Map<DbId, Catalog>();
  readonly writers = new Writers();

  constructor(world: TenantWorld, store: Store, genesis: Genesis) {
    this.world = world;
    this.store = store;
    this.genesis = genesis;
    this.directoryDbId = directoryDbId(world.crypto, genesis.tenantId);
    this.directory = createDirectory(world.crypto, genesis.tenantId, genesis.adminSigningKey);
  }

  get tenantId(): TenantId {
    return this.genesis.tenantId;
  }

  /** The keys, while unlocked. @throws `access/locked` */
  get keys(): Unlocked {
    if (this.unlocked === undefined) throw new CofferError("access/locked");
    return this.unlocked;
  }

  get tools(): JudgeTools {
    const { codec, crypto, loadEngine } = this.world;
    const { tenantId, directoryDbId: databaseId } = this;
    return {
      crypto,
      tenantId,
      directoryDbId: databaseId,
      findKey: (name) => this.findKey(name),
      codec,
      loadEngine,
      nowMs: () => this.nowMs(),
    };
  }

  /** The wall clock. One that stands before 1970 must not keep anyone from writing. */
  nowMs(): number {
    return Math.max(0, this.world.env.nowMs());
  }

  findKey(name: KeyName): ContentKey | undefined {
    return this.unlocked?.bag.find(name);
  }

  /** The key that writers use under a name. @throws `key/missing`, `access/locked` */
  currentKey(name: string): ContentKey {
    return this.currentKeyOf(this.keyIdOf(name));
  }

  /** The key that writers use for a key id: of an epoch that may still be written under. @throws `key/missing`, `access/locked` */
  currentKeyOf(keyId: KeyId): ContentKey {
    const key = this.keys.bag.current(keyId);
    const { directory } = this;
    if (key === undefined || key.epoch < prescribedEpoch(directory, keyId, directory.head))
      throw new CofferError("key/missing", { keyId });
    return key;
  }

  keyIdOf(name: string): KeyId {
    const { bag, keyIds } = this.keys;
    const keyId = keyIds.get(name) ?? deriveNameId(this.world.crypto, bag.namesKey, "key", name);
    keyIds.set(name, keyId);
    return keyId;
  }

  isVouched({ author, directoryHead }: Pick<CommitHeader, "author" | "directoryHead">): boolean {
    const self = this.unlocked?.identity.publicIdentity.signingKey;
    return author === self && directoryHead !== undefined && directoryHead === this.joinedAt;
  }

  /** The documents erased on this device, as far as they are known: while unlocked. */
  get purged(): PurgedDocs {
    return this.unlocked?.purged ?? nonePurged;
  }

  isPurged(docId: DocId): boolean {
    return this.purged.ids.has(docId) || this.directory.purgedDocs.has(docId);
  }

  dbIdOf(name: string): DbId {
    return deriveNameId(this.world.crypto, this.keys.bag.namesKey, "db", name);
  }

  catalog(dbId: DbId): Catalog {
    let catalog = this.#catalogs.get(dbId);
    if (catalog === undefined) {
      catalog = new Catalog((position) => actorsOf(this, position));
      this.#catalogs.set(dbId, catalog);
    }
    return catalog;
  }

  catalogs(): ReadonlyMap<DbId, Catalog> {
    return this.#catalogs;
  }

  standing(row: KnownCommit): "counts" | "lost" | "new" | undefined {
    return this.contests.standing(row);
  }

  async readDirectory(): Promise<readonly OpenedCommit[]> {
    const opened: OpenedCommit[] = [];
    for (const record of await this.store.readRecords(directoryPositions(this, "fork"))) {
      const commit = await openAccepted(this.tools, record);
      if (commit !== undefined) opened.push(commit);
    }
    return opened;
  }

  /** Forget everything derived: it is judged again from the log. */
  resetDerived(): void {
    this.ledger = new Ledger();
    this.contests.clear();
    this.directory = createDirectory(this.world.crypto, this.genesis.tenantId, this.genesis.adminSigningKey);
    this.#catalogs.clear();
  }

  writer(dbId: DbId, identity: UnlockedIdentity): Writer {
    const author: AuthorKey = identity.publicIdentity.signingKey;
    const name = `${dbId}|${author}`;
    let writer = this.writers.byName.get(name);
    if (writer === undefined) {
      const { crypto } = this.world;
      writer = new Writer({
        crypto,
        store: this.store,
        tenantId: this.tenantId,
        dbId,
        author,
        signingKey: identity.signing.privateKey,
        nowMs: () => this.nowMs(),
        knownHeads: () => ownHeads(this, dbId, author),
        directoryHead: () => newestHead(this),
        seen: () => this.writers.seen(dbId),
      });
      this.writers.byName.set(name, writer);
    }
    return writer;
  }

  /** Drop the writers: their keys are gone, or changes that they signed are. The next ones draw fresh nonces. */
  dropWriters(): void {
    this.writers.byName.clear();
  }

  /** Enter a commit written here into the ledger: it is accepted by construction. */
  enterOwn(written: WrittenCommit): void {
    const { commit, position } = written;
    if (this.ledger.find(commit.commitHash) !== undefined) return;
    const row = knownCommitOf(commit.header, commit.commitHash, position);
    const right = judgeRight(this, row, commit.header);
    row.role = right.kind === "role" ? right.role : undefined;
    this.ledger.add(row);
    this.ledger.judge(commit.commitHash, {
      verdict: "accepted",
      pending: [],
      reason: "",
      refused: "",
      atMs: this.world.env.nowMs(),
    });
  }
}

/** What actors the writer of an accepted commit has in documents. */
function actorsOf({ ledger, world }: TenantCore, position: number): ReturnType<ActorsAt> {
  const row = ledger.at(position);
  const writerNonce = parseHex(row?.writerNonce ?? "");
  if (row === undefined || writerNonce === undefined) return undefined;
  const derive = createActorDerivation(world.crypto, { author: row.author, writerNonce });
  return (docId) => derive(idToBytes(docId));
}

/** The newest head that this device knows: of the directory, or of the join response while the directory is not here that far. */
function newestHead({ directory, joinedAt }: TenantCore): CommitHash | undefined {
  const isHere = joinedAt === undefined || indexOfHead(directory, joinedAt) !== undefined;
  return isHere ? directory.head : joinedAt;
}

/** A restored device may have commits of its own that know more of the directory than it does: nothing it writes follows those. */
function ownHeads(core: TenantCore, dbId: DbId, author: AuthorKey): readonly CommitHash[] {
  const { directory, ledger } = core;
  const newest = newestHead(core);
  return ledger
    .graph(dbId, author)
    .heads()
    .filter((hash) => {
      const head = ledger.find(hash)?.directoryHead;
      return head === newest || indexOfHead(directory, head) !== undefined;
    });
}
