/**
 * A server of the simulation: the real relay over its memory storage, on a disk that survives it. Every call of the storage takes
 * its time, so that requests interleave inside the relay too.
 */
import type { Crypto, SigningKeyPair } from "../crypto/index.ts";
import {
  bytesToBase64url,
  type CofferError,
  type CommitHash,
  type DbId,
  type TenantId,
} from "../std/index.ts";
import {
  createRelay,
  createMemoryStorage,
  type AppendRequest,
  type AppendResult,
  type Relay,
  type RelayStorage,
} from "../../server/src/index.ts";
import { createNodeCrypto } from "./node-crypto.ts";
import type { Random } from "./pcg32.ts";
import type { Scheduler } from "./scheduler.ts";
import { SimOrigin, type SimWorkerEnv } from "./sim-env.ts";

/** What a lying or broken server does; a mutant for tests of the tests. */
export interface ServerFault {
  /** what becomes of an append: its result without anything stored, or `undefined` for the usual */
  readonly onAppend?: (request: AppendRequest) => AppendResult | undefined;
  /** what storing a chunk of a file fails with, if it fails */
  readonly onChunk?: () => CofferError | undefined;
  /** whether every second commit is shown twice to whoever looks into it */
  readonly doubles?: boolean;
}

type AddChunk = Parameters<RelayStorage["addChunk"]>;

/** A commit as it lies in the server's log. */
export interface ServerCommit {
  readonly dbId: DbId;
  readonly seq: number;
  readonly commitHash: CommitHash;
  readonly bytes: Uint8Array;
}

/** One server: it can be restarted, and looked into. */
export class SimServer {
  readonly origin: string;
  fault: ServerFault = {};
  readonly #scheduler: Scheduler;
  readonly #place: SimOrigin;
  #disk: RelayStorage;
  /** what was stored, in order, to be stored again from a backup */
  readonly #stored: { readonly atMs: number; readonly store: (disk: RelayStorage) => Promise<unknown> }[] =
    [];
  /** hashes, base64url, of all chunks that were ever stored */
  readonly everHeld = new Set<string>();
  /** the time it is while a backup is read */
  #replayMs: number | undefined;
  readonly #onRestart = new Set<() => void>();
  #env: SimWorkerEnv;
  #signing: SigningKeyPair | undefined;
  #relay: Relay | undefined;

  readonly #createCrypto: (env: SimWorkerEnv) => Crypto;

  constructor(
    scheduler: Scheduler,
    origin: string,
    createCrypto: (env: SimWorkerEnv) => Crypto = (env) => createNodeCrypto(env),
  ) {
    this.#createCrypto = createCrypto;
    this.origin = origin;
    this.#scheduler = scheduler;
    this.#place = new SimOrigin("server", scheduler);
    this.#env = this.#place.openWorker();
    this.#disk = this.#createDisk();
  }

