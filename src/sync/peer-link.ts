/**
 * Keeps two stores alike over a channel, with no server and no key: rounds of questions, until neither lacks anything.
 *
 * ```
 *  asks                                       answers
 *  DATABASES: what is here ─────────────────►          a round begins
 *            ◄────────── DATABASES: what is here
 *  RANGES  ─────────────────────────────────►          of each database that differs, the directory first
 *            ◄────────────── PUSH …, RANGES …
 *  PUSH …  ─────────────────────────────────►          what the other lacks
 *            ◄──────────────────────── ACK …
 *  NOTE ────────────────────────────────────►          the round is over
 *            ◄────────────────────────── NOTE          something is new here: another round
 * ```
 *
 * Beside the rounds either side can ask for contents of files: see peer-files.ts.
 *
 * Guarantees
 * - L4 a link that is cut at any byte has stored whole commits only, and the next one goes on with what is left
 * - L5 a round ends: each question settles something or is the last (repair.ts); rounds begin at least 100 ms after one another
 */
import {
  CofferError,
  equalBytes,
  toCofferError,
  type CofferErrorCode,
  type DbId,
  type Release,
} from "../std/index.ts";
import { directoryDbId } from "../entry/index.ts";
import { defaultBringBytes, type IsPurged } from "./brought-files.ts";
import type { ChunkStore } from "./chunk-store.ts";
import type { StandingOf } from "./held-chunks.ts";
import { createDeviceSets, digestSets, type DeviceSets } from "./device-sets.ts";
import { syncLimits, type DatabaseDigest, type Frame } from "./messages.ts";
import { PeerFiles } from "./peer-files.ts";
import { answerPeer, keepCommits, readPush, type PeerPlace } from "./peer-store.ts";
import { PeerTalk, type PeerTalkOptions } from "./peer-talk.ts";
import { ReconcileSet } from "./reconcile-set.ts";
import { repairSet } from "./repair.ts";
import type { StoredPart } from "./stored-part.ts";

/** What a link is held over. */
export type PeerOptions = Omit<PeerPlace, "sets" | "room"> &
  PeerTalkOptions & {
    /** shared with other links of this store; default: its own */
    readonly sets?: DeviceSets | undefined;
    /** contents of files that are given and kept; default: none */
    readonly chunks?: ChunkStore | undefined;
    /** contents of files that may come by themselves, in bytes; default: 64 MiB */
    readonly bringBytes?: number | undefined;
    /** contents of files come and go only when they are read, and none by themselves; default: false */
    readonly isOnDemand?: boolean | undefined;
    /** Documents of which nothing is brought, see brought-files.ts; default: none. */
    readonly isPurged?: IsPurged | undefined;
    /** How it stands with commits that name contents of files; default: nobody knows, so that none are brought. */
    readonly standingOf?: StandingOf | undefined;
    /** Some of them came. */
    readonly onBrought?: (() => void) | undefined;
    /** what may come through this link; default: 1 GiB */
    readonly receiveBytes?: number | undefined;
    readonly onStatus?: ((status: PeerStatus) => void) | undefined;
  };

/** How a link between peers is doing. */
export interface PeerStatus {
  /** `live`: everything was asked when it was last looked; `closed`: for good, a new channel is needed */
  readonly phase: "connecting" | "syncing" | "live" | "closed";
  readonly sentCommits: number;
  readonly receivedCommits: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** why it closed; `undefined` when either side wanted it */
  readonly error: CofferErrorCode | undefined;
}

