/**
 * Contents of files that a peer holds and this device lacks, brought by themselves once the documents are there.
 *
 * ```
 *  HELD: commits, the newest first, of those the smallest ─►  lacking here? ─► asked for, four chunks at a time ─► kept
 * ```
 *
 * Guarantees
 * - R1 nothing is brought that this device let go, that would not fit into its budget, or beyond so many bytes in a link's life
 * - R2 what was begun is finished: a link that broke, or a part of a film that was looked at
 * - R3 a list without end is the end of the link; what waits in it is a name, and one whose commit is not here costs a look at the log's index
 *      after each round
 * - R4 nothing of a document that was purged here is brought or stays: it is asked before, and again once something was kept. Where that is
 *      not known, as on a locked device, nothing is brought before it is
 * - R5 nothing is brought of a commit before it was judged accepted; one that waits keeps no other from being brought
 */
import { CofferError, isCofferError, type DocId } from "../std/index.ts";
import { factsOf } from "./chunk-eviction.ts";
import { heldParts, wantedChunks, type FileFrame, type NamedPart } from "./file-frames.ts";
import { findPart, keepHeld, type HeldPlace } from "./held-chunks.ts";
import { byTurn, type StoredPart } from "./stored-part.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What is brought in a link's life where nothing is said: as much as goes into a bundle. */
export const defaultBringBytes = 64 * 1024 * 1024;

/** names of parts that wait to be looked at; more are told by nobody */
const maxWaiting = 8000;

/** Whether a document was purged on this device, by its user or by the admin's word; `undefined` while that is not known. */
export type IsPurged = (docId: DocId) => Promise<boolean | undefined>;

/** How files are brought. */
export interface BroughtOptions {
  readonly place: HeldPlace;
  /** at most so many bytes */
  readonly bringBytes: number;
  readonly isPurged: IsPurged;
  /** Ask the other side. @throws why the link ended */
  readonly ask: (part: StoredPart, indexes: readonly number[]) => Promise<readonly (Bytes | undefined)[]>;
  /** Something was brought. */
  readonly onBrought: () => void;
}

/** The commits of whose chunks some are here, as HELD tells them. */
export async function listHeld({ chunks }: Pick<HeldPlace, "chunks">): Promise<readonly FileFrame[]> {
  const parts = (await chunks.parts())
    .filter(isTold)
    .toSorted(byTurn)
    .slice(0, maxWaiting / 2);
  const frames: FileFrame[] = [];
  for (let at = 0; at < parts.length; at += heldParts)
    frames.push({ type: "held", parts: parts.slice(at, at + heldParts) });
  return frames;
}

/** Whether a part is told of: a document names it, and something of it is here. */
export function isTold({ chunks, isNamed }: StoredPart): boolean {
  return isNamed && chunks.some(({ isHere }) => isHere);
}

/** What one link brings by itself. */
export class BroughtFiles {
  readonly #options: BroughtOptions;
  /** of commits that are not here */
  #waiting: readonly NamedPart[] = [];
  /** of commits that are */
  #due: NamedPart[] = [];
  #leftBytes: number;
  #isReady = false;
  #isRunning = false;
  /** something changed while it ran */
  #isWanted = false;

  constructor(options: BroughtOptions) {
    this.#options = options;
    this.#leftBytes = options.bringBytes;
  }

  /** The other side says what it holds. @throws `protocol/malformed` when that has no end */
  hear(parts: readonly NamedPart[]): void {
    this.#waiting = [...this.#waiting, ...parts];
    if (this.#waiting.length + this.#due.length > maxWaiting)
      throw new CofferError("protocol/malformed", { reason: "held" });
    if (this.#isReady) void this.#run();
  }

  /** The documents of the other side are here: what they name may follow. */
  ready(): void {
    this.#isReady = true;
    void this.#run();
  }

  /** What could not be told of this device's documents, or of a commit, can be told now. */
  again(): void {
    if (this.#isReady) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isWanted = true;
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      while (this.#isWanted) await this.#look();
    } catch (error) {
      // The link is over, or the disk: the next link goes on.
      if (!isCofferError(error)) throw error;
      this.#leftBytes = 0;
    }
    this.#isRunning = false;
  }

  /** Look at all that waits, once: at what the log has. */
  async #look(): Promise<void> {
    this.#isWanted = false;
    const sets = await this.#options.place.sets.read();
    const isInLog = ({ commitHash, dbId }: NamedPart): boolean =>
      sets.get(dbId)?.positions.has(commitHash) === true;
    this.#due = [...this.#due, ...this.#waiting.filter(isInLog)];
    // Their commits may come with the next round.
    this.#waiting = this.#waiting.filter((named) => !isInLog(named));
    const unjudged: NamedPart[] = [];
    for (let [next] = this.#due; next !== undefined; [next] = this.#due) {
      const part = await this.#lacking(next);
      // Of the others it is not known either.
      if (part === "unsure") break;
      this.#due.shift();
      if (part === "unjudged") unjudged.push(next);
      else if (part !== "nothing" && !(await this.#bring(part))) this.#leftBytes = 0;
    }
    this.#due = [...unjudged, ...this.#due];
  }

  /** R1, R4, R5 */
  async #lacking(named: NamedPart): Promise<StoredPart | "nothing" | "unjudged" | "unsure"> {
    const { isPurged, place } = this.#options;
    const standing = place.standingOf(named);
    if (standing !== "accepted") return standing === "refused" ? "nothing" : "unjudged";
    const known = await place.chunks.part(named.commitHash);
    const isWanted = known === undefined || known.isPinned || known.chunks.some(({ isHere }) => isHere);
    if (!isWanted) return "nothing";
    // What came before its commit was judged counts from now on.
    const part = known ? { ...known, isNamed: true, isOwn: true } : await findPart(place, named);
    // No part of a file, or nothing that goes to others: it becomes neither.
    if (part === undefined) return "nothing";
    const { hereBytes, totalBytes } = factsOf(part);
    const lackingBytes = totalBytes - hereBytes;
    if (lackingBytes === 0 || lackingBytes > this.#leftBytes) return "nothing";
    const isGone = await isPurged(part.docId);
    if (isGone !== false) return isGone === true ? "nothing" : "unsure";
    const budget = await place.chunks.budget();
    if (budget === undefined) return part;
    const kept = (await place.chunks.parts()).reduce((sum, one) => sum + factsOf(one).hereBytes, 0);
    return kept + lackingBytes > budget ? "nothing" : part;
  }

  /** @returns whether there was room for it */
  async #bring(part: StoredPart): Promise<boolean> {
    const { ask, isPurged, onBrought, place } = this.#options;
    const indexes = part.chunks.flatMap(({ isHere }, index) => (isHere ? [] : [index]));
    for (let at = 0; at < indexes.length; at += wantedChunks) {
      const some = indexes.slice(at, at + wantedChunks);
      const found = await ask(part, some);
      const bytes = new Map<number, Bytes>();
      for (const [turn, index] of some.entries()) {
        const chunk = found[turn];
        if (chunk !== undefined) bytes.set(index, chunk);
        this.#leftBytes -= chunk?.length ?? 0;
      }
      if (bytes.size === 0) return true;
      if (!(await keepHeld(place, part, bytes))) return false;
      // Whoever purged it while this came may have erased before this was kept.
      if ((await isPurged(part.docId)) !== true) continue;
      await place.chunks.erase([part]);
      return true;
    }
    onBrought();
    return true;
  }
}
