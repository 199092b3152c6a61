/**
 * A document on the page: what the worker said last, with this page's own drafts on top.
 *
 * ```
 *   base ──draft 7──▶ ──draft 8──▶ shown          heard meanwhile: withheld
 *   reply or event contains 8: pending is empty, the withheld state becomes the base, shown = base
 *   draft 7 fails: 7 and 8 are taken off and reject; shown = base, or what was withheld
 * ```
 *
 * D1 a draft is recorded upon what is shown: the base's heads, and the last pending draft
 * D2 while drafts are pending nothing else changes what is shown, unless the value goes away (locked,
 * deleted)
 * D3 every draft's promise settles: with its reply, with its failure, or with `worker/restarted`
 */
import { batch, computed, signal, type ReadonlySignal } from "@preact/signals-core";
import type { DocSnapshot } from "../../worker/api.ts";
import {
  recordDraft,
  shareStructure,
  type DocData,
  type Draft,
  type DraftOperation,
} from "../draft/index.ts";
import { CofferError, toCofferError, type CofferErrorCode, type Release } from "../std/index.ts";
import type { Lease } from "./pool.ts";
import { runCallers, type RestoreCall, type Session } from "./session.ts";
import type { Doc, DocStatus } from "./types.ts";

/** A document's value where its type is not known. */
export type DocValueObject = NonNullable<DocSnapshot["value"]>;

/** What a change gives. */
export interface ChangeReply {
  readonly heads: readonly string[];
}

/** How durable a change must be before its promise resolves. */
export type Durability = "relaxed" | "strict";

interface PendingDraft {
  readonly number: number;
  readonly optimistic: DocValueObject;
  resolve(reply: ChangeReply): void;
  reject(error: CofferError): void;
}

/** The state of one document, shared by its handles. */
export class DocCore {
  readonly id: string;
  readonly data = signal<DocValueObject | undefined>(undefined);
  readonly heads = signal<readonly string[]>([]);
  readonly status = signal<DocStatus>("loading");
  readonly lastChange = signal<DocSnapshot["lastChange"]>(undefined);
  readonly #session: Session;
  readonly #subscription: number;
  #base: DocSnapshot = { value: undefined, heads: [], status: "loading", lastChange: undefined };
  #withheld: DocSnapshot | undefined;
  #pending: PendingDraft[] = [];
  #settled: Promise<unknown> = Promise.resolve();
  readonly #unlisten: Release;

