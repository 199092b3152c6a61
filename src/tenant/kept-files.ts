/**
 * What a device keeps of the files of a tenant, told as it changes: for each file that somebody watches, and in sum. And what makes it less.
 *
 * ```
 * chunk store ── a part changed, here or in another thread ──► weighed anew ─┬─► sums, files that are watched: told
 *                                                                            └─► more than the budget: the oldest may go
 * ```
 *
 * Guarantees
 * - K1 what is told is what the chunk store holds, once no more of it changes
 * - K2 a budget takes nothing that is pinned or that nobody else is known to hold, whatever it says
 */
import { isCofferError, type CommitHash, type Release } from "../std/index.ts";
import {
  addChunks,
  factsOf,
  freeChunks,
  noChunks,
  shareChunkNews,
  type ChunkSums,
  type PartFacts,
} from "../sync/index.ts";
import type { TenantStatus, WorkerEvent } from "../../worker/api.ts";
import { chunksOf } from "./attachments.ts";
import type { TenantCore } from "./core.ts";
import { settleUnjudged } from "./file-standing.ts";

type AttachmentState = Extract<WorkerEvent, { readonly kind: "file" }>["state"];

/** much that changes at once is told once */
const soonMs = 50;

/** Follows what is kept of one tenant's files. */
export class KeptFiles {
  readonly #core: TenantCore;
  readonly #hooks: { readonly onStatus: () => void; readonly emit: (event: WorkerEvent) => void };
  readonly #parts = new Map<CommitHash, PartFacts>();
  readonly #watched = new Map<number, readonly CommitHash[]>();
  readonly #moved = new Set<CommitHash>();
  #sums: ChunkSums = noChunks;
  #budgetBytes: number | undefined;
  #unfollow: Release = () => undefined;
  #stage: "new" | "loading" | "loaded" | "closed" = "new";
  #timer: Release | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(
    core: TenantCore,
    hooks: { readonly onStatus: () => void; readonly emit: (event: WorkerEvent) => void },
  ) {
    this.#core = core;
    this.#hooks = hooks;
  }

  /** In sum; `undefined` before it is known. */
  get sums(): TenantStatus["files"] {
    if (this.#stage !== "loaded") return undefined;
    const { hereBytes, ...sums } = this.#sums;
    return { localBytes: hereBytes, ...sums, budgetBytes: this.#budgetBytes };
  }

  /** Weigh all that is there, once, and follow it from then on. */
  start(): void {
    if (this.#stage !== "new") return;
    this.#stage = "loading";
    const { world } = this.#core;
    this.#unfollow = shareChunkNews(world.env, chunksOf(this.#core), (commitHash) => {
      if (commitHash !== undefined) this.#moved.add(commitHash);
      this.#soon();
    });
    this.#run(async () => {
      for (const part of await chunksOf(this.#core).parts()) this.#weigh(part.commitHash, factsOf(part));
      if (this.#stage === "loading") this.#stage = "loaded";
    });
  }

  /** Tell of a file from now on, under a number: what is known, and each change. */
  watch(subscription: number, commitHashes: readonly CommitHash[]): void {
    this.#watched.set(subscription, commitHashes);
    this.start();
    if (this.#stage === "loaded") this.#tell(subscription, commitHashes);
  }

  unwatch(subscription: number): void {
    this.#watched.delete(subscription);
  }

  /** Commits were judged: see to what came before them. Before all is weighed the opening does it. @returns whether there was any */
  async settleUnjudged(): Promise<boolean> {
    if (this.#stage !== "loaded") return false;
    await this.settled();
    if (![...this.#parts.values()].some((part) => part.isUnjudged)) return false;
    await settleUnjudged(this.#core, chunksOf(this.#core));
    return true;
  }

  /** Set what is kept at most. */
  async limit(budgetBytes: number | undefined): Promise<void> {
    await chunksOf(this.#core).setBudget(budgetBytes);
    this.#soon();
    await this.settled();
  }

  /** All that changed so far is told. */
  async settled(): Promise<void> {
    this.#timer?.();
    this.#timer = undefined;
    this.#run(async () => undefined);
    await this.#running;
  }

  close(): void {
    this.#stage = "closed";
    this.#timer?.();
    this.#unfollow();
  }

  #soon(): void {
    if (this.#timer !== undefined || this.#stage === "closed") return;
    this.#timer = this.#core.world.env.setTimer(soonMs, () => {
      this.#timer = undefined;
      this.#run(async () => undefined);
    });
  }

  /** One after the other: first what is asked, then what moved meanwhile. What fails is done at the next change. */
  #run(step: () => Promise<void>): void {
    const run = async (): Promise<void> => {
      if (this.#stage === "closed") return;
      await step();
      await this.#catchUp();
    };
    this.#running = this.#running.then(run).catch((error: unknown) => {
      if (!isCofferError(error)) throw error;
    });
  }

  async #catchUp(): Promise<void> {
    const chunks = chunksOf(this.#core);
    const moved = [...this.#moved];
    this.#moved.clear();
    for (const commitHash of moved) {
      const part = await chunks.part(commitHash);
      this.#weigh(commitHash, part && factsOf(part));
    }
    this.#budgetBytes = await chunks.budget();
    const excess = this.#sums.hereBytes - (this.#budgetBytes ?? Infinity);
    // What goes is heard of as what moved.
    if (excess > 0 && this.#sums.freeableBytes > 0) await freeChunks(chunks, excess);
    for (const [subscription, commitHashes] of this.#watched) this.#tell(subscription, commitHashes);
    this.#hooks.onStatus();
  }

  #weigh(commitHash: CommitHash, facts: PartFacts | undefined): void {
    const before = this.#parts.get(commitHash);
    if (before !== undefined) this.#sums = addChunks(this.#sums, before, -1);
    if (facts === undefined) this.#parts.delete(commitHash);
    else {
      this.#parts.set(commitHash, facts);
      this.#sums = addChunks(this.#sums, facts);
    }
  }

  #tell(subscription: number, commitHashes: readonly CommitHash[]): void {
    const parts = commitHashes.map((commitHash) => this.#parts.get(commitHash));
    this.#hooks.emit({ kind: "file", subscription, state: stateOf(parts) });
  }
}

/** What is kept of a file whose parts weigh this; `undefined`: nothing is known of one here. */
export function stateOf(parts: readonly (PartFacts | undefined)[]): AttachmentState {
  const known = parts.flatMap((part) => part ?? []);
  const { hereBytes, unsafeBytes } = known.reduce((sum, part) => addChunks(sum, part), noChunks);
  const isWhole = known.length === parts.length && known.every((part) => part.hereBytes === part.totalBytes);
  return {
    place: isWhole ? "local" : hereBytes === 0 ? "remote" : "partly",
    localBytes: hereBytes,
    isSafe: unsafeBytes === 0,
    isPinned: parts.length > 0 && parts.every((part) => part?.isPinned === true),
  };
}
