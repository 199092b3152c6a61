/**
 * Contents of files between two peers: beside the rounds of peer-link.ts, each side can ask the other for chunks of commits that both have.
 *
 * ```
 *  FILES  ──────────────────────►◄────  FILES     who holds contents of files says so once; nobody else is asked
 *  HELD   ──────────────────────►◄────  HELD      of which commits, and what came later: see brought-files.ts
 *  WANT   one commit, 1…4 chunks ─►               one question at a time, each way
 *          ◄───────────────── CHUNK, CHUNK …      one for each that was asked for, in order; an empty one is not to be had
 * ```
 *
 * Guarantees
 * - F1 a chunk is given where its commit is given too: to who has shown that it knows the tenant; see held-chunks.ts
 * - F2 what comes is what was asked for, in order, of the size and with the hash that its commit says, or the link ends: `protocol/malformed`
 *      for what nobody asked for, `entry/corrupt` for other bytes, `net/timeout` after 20 s of silence, and after 120 s in any case
 * - F3 neither side holds more than one question's chunks, and nobody asks again before the answer: a question is at most 1.2 MB. What was
 *      given and is not read is bounded where it waits: C5 of std/peer-channel.ts
 * - F4 each chunk is kept before the next one is asked for: a link that broke costs one question at most, and the next one goes on behind it
 * - F5 what came from a peer counts as no server's receipt
 * - F6 what either side does not want on the link is not on it: who wants no contents of files never says FILES, so is not asked, and asks for
 *      none; who wants them only when they are read says no HELD and hears none
 */
import {
  CofferError,
  toCofferError,
  type CofferErrorCode,
  type CommitHash,
  type Env,
  type Release,
} from "../std/index.ts";
import { BroughtFiles, isTold, listHeld, type IsPurged } from "./brought-files.ts";
import type { ChunkFrame, FileFrame } from "./file-frames.ts";
import { isChunk, keepHeld, readHeld, type HeldPlace } from "./held-chunks.ts";
import type { StoredPart } from "./stored-part.ts";

/** What contents of files are asked for and given over. */
export interface PeerFilesOptions {
  readonly env: Pick<Env, "setTimer">;
  /** what this side gives from and keeps in; `undefined`: it holds none */
  readonly place: HeldPlace | undefined;
  /** bytes that may come by themselves in the link's life; `undefined`: nothing comes or goes by itself (F6) */
  readonly bringBytes: number | undefined;
  readonly isPurged: IsPurged;
  readonly onBrought: () => void;
  readonly say: (frame: FileFrame) => void;
  /** bytes that came on the link so far, whatever they were */
  readonly receivedBytes: () => number;
  /** The other side lies: end the link. */
  readonly end: (code: CofferErrorCode) => void;
}

type Bytes = Uint8Array<ArrayBuffer>;

interface Question {
  readonly part: StoredPart;
  readonly indexes: readonly number[];
  readonly found: (Bytes | undefined)[];
  readonly resolve: (found: readonly (Bytes | undefined)[]) => void;
  readonly reject: (error: CofferError) => void;
}

const silenceMs = 20_000;
const longestMs = 120_000;

/** One side's questions and answers on one link. */
export class PeerFiles {
  readonly #options: PeerFilesOptions;
  /** the first was asked, the others wait */
  #questions: readonly Question[] = [];
  /** what the other side is told to give, or `undefined` before it said that it gives anything */
  #state: "unknown" | "open" | "over" = "unknown";
  #isGiving = false;
  #stopTimer: Release = () => undefined;
  #unfollow: Release = () => undefined;
  readonly #brought: BroughtFiles | undefined;

  constructor(options: PeerFilesOptions) {
    this.#options = options;
    const { bringBytes, isPurged, onBrought, place } = options;
    const ask: PeerFiles["ask"] = (part, indexes) => this.ask(part, indexes);
    if (place !== undefined && bringBytes !== undefined)
      this.#brought = new BroughtFiles({ place, bringBytes, isPurged, onBrought, ask });
  }

