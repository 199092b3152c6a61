/** Tells a page which documents changed, in batches: one event for each side, here and elsewhere, per frame of the worker's loop. */
import type { DocId, Env, Release } from "../std/index.ts";
import type { WorkerEvent } from "../../worker/api.ts";
import type { DatabaseSession } from "./database.ts";

const pauseMs = 16;

interface Listening {
  readonly database: DatabaseSession;
  readonly here: Set<DocId>;
  readonly elsewhere: Set<DocId>;
}

/** Gathers the changes of the databases that a page listens to. */
export class ChangeNews {
  readonly #env: Env;
  readonly #emit: (event: WorkerEvent) => void;
  readonly #listening = new Map<number, Listening>();
  #timer: Release | undefined;

  constructor(env: Env, emit: (event: WorkerEvent) => void) {
    this.#env = env;
    this.#emit = emit;
  }

  /** Tell of a database from now on, under a subscription of it. */
  listen(subscription: number, database: DatabaseSession): void {
    if (this.#listening.has(subscription)) return;
    this.#listening.set(subscription, { database, here: new Set(), elsewhere: new Set() });
  }

  /** Tell no more; what was gathered is not told. */
  unlisten(subscription: number): void {
    this.#listening.delete(subscription);
  }

  /** Documents changed. `isLocal`: written by this worker. */
  note(database: DatabaseSession, docIds: readonly DocId[], isLocal: boolean): void {
    for (const listening of this.#listening.values()) {
      if (listening.database !== database) continue;
      for (const docId of docIds) (isLocal ? listening.here : listening.elsewhere).add(docId);
      this.#timer ??= this.#env.setTimer(pauseMs, () => this.#tell());
    }
  }

  close(): void {
    this.#timer?.();
    this.#timer = undefined;
    this.#listening.clear();
  }

  #tell(): void {
    this.#timer = undefined;
    for (const [subscription, { here, elsewhere }] of this.#listening) {
      for (const docIds of [here, elsewhere]) {
        if (docIds.size === 0) continue;
        this.#emit({ kind: "changes", subscription, docIds: [...docIds], isLocal: docIds === here });
        docIds.clear();
      }
    }
  }
}