/** A link between two peers. */
export interface PeerLink {
  readonly status: PeerStatus;
  /** Resolves when a round that began after the call is over. @throws why the link closed, `aborted` when it was wanted */
  sync(): Promise<void>;
  /**
   * Ask for a chunk of a file, and keep it.
   *
   * @returns `undefined` when the other side has not got it
   * @throws why the link closed, `store/…`
   */
  fetch(part: StoredPart, index: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Bring what waited until it is known what was purged here, or how it stands with its commit. */
  bring(): void;
  /** Close it, because of this where it is not wanted: the other end is told. */
  close(code?: CofferErrorCode): void;
}

const pauseMs = 100;
const defaultReceiveBytes = 1024 ** 3;

/** Link a store with the peer at the other end of a channel, until either closes. */
export function linkPeer(options: PeerOptions): PeerLink {
  return new Link(options);
}

/** Who waits for the end of a round: from which round on it counts. */
interface Waiter {
  readonly fromRound: number;
  readonly resolve: () => void;
  readonly reject: (error: CofferError) => void;
}

class Link implements PeerLink {
  readonly #options: PeerOptions;
  readonly #place: PeerPlace;
  readonly #talk: PeerTalk;
  readonly #files: PeerFiles;
  readonly #stopWatching: Release;
  #role: "unknown" | "asks" | "answers" = "unknown";
  #phase: PeerStatus["phase"] = "connecting";
  #error: CofferErrorCode | undefined;
  readonly #moved = { sentCommits: 0, receivedCommits: 0 };
  readonly #rounds = { begun: 0, isRunning: false, isWanted: false };
  #stopPause: Release = () => undefined;
  #waiters: readonly Waiter[] = [];

  constructor(options: PeerOptions) {
    const { chunks, store, tenantId, receiveBytes = defaultReceiveBytes } = options;
    this.#options = options;
    const sets = options.sets ?? createDeviceSets(store, tenantId);
    this.#place = { ...options, sets, room: { receiveBytes } };
    const { standingOf = () => "unknown" } = options;
    this.#files = new PeerFiles({
      env: options.env,
      place: chunks && { ...this.#place, chunks, standingOf },
      bringBytes: options.isOnDemand === true ? undefined : (options.bringBytes ?? defaultBringBytes),
      isPurged: options.isPurged ?? (async () => false),
      onBrought: () => options.onBrought?.(),
      say: (frame) => this.#talk.sayFile(frame),
      receivedBytes: () => this.#talk.moved.receivedBytes,
      end: (code) => this.#talk.end(code),
    });
    this.#stopWatching = store.onWrite(() => this.#tellNews());
    this.#talk = new PeerTalk(options, {
      onProven: (role) => {
        this.#role = role;
        this.#files.start();
        this.#show("syncing");
        if (role === "asks" || this.#waiters.length > 0) this.#tellNews();
      },
      answer: (question) => this.#answer(question),
      onNote: () => (this.#role === "asks" ? this.#tellNews() : this.#endRound()),
      onFile: (frame) => this.#files.take(frame),
      onEnd: (code) => this.#onEnd(code),
    });
  }