  /** The relay as it runs now. */
  get relay(): Relay {
    if (this.#relay === undefined) throw new Error("the server was not started");
    return this.#relay;
  }

  get isUp(): boolean {
    return this.#relay !== undefined;
  }

  get timersMs(): readonly number[] {
    return this.#env.timersMs;
  }

  async start(): Promise<void> {
    const crypto = this.#createCrypto(this.#env);
    this.#signing ??= await crypto.createSigningPair();
    this.#relay = createRelay({
      crypto,
      env: this.#env,
      storage: this.#slowStorage(this.#env),
      signing: this.#signing,
      origins: [this.origin],
    });
  }

  /** Die at once and come back: what is stored stays, sessions and connections are gone. */
  async restart(): Promise<void> {
    if (!this.isUp) return;
    this.#scheduler.note("server restarts");
    this.#stop();
    await this.start();
  }

  /**
   * Die and come back, some time later, from a backup: an older state, in which every log begins a new epoch. What was stored
   * is stored again at the times it was, so that logs have the epochs they had.
   */
  async restore(random: Random): Promise<void> {
    // The tenant itself is in every backup.
    const kept = this.#stored.splice(0, 1 + random.below(this.#stored.length));
    this.#scheduler.note(`server dies, its backup has ${kept.length} writes`);
    this.#stored.length = 0;
    this.#stop();
    this.#disk = this.#createDisk();
    for (const { atMs, store } of kept) {
      this.#replayMs = atMs;
      await store(this.#disk);
    }
    this.#replayMs = undefined;
    this.#stored.push(...kept);
    await this.#scheduler.sleep(2000, "server is restored");
    await this.#disk.startNewEpochs();
    await this.start();
  }

  /** Be told once, when this life of the server ends. */
  onRestart(listener: () => void): () => void {
    this.#onRestart.add(listener);
    return () => void this.#onRestart.delete(listener);
  }

  /** All commits of a tenant, by log and position. */
  async commits(tenantId: TenantId): Promise<readonly ServerCommit[]> {
    const all: ServerCommit[] = [];
    for (const { dbId } of await this.#disk.listLogs(tenantId)) {
      const rows = await this.#disk.readCommits(tenantId, dbId, {
        fromSeq: 0,
        maxCount: Infinity,
        maxBytes: Infinity,
      });
      for (const { seq, commitHash, bytes } of rows) {
        const commit = { dbId, seq, commitHash, bytes: bytes ?? new Uint8Array(0) };
        all.push(...(this.fault.doubles === true && seq % 2 === 1 ? [commit, commit] : [commit]));
      }
    }
    return all;
  }

  /** A chunk as it is stored. */
  chunk(tenantId: TenantId, hash: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#disk.readChunk(tenantId, hash);
  }

  async publication(tenantId: TenantId): Promise<Uint8Array> {
    return (await this.#disk.readTenant(tenantId))?.publication ?? new Uint8Array(0);
  }

  async #append(disk: RelayStorage, request: AppendRequest): Promise<AppendResult> {
    const pretended = this.fault.onAppend?.(request);
    if (pretended !== undefined) return pretended;
    const result = await disk.append(request);
    if (result.kind === "appended") this.#remember((to) => to.append(request));
    return result;
  }

  async #addChunk(disk: RelayStorage, ...chunk: AddChunk): ReturnType<RelayStorage["addChunk"]> {
    const failure = this.fault.onChunk?.();
    if (failure !== undefined) throw failure;
    const outcome = await disk.addChunk(...chunk);
    this.everHeld.add(bytesToBase64url(chunk[1].hash));
    this.#remember((to) => to.addChunk(...chunk));
    return outcome;
  }

  #stop(): void {
    this.#relay = undefined;
    this.#env.kill();
    this.#env = this.#place.openWorker();
    for (const hear of Array.from(this.#onRestart)) hear();
    this.#onRestart.clear();
  }

  #createDisk(): RelayStorage {
    const crypto = this.#createCrypto(this.#env);
    return createMemoryStorage({ crypto, env: { nowMs: () => this.#replayMs ?? this.#env.nowMs() } });
  }

  #remember(store: (disk: RelayStorage) => Promise<unknown>): void {
    this.#stored.push({ atMs: this.#env.nowMs(), store });
  }

  #slowStorage(env: SimWorkerEnv): RelayStorage {
    const disk = this.#disk;
    const slow = async <T>(label: string, run: () => Promise<T>): Promise<T> => {
      await env.pause(env.randomFraction() * 2, label);
      const result = await run();
      await env.pause(env.randomFraction() * 2, "answers itself");
      return result;
    };
    return {
      readTenant: (id) => slow("reads tenant", () => disk.readTenant(id)),
      createTenant: (record, commits) =>
        slow("creates tenant", async () => {
          this.#remember((to) => to.createTenant(record, commits));
          return disk.createTenant(record, commits);
        }),
      tenantCount: () => slow("counts", () => disk.tenantCount()),
      listTenants: (after, maxCount) => slow("lists tenants", () => disk.listTenants(after, maxCount)),
      removeTenant: (id) => slow("removes tenant", () => disk.removeTenant(id)),
      tenantUsage: (id, authors) => slow("reads usage", () => disk.tenantUsage(id, authors)),
      readLog: (id, dbId) => slow("reads log", () => disk.readLog(id, dbId)),
      listLogs: (id) => slow("lists logs", () => disk.listLogs(id)),
      append: (request) => slow("appends", () => this.#append(disk, request)),
      readCommits: (id, dbId, range) => slow("reads commits", () => disk.readCommits(id, dbId, range)),
      readKeys: (id, dbId, fromSeq, maxCount) =>
        slow("reads keys", () => disk.readKeys(id, dbId, fromSeq, maxCount)),
      readNodes: (id, dbId, seqs) => slow("reads nodes", () => disk.readNodes(id, dbId, seqs)),
      findCommit: (place) => slow("finds a commit", () => disk.findCommit(place)),
      addChunk: (...chunk) => slow("adds a chunk", () => this.#addChunk(disk, ...chunk)),
      chunkSizes: (id, asked) => slow("looks for chunks", () => disk.chunkSizes(id, asked)),
      readChunk: (id, hash) => slow("reads a chunk", () => disk.readChunk(id, hash)),
      removeChunks: (id, docIds) => slow("removes chunks", () => disk.removeChunks(id, docIds)),
      chunkUsage: (id, author) => slow("reads usage of chunks", () => disk.chunkUsage(id, author)),
      putSubscription: (id, subscription) =>
        slow("keeps an address", () => disk.putSubscription(id, subscription)),
      removeSubscription: (id, device, endpoint) =>
        slow("forgets an address", () => disk.removeSubscription(id, device, endpoint)),
      listSubscriptions: (id, after, maxCount) =>
        slow("lists addresses", () => disk.listSubscriptions(id, after, maxCount)),
      readForwarded: (id, serverKey) => slow("reads places", () => disk.readForwarded(id, serverKey)),
      writeForwarded: (id, serverKey, places) =>
        slow("keeps places", () => disk.writeForwarded(id, serverKey, places)),
      startNewEpochs: () => slow("starts epochs", () => disk.startNewEpochs()),
      close: () => slow("closes", () => disk.close()),
    };
  }
}
