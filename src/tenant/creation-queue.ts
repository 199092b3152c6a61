/**
 * Creations of one database that wait for their turn in the tenant's queue. Those that come while others are being stored go on in the
 * same turn, so that encoding and sealing never wait for the disk:
 *
 * ```
 *   turn ─┬ encode, seal A ┬ encode, seal B ┬ …          ┌─ end of the turn
 *         └                └ store A ───────┘ └ store B ─┘
 * ```
 *
 * Guarantees
 * - Q1 creations are stored in the order in which they came; each ends when its own documents are durable
 * - Q2 the creations of one run are one work: once one of them failed, none that came behind it is stored
 * - Q3 a turn takes in so many creations at most, so that an edit does not wait for the end of an import
 */
import type { DocId } from "../std/index.ts";
import type { DraftValue } from "../draft/index.ts";
import type { BegunDocuments } from "./creating.ts";

const creationsPerTurn = 4;
const maxFailedRuns = 256;

/** Documents that are to be created. */
export interface Creation {
  readonly values: readonly DraftValue[];
  readonly keyName: string;
  /** a number that the parts of one work share */
  readonly run?: number | undefined;
}

interface Waiting extends Creation {
  resolve(docIds: readonly DocId[]): void;
  reject(error: unknown): void;
}

/** Encodes and seals documents, until `isOver`; resolves when they are on their way into the log. */
type Begin = (creation: Creation, isOver: () => boolean) => Promise<BegunDocuments>;

/** The creations of one database that wait. */
export class CreationQueue {
  readonly #begin: Begin;
  readonly #waiting: Waiting[] = [];
  readonly #failedRuns = new Set<number>();

  constructor(begin: Begin) {
    this.#begin = begin;
  }

  /** Create documents; `exclusive` runs a step in the tenant's queue, or rejects. Resolves when all are durable. */
  create(
    creation: Creation,
    exclusive: (step: () => Promise<void>) => Promise<void>,
  ): Promise<readonly DocId[]> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { ...creation, resolve, reject };
      this.#waiting.push(waiting);
      exclusive(() => this.#turn(waiting)).catch((error: unknown) => {
        const index = this.#waiting.indexOf(waiting);
        if (index >= 0) this.#waiting.splice(index, 1);
        reject(error);
      });
    });
  }

  async #turn(own: Waiting): Promise<void> {
    // The turn before took it along.
    if (!this.#waiting.includes(own)) return;
    const ends: Promise<void>[] = [];
    for (let count = 0; count < creationsPerTurn; count++) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      const { stored } = await this.#start(next);
      ends.push(this.#finish(next, stored));
    }
    await Promise.all(ends);
  }

  async #start(creation: Creation): Promise<BegunDocuments> {
    const isOver = (): boolean => creation.run !== undefined && this.#failedRuns.has(creation.run);
    try {
      return await this.#begin(creation, isOver);
    } catch (error) {
      return { stored: Promise.reject(error) };
    }
  }

  async #finish(waiting: Waiting, stored: BegunDocuments["stored"]): Promise<void> {
    try {
      waiting.resolve(await stored);
    } catch (error) {
      if (waiting.run !== undefined) this.#noteFailed(waiting.run);
      waiting.reject(error);
    }
  }

  #noteFailed(run: number): void {
    this.#failedRuns.add(run);
    const [oldest] = this.#failedRuns;
    if (this.#failedRuns.size > maxFailedRuns && oldest !== undefined) this.#failedRuns.delete(oldest);
  }
}
