/**
 * One document, or one branch of it, that a page watches: what the page was told last, and which of its drafts that contains.
 *
 * An update is made from what was told last, so each must reach the page in the order in which it was made. Events are posted a microtask
 * after they are emitted, replies some more after they are made; in between nothing is told of a document, since the tenant's queue
 * takes its next step's news from the store or from cryptography, which take a turn of the worker's loop.
 */
import type { DocId } from "../std/index.ts";
import type { DocSnapshot, DocUpdate, WorkerEvent } from "../../worker/api.ts";
import type { Line } from "./branches.ts";
import type { DatabaseSession } from "./database.ts";
import { missingSnapshot } from "./doc-snapshot.ts";
import { shapeSnapshot, type CompiledShape } from "./shape.ts";
import { isNews, updateOf } from "./told.ts";

/** What a page asks to watch. */
export interface DocRequest {
  readonly session: DatabaseSession;
  readonly docId: DocId;
  readonly line: Line;
  /** what the page's application makes of it */
  readonly shape: CompiledShape | undefined;
}

/** Tells a page of one document. */
export class WatchedDoc {
  readonly request: DocRequest;
  /** the heads after each of this page's drafts that a later one may stand on */
  readonly headsByDraft = new Map<number, readonly string[]>();
  readonly #subscription: number;
  readonly #emit: (event: WorkerEvent) => void;
  #told: DocSnapshot | undefined;
  #ackDraft = 0;
  #toldDraft = 0;

  constructor(subscription: number, request: DocRequest, emit: (event: WorkerEvent) => void) {
    this.#subscription = subscription;
    this.request = request;
    this.#emit = emit;
  }

  /** What the page shows first, in a reply. */
  begin(plain: DocSnapshot): DocSnapshot {
    this.#told = shapeSnapshot(this.request.shape, plain);
    return this.#told;
  }

  /** What the page shows with one of its drafts, in a reply. */
  acknowledge(draft: number, plain: DocSnapshot): DocUpdate {
    const now = shapeSnapshot(this.request.shape, plain);
    const update = updateOf(this.#told, now);
    this.#told = now;
    this.#ackDraft = draft;
    this.#toldDraft = draft;
    return update;
  }

  /** Tell the page what is new. */
  tell(plain: DocSnapshot): void {
    const now = shapeSnapshot(this.request.shape, plain);
    if (!isNews(this.#told, now) && this.#toldDraft === this.#ackDraft) return;
    const ackDraft = this.#ackDraft;
    this.#emit({
      kind: "doc",
      subscription: this.#subscription,
      update: updateOf(this.#told, now),
      ackDraft,
    });
    this.#told = now;
    this.#toldDraft = ackDraft;
  }

  /** Tell that there is nothing to show; what comes then is told whole. */
  tellNothing(status: "locked" | "failed"): void {
    const update: DocSnapshot = { ...missingSnapshot, status };
    this.#emit({ kind: "doc", subscription: this.#subscription, update, ackDraft: this.#ackDraft });
    this.#told = update;
  }
}