  get status(): PeerStatus {
    return { phase: this.#phase, ...this.#moved, ...this.#talk.moved, error: this.#error };
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#phase === "closed") return reject(new CofferError(this.#error ?? "aborted"));
      this.#waiters = [...this.#waiters, { fromRound: this.#rounds.begun + 1, resolve, reject }];
      this.#tellNews();
    });
  }

  fetch(part: StoredPart, index: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.#files.fetch(part, index);
  }

  bring(): void {
    this.#files.again();
  }

  close(code?: CofferErrorCode): void {
    this.#talk.end(code);
  }

  #show(phase: PeerStatus["phase"]): void {
    this.#phase = phase;
    this.#options.onStatus?.(this.status);
  }

  #onEnd(code: CofferErrorCode | undefined): void {
    this.#error = code;
    this.#stopWatching();
    this.#stopPause();
    this.#files.close(code);
    const waiters = this.#waiters;
    this.#waiters = [];
    this.#show("closed");
    for (const { reject } of waiters) reject(new CofferError(code ?? "aborted"));
  }

  /** Something may be new, here or there: who asks begins a round, or another one after the one that runs. */
  #tellNews(): void {
    if (this.#role === "answers") this.#talk.note();
    if (this.#role !== "asks") return;
    this.#rounds.isWanted = true;
    if (!this.#rounds.isRunning) void this.#runRounds();
  }

  /** The round that was begun last is over: whoever asked before it began has what they wanted. */
  #endRound(): void {
    const { begun } = this.#rounds;
    this.#show("live");
    this.#files.ready();
    const done = this.#waiters.filter(({ fromRound }) => fromRound <= begun);
    this.#waiters = this.#waiters.filter(({ fromRound }) => fromRound > begun);
    for (const { resolve } of done) resolve();
  }

  async #answer(question: readonly Frame[]): Promise<readonly Frame[]> {
    if (question[0]?.type === "databases") this.#rounds.begun += 1;
    const answer = await answerPeer(this.#place, question);
    this.#count(answer, question);
    return answer;
  }

  async #ask(question: readonly Frame[]): Promise<readonly Frame[]> {
    const answer = await this.#talk.ask(question);
    this.#count(question, answer);
    return answer;
  }

  #count(sent: readonly Frame[], received: readonly Frame[]): void {
    const count = (frames: readonly Frame[]): number =>
      frames.reduce((sum, frame) => sum + (frame.type === "push" ? frame.commits.length : 0), 0);
    this.#moved.sentCommits += count(sent);
    this.#moved.receivedCommits += count(received);
  }

  async #runRounds(): Promise<void> {
    const rounds = this.#rounds;
    rounds.isRunning = true;
    try {
      while (rounds.isWanted && this.#phase !== "closed") {
        rounds.isWanted = false;
        rounds.begun += 1;
        await this.#round();
        this.#talk.note();
        this.#endRound();
        await this.#pause();
      }
    } catch (error) {
      this.#talk.end(toCofferError(error, "store/failed").code);
    }
    rounds.isRunning = false;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.#options.env.setTimer(pauseMs, resolve);
      this.#stopPause = () => {
        stop();
        resolve();
      };
    });
  }

  async #round(): Promise<void> {
    const { crypto, tenantId } = this.#options;
    const own = digestSets(crypto, await this.#place.sets.read()).slice(0, syncLimits.databasesPerTenant);
    const [first, end] = await this.#ask([{ type: "databases", databases: own }]);
    if (first?.type !== "databases" || end?.type !== "end") throw new CofferError("protocol/malformed");
    for (const dbId of differing(own, first.databases, directoryDbId(crypto, tenantId))) {
      this.#show("syncing");
      await this.#repair(dbId);
    }
  }

  async #repair(dbId: DbId): Promise<void> {
    const { crypto, tenantId } = this.#options;
    const set = (await this.#place.sets.read()).get(dbId)?.set ?? ReconcileSet.of([]);
    const { missingThere } = await repairSet({
      crypto,
      tenantId,
      dbId,
      set,
      ask: (frame) => this.#ask([frame]),
      receive: (commits) => keepCommits(this.#place, dbId, commits),
    });
    for (let left = missingThere; left.length > 0;) {
      const { frames, rest } = await readPush(this.#place, dbId, left);
      if (frames.length === 0) return;
      const answer = await this.#ask(frames);
      if (answer.some(({ type }) => type !== "ack" && type !== "end"))
        throw new CofferError("protocol/malformed");
      left = rest;
    }
  }
}

/** The databases that are not the same on both sides, the directory first. */
function differing(
  own: readonly DatabaseDigest[],
  theirs: readonly DatabaseDigest[],
  directory: DbId,
): readonly DbId[] {
  const ownById = new Map(own.map((one) => [one.dbId, one]));
  const theirsById = new Map(theirs.map((one) => [one.dbId, one]));
  return [...new Set([...ownById.keys(), ...theirsById.keys()])]
    .filter((dbId) => {
      const [here, there] = [ownById.get(dbId), theirsById.get(dbId)];
      if (here === undefined || there === undefined) return (here ?? there)?.size !== 0;
      return here.size !== there.size || !equalBytes(here.digest, there.digest);
    })
    .toSorted((a, b) => Number(b === directory) - Number(a === directory));
}
