/**
 * The chunks of a tenant's files on their way: sent to its servers once their commits are there, fetched when somebody reads them, from a
 * server or from a peer.
 *
 * ```
 * log synchronised ─┐
 * a file was named ─┼─► a round on each server ─► all sent: nothing more to do
 * a while passed ───┘            └── stopped ─► again after a while, twice as long each time
 * ```
 */
import { CofferError, toCofferError, type CofferErrorCode, type Release } from "../std/index.ts";
import {
  ChunkLink,
  createChunkQuestion,
  type HttpTransport,
  type LinkProgress,
  type Signer,
  type StoredPart,
} from "../sync/index.ts";
import { chunksOf } from "./attachments.ts";
import type { TenantCore } from "./core.ts";
import type { Peers } from "./peers.ts";

const firstWaitMs = 1000;
const longestWaitMs = 5 * 60 * 1000;
/** no waiting helps against these: the next change of the link's status does */
const hopeless: readonly CofferErrorCode[] = ["access/revoked", "access/denied", "aborted", "store/closed"];

/** One server. */
interface Way {
  readonly link: ChunkLink;
  readonly abort: AbortController;
  waitMs: number;
  timer: Release;
  isRunning: boolean;
  isWanted: boolean;
  /** as its link says: it is asked after the peers */
  isOffline: boolean;
}

/** Moves the chunks of one tenant. */
export class ChunkLinks {
  readonly #core: TenantCore;
  readonly #peers: Pick<Peers, "fetch">;
  readonly #ways = new Map<string, Way>();

  constructor(core: TenantCore, peers: Pick<Peers, "fetch">) {
    this.#core = core;
    this.#peers = peers;
  }

  /** Move chunks to and from a server too. */
  add(url: string, http: HttpTransport, signer: Signer): void {
    const { store, tenantId, world } = this.#core;
    if (http.chunks === undefined || this.#ways.has(url)) return;
    const { crypto, env } = world;
    const parts = { env, crypto, store, chunks: chunksOf(this.#core), http, tenantId, signer };
    const link = new ChunkLink({ ...parts, askFirst: createChunkQuestion() });
    const timer = (): void => undefined;
    const abort = new AbortController();
    const state = { isRunning: false, isWanted: false, isOffline: false };
    this.#ways.set(url, { link, abort, waitMs: firstWaitMs, timer, ...state });
  }

  /** The log of a link moved: once nothing of it waits, its files may follow. */
  heard(url: string, { pendingPush, phase, verifiedCompleteAtMs }: LinkProgress): void {
    const way = this.#ways.get(url);
    if (way !== undefined) way.isOffline = phase === "offline";
    const isThere = pendingPush === 0 && (phase === "live" || verifiedCompleteAtMs !== undefined);
    if (way !== undefined && isThere && phase !== "offline" && phase !== "denied") this.#wake(way);
  }

  /** Something waits to be sent. */
  wake(): void {
    for (const way of this.#ways.values()) this.#wake(way);
  }

  /** Send what waits to a server, and wait for it. @throws what stopped it */
  async sync(url: string): Promise<void> {
    const round = await this.#ways.get(url)?.link.push(undefined, true);
    if (round?.code !== undefined && round.code !== "directory/behind") throw new CofferError(round.code);
  }

  /**
   * Fetch a chunk from whichever server has it, or else from a peer: what a server hands out is known to be there. Peers come before servers
   * that cannot be reached.
   *
   * @throws `net/offline` when nobody has it, `net/…`
   */
  async fetch(part: StoredPart, index: number): Promise<Uint8Array<ArrayBuffer>> {
    const ways = [...this.#ways.values()];
    const near = await this.#fetchFrom(
      ways.filter(({ isOffline }) => !isOffline),
      part,
      index,
    );
    if (near instanceof Uint8Array) return near;
    const brought = await this.#peers.fetch(part, index);
    if (brought !== undefined) {
      // No server has shown yet that it holds it.
      this.wake();
      return brought;
    }
    const far = await this.#fetchFrom(
      ways.filter(({ isOffline }) => isOffline),
      part,
      index,
    );
    if (far instanceof Uint8Array) return far;
    throw far ?? near ?? new CofferError("net/offline", { what: "attachment" });
  }

  /** @returns what the last of them failed with, if it was more than that it has not got it */
  async #fetchFrom(
    ways: readonly Way[],
    part: StoredPart,
    index: number,
  ): Promise<Uint8Array<ArrayBuffer> | CofferError | undefined> {
    let failure: CofferError | undefined;
    for (const { link } of ways) {
      try {
        return await link.fetch(part, index);
      } catch (error) {
        const told = toCofferError(error);
        // Who brings it has not been there yet, as far as this server knows.
        if (told.code !== "input/unknown-id") failure = told;
      }
    }
    return failure;
  }

  remove(url: string): void {
    const way = this.#ways.get(url);
    this.#ways.delete(url);
    way?.timer();
    way?.abort.abort();
  }

  close(): void {
    for (const url of this.#ways.keys()) this.remove(url);
    chunksOf(this.#core).close();
  }

  #wake(way: Way): void {
    way.isWanted = true;
    if (way.isRunning) return;
    way.isRunning = true;
    way.timer();
    void this.#run(way);
  }

  async #run(way: Way): Promise<void> {
    let code: CofferErrorCode | undefined;
    while (way.isWanted && !way.abort.signal.aborted) {
      way.isWanted = false;
      ({ code } = await way.link.push(way.abort.signal));
    }
    way.isRunning = false;
    if (code === undefined) way.waitMs = firstWaitMs;
    if (code === undefined || hopeless.includes(code) || way.abort.signal.aborted) return;
    const { env } = this.#core.world;
    way.timer = env.setTimer(way.waitMs * (0.5 + env.randomFraction()), () => this.#wake(way));
    way.waitMs = Math.min(way.waitMs * 2, longestWaitMs);
  }
}