  /** The other side has shown that it knows the tenant. */
  start(): void {
    const { place, say } = this.#options;
    if (place === undefined || this.#state === "over") return;
    say({ type: "files" });
    if (this.#brought === undefined) return;
    const told = new Set<CommitHash>();
    const tell = (frames: readonly FileFrame[]): void => {
      for (const frame of frames) if (this.#state !== "over") say(frame);
    };
    this.#unfollow = place.chunks.onChange((commitHash) => {
      if (commitHash === undefined || told.has(commitHash)) return;
      place.chunks.part(commitHash).then(
        (part) => {
          // What is still coming is told of once it is whole.
          const isWhole = part?.chunks.every(({ isHere }) => isHere) === true;
          if (part === undefined || !isWhole || !isTold(part) || told.has(commitHash)) return;
          told.add(commitHash);
          tell([{ type: "held", parts: [part] }]);
        },
        () => undefined,
      );
    });
    listHeld(place).then(tell, () => undefined);
  }

  /** A round is over: what the other side has is in the log. */
  ready(): void {
    this.#brought?.ready();
  }

  /** What could not be told of this device's documents, or of a commit, can be told now. */
  again(): void {
    this.#brought?.again();
  }

  /**
   * Ask for a chunk, and keep it.
   *
   * @returns `undefined` when the other side has not got it, or holds no contents of files
   * @throws why the link ended, `store/…`
   */
  async fetch(part: StoredPart, index: number): Promise<Bytes | undefined> {
    const { place } = this.#options;
    if (place === undefined || this.#state !== "open" || part.chunks[index] === undefined) return undefined;
    const [bytes] = await this.ask(part, [index]);
    // On a full disk it is shown, and fetched again the next time.
    if (bytes !== undefined) await keepHeld(place, part, new Map([[index, bytes]]));
    return bytes;
  }

  /** Ask for chunks of a part, at most four. @returns those that were to be had, verified, in that order @throws why the link ended */
  ask(part: StoredPart, indexes: readonly number[]): Promise<readonly (Bytes | undefined)[]> {
    return new Promise((resolve, reject) => {
      if (this.#state !== "open") return reject(new CofferError("aborted"));
      this.#questions = [...this.#questions, { part, indexes, found: [], resolve, reject }];
      if (this.#questions.length === 1) this.#ask();
    });
  }

  /** Take what came. */
  take(frame: FileFrame): void {
    if (frame.type === "chunk") this.#takeChunk(frame);
    else if (frame.type === "want") void this.#give(frame);
    else if (frame.type === "held") this.#hear(frame.parts);
    else if (this.#state === "unknown") this.#state = "open";
  }

  #hear(parts: Extract<FileFrame, { type: "held" }>["parts"]): void {
    try {
      // Who has not said that it holds any, holds none.
      if (this.#state === "open") this.#brought?.hear(parts);
    } catch (error) {
      this.#options.end(toCofferError(error).code);
    }
  }

  /** The link is over. */
  close(code: CofferErrorCode | undefined): void {
    this.#state = "over";
    this.#stopTimer();
    this.#unfollow();
    const questions = this.#questions;
    this.#questions = [];
    for (const { reject } of questions) reject(new CofferError(code ?? "aborted"));
  }

  #ask(): void {
    const [question] = this.#questions;
    if (question === undefined) return;
    const { commitHash, dbId } = question.part;
    const { receivedBytes } = this.#options;
    const wait = (leftMs: number, heardBytes: number): void => {
      this.#stopTimer = this.#options.env.setTimer(silenceMs, () => {
        if (receivedBytes() === heardBytes || leftMs <= 0) this.#options.end("net/timeout");
        else wait(leftMs - silenceMs, receivedBytes());
      });
    };
    wait(longestMs - silenceMs, receivedBytes());
    this.#options.say({ type: "want", dbId, commitHash, indexes: question.indexes });
  }

  #takeChunk({ ciphertext, commitHash, dbId, index }: ChunkFrame): void {
    const [question] = this.#questions;
    const due = question?.indexes[question.found.length];
    const { place } = this.#options;
    if (question === undefined || place === undefined || due !== index)
      return this.#options.end("protocol/malformed");
    const { part } = question;
    const chunk = part.chunks[index];
    if (part.commitHash !== commitHash || part.dbId !== dbId || chunk === undefined)
      return this.#options.end("protocol/malformed");
    if (ciphertext !== undefined && !isChunk(place.crypto, chunk, ciphertext))
      return this.#options.end("entry/corrupt");
    question.found.push(ciphertext);
    if (question.found.length < question.indexes.length) return;
    this.#stopTimer();
    this.#questions = this.#questions.slice(1);
    question.resolve(question.found);
    this.#ask();
  }

  async #give({ commitHash, dbId, indexes }: Extract<FileFrame, { type: "want" }>): Promise<void> {
    const { place, say } = this.#options;
    // Whoever holds none has not said that it does.
    if (place === undefined || this.#isGiving) return this.#options.end("protocol/malformed");
    this.#isGiving = true;
    // What cannot be read here is not to be had here.
    const held = await readHeld(place, { commitHash, dbId }, indexes).catch(() => []);
    this.#isGiving = false;
    if (this.#state === "over") return;
    for (const [at, index] of indexes.entries())
      say({ type: "chunk", dbId, commitHash, index, ciphertext: held[at] });
  }
}