  constructor(session: Session, id: string) {
    this.#session = session;
    this.id = id;
    this.#subscription = session.nextNumber();
    this.#unlisten = session.listen(this.#subscription, (event) => {
      if (event.kind === "doc") this.hear(event.snapshot, event.ackDraft);
    });
  }

  /** Open it in the worker. @throws doc/missing and what else the worker says */
  async open(database: number): Promise<void> {
    try {
      this.hear(
        await this.#session.call((api) => api.openDocument(database, this.id, this.#subscription)),
        0,
      );
    } catch (cause) {
      this.#unlisten();
      throw cause;
    }
  }

  /** Close it once no draft is under way; its signals keep their last values. */
  async close(): Promise<void> {
    await this.#settled;
    this.#unlisten();
    await this.#session.call((api) => api.closeDocument(this.#subscription));
  }

  /** Record an edit, show it, send it. Rejects with what stopped it, after taking it back. */
  async change(edit: (draft: never) => void, durability: Durability): Promise<ChangeReply> {
    // During a restart nothing is recorded: it is not yet known upon what.
    if (!this.#session.isReady()) await this.#session.ready();
    const shown = this.data.peek();
    if (shown === undefined) throw unreadable(this.status.peek(), this.id);
    const { operations, optimistic } = runCallers(() =>
      recordDraft(shown, edit as (draft: Draft<DocValueObject>) => void),
    );
    if (operations.length === 0) return { heads: this.heads.peek() };
    const outcome = this.#send(operations, optimistic as DocValueObject, durability);
    this.#settled = Promise.allSettled([this.#settled, outcome]);
    return outcome;
  }

  /** Take in what the worker says; `ackDraft` is the last draft that it contains. */
  hear(snapshot: DocSnapshot, ackDraft: number): void {
    this.#pending = this.#pending.filter((draft) => draft.number > ackDraft);
    if (this.#pending.length > 0 && snapshot.value !== undefined) this.#withheld = snapshot;
    else this.#adopt(snapshot);
  }

  /**
   * Open it again in a new worker. Which of the pending drafts were stored is not known; where the document
   * now reads exactly as a draft left it, that one and those before it were. The others reject, and their
   * writer looks before writing again.
   */
  async restore(call: RestoreCall, database: number): Promise<void> {
    const snapshot = await call((api) => api.openDocument(database, this.id, this.#subscription));
    const lost = this.#pending;
    this.#pending = [];
    const hasMoved = !sameHeads(snapshot.heads, this.#base.heads);
    const reads = (draft: PendingDraft): boolean =>
      shareStructure(draft.optimistic, snapshot.value) === draft.optimistic;
    const storedCount = hasMoved ? lost.findLastIndex(reads) + 1 : 0;
    this.#adopt(snapshot);
    for (const [index, draft] of lost.entries()) {
      if (index < storedCount) draft.resolve({ heads: snapshot.heads });
      else draft.reject(new CofferError("worker/restarted", { message: restartedMessage }));
    }
  }

  /** Take back what is pending; the document cannot be had any more. */
  fail(error: CofferError): void {
    const status = error.code === "access/locked" ? "locked" : "failed";
    const value = status === "locked" ? undefined : this.#base.value;
    const lost = this.#pending;
    this.#adopt({ ...this.#base, value, status });
    for (const draft of lost) draft.reject(error);
  }

  #send(
    operations: readonly DraftOperation[],
    optimistic: DocValueObject,
    durability: Durability,
  ): Promise<ChangeReply> {
    const afterDraft = this.#pending.at(-1)?.number ?? 0;
    const message = {
      draft: this.#session.nextNumber(),
      baseHeads: this.#base.heads,
      afterDraft,
      operations,
      durability,
    };
    return new Promise((resolve, reject) => {
      const draft: PendingDraft = { number: message.draft, optimistic, resolve, reject };
      this.#pending.push(draft);
      this.#show();
      this.#session
        .call((api) => api.changeDocument(this.#subscription, message))
        .then(
          (reply) => this.#succeed(draft, reply),
          (cause: unknown) => this.#rollBack(draft, toCofferError(cause)),
        );
    });
  }

  /** The event that contains the draft usually came first (W1); then the reply has nothing new to show. */
  #succeed(
    draft: PendingDraft,
    reply: { readonly heads: readonly string[]; readonly snapshot: DocSnapshot },
  ): void {
    if (this.#pending.includes(draft)) this.hear(reply.snapshot, draft.number);
    draft.resolve({ heads: reply.heads });
  }

  #rollBack(draft: PendingDraft, error: CofferError): void {
    const index = this.#pending.indexOf(draft);
    if (index < 0) {
      draft.reject(error);
      return;
    }
    // A restart decides about all of them at once: see `restore`.
    if (error.code === "worker/restarted") return;
    const later = this.#pending.splice(index).slice(1);
    if (this.#pending.length === 0 && this.#withheld !== undefined) this.#adopt(this.#withheld);
    else this.#show();
    draft.reject(error);
    for (const one of later)
      one.reject(new CofferError("aborted", { message: abortedMessage }, { cause: error }));
  }

  #adopt(snapshot: DocSnapshot): void {
    this.#base = snapshot;
    this.#withheld = undefined;
    // What stays in flight while the value is away settles by its reply, and is never shown again.
    this.#pending = [];
    this.#show();
  }

  #show(): void {
    const { value, heads, status, lastChange } = this.#base;
    const shown = this.#pending.at(-1)?.optimistic ?? value;
    batch(() => {
      this.data.value = shareStructure(this.data.peek(), shown);
      if (!sameHeads(this.heads.peek(), heads)) this.heads.value = heads;
      this.status.value = this.#pending.length > 0 && status === "ready" ? "saving" : status;
      const before = this.lastChange.peek();
      if (before?.author !== lastChange?.author || before?.atMs !== lastChange?.atMs)
        this.lastChange.value = lastChange;
    });
  }
}

const abortedMessage = "An earlier edit failed, and this one with it. Try again.";
const restartedMessage =
  "The worker was restarted while this edit was being saved. Look before repeating it.";

function sameHeads(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((head, index) => head === other[index]);
}

function unreadable(status: DocStatus, docId: string): CofferError {
  const codes: Partial<Record<DocStatus, CofferErrorCode>> = {
    locked: "access/locked",
    "no-key": "key/missing",
    deleted: "doc/deleted",
  };
  return new CofferError(codes[status] ?? "doc/missing", { docId });
}

const leases = new WeakMap<object, Lease<DocCore>>();

/** Make a handle of a document out of a share of it. */
export function createDoc<T extends object>(lease: Lease<DocCore>): Doc<T> {
  const { id, heads, status, lastChange, data: plain } = lease.shared;
  const data = plain as ReadonlySignal<unknown> as ReadonlySignal<DocData<T> | undefined>;
  const doc: Doc<T> = {
    id,
    data,
    heads,
    status,
    lastChange,
    select: (pick) =>
      computed(() => {
        const now = data.value;
        return now === undefined ? undefined : pick(now);
      }),
    dispose: lease.release,
    [Symbol.dispose]: lease.release,
  };
  leases.set(doc, lease);
  return doc;
}

/**
 * Find the document behind a handle. @throws input/invalid for what is no handle, store/closed after its
 * disposal
 */
export function coreOf(doc: object): DocCore {
  const lease = leases.get(doc);
  if (lease === undefined)
    throw new CofferError("input/invalid", { message: "This is no document of CofferDB." });
  return lease.use();
}
