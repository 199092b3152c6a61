/**
 * A document on the page: what the worker said last, with this page's own drafts on top.
 *
 * ```
 *   base ──draft 7──▶ ──draft 8──▶ shown          heard meanwhile: withheld, patch upon patch
 *   reply or event contains 8: pending is empty, what was heard becomes the base, shown = base
 *   draft 7 fails: 7 and 8 are taken off and reject; shown = base, or what was heard since
 * ```
 *
 * D1 a draft is recorded upon what is shown: the base's heads, and the last pending draft
 * D2 while drafts are pending nothing else changes what is shown, unless the value goes away (locked,
 * deleted)
 * D3 every draft's promise settles: with its reply, with its failure, or with `worker/restarted`
 * D4 every update is applied to what was heard last (W6), whether it is shown or not; branches that it leaves
 * alone stay the same objects, and so does the base while drafts come and fail
 */
import { computed, effect, signal, type ReadonlySignal } from "@preact/signals-core";
import type { DocSnapshot, DocUpdate } from "../../worker/api.ts";
import {
  applyPatches,
  recordDraft,
  shareStructure,
  type Draft,
  type DraftOperation,
  type Mark,
  type Path,
  type RecordedDraft,
} from "../draft/index.ts";
import { CofferError, toCofferError, type Release } from "../std/index.ts";
import type { Attachment } from "./attachment-types.ts";
import { unreadable } from "./doc-errors.ts";
import { loadMore } from "./lazy.ts";
import { createParts } from "./parts.ts";
import type { Lease } from "./pool.ts";
import type { PageShape } from "./schema.ts";
import { inBackground, runCallers, type RestoreCall, type Session } from "./session.ts";
import type { WorkerCall } from "./supervisor.ts";
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

/** What an edit is held against. */
type EditShape = Pick<PageShape, "validateEdit"> | undefined;

/** Record an edit, and hold what it gives against the shape. @throws input/… whatever the edit throws */
export function recordEdit(
  before: DocValueObject,
  edit: (draft: never) => void,
  shape: EditShape,
): RecordedDraft<DocValueObject> {
  return runCallers(() => {
    const recorded = recordDraft<DocValueObject>(before, edit as (draft: Draft<DocValueObject>) => void);
    const optimistic = recorded.optimistic as DocValueObject;
    if (recorded.operations.length > 0) shape?.validateEdit(before, optimistic);
    return { ...recorded, optimistic };
  });
}

/** Which document it is, and what its edits are held against. */
export interface DocPlace {
  readonly id: string;
  readonly branchName: string | undefined;
  readonly shape: EditShape;
}

/** What a document shows. */
type Shown = Omit<DocSnapshot, "value" | "status"> & {
  readonly data: DocValueObject | undefined;
  readonly status: DocStatus;
};

/** The state of one document, shared by its handles. */
export class DocCore {
  readonly place: DocPlace;
  readonly subscription: number;
  /** one value for all that its handles show; parts that stay equal stay the same objects */
  readonly shown = signal<Shown>({
    data: undefined,
    heads: [],
    status: "loading",
    lastChange: undefined,
    branches: [],
  });
  readonly #session: Session;
  #base: DocSnapshot = {
    value: undefined,
    heads: [],
    status: "loading",
    lastChange: undefined,
    branches: [],
  };
  /** what the worker said last: the base, or what is withheld */
  #heard = this.#base;
  #pending: PendingDraft[] = [];
  #settled: Promise<unknown> = Promise.resolve();
  /** why a new worker could not open it */
  #failure: CofferError | undefined;
  readonly #unlisten: Release;

  constructor(session: Session, place: DocPlace) {
    this.#session = session;
    this.place = place;
    this.subscription = session.nextNumber();
    this.#unlisten = session.listen(this.subscription, (event) => {
      if (event.kind === "doc") this.hear(event.update, event.ackDraft);
    });
  }

  /** Open it in the worker. @throws doc/missing and what else the worker says */
  async open(call: RestoreCall, database: number): Promise<void> {
    try {
      this.hear(await this.#open(call, database), 0);
    } catch (cause) {
      this.#unlisten();
      throw cause;
    }
  }

  /** Close it once nothing of it is under way; its signals keep their last values. */
  async close(): Promise<void> {
    await this.#settled;
    this.#unlisten();
    await this.#session.call((api) => api.closeDocument(this.subscription));
  }

  /** Call the worker about this document, which stays open meanwhile. */
  async call<T>(run: WorkerCall<T>): Promise<T> {
    const outcome = this.#session.call(async (api) => {
      if (this.#failure !== undefined) throw this.#failure;
      return run(api);
    });
    return this.#track(outcome);
  }

  /** Record an edit, show it, send it. Rejects with what stopped it, after taking it back. */
  async change(edit: (draft: never) => void, durability?: Durability): Promise<ChangeReply> {
    // During a restart nothing is recorded: it is not yet known upon what.
    if (!this.#session.isReady()) await this.#session.ready();
    const { data, status, heads } = this.shown.peek();
    if (data === undefined) throw unreadable(status, this.place.id);
    const { operations, optimistic } = recordEdit(data, edit, this.place.shape);
    if (operations.length === 0) return { heads };
    return this.#track(this.#send(operations, optimistic, durability));
  }

  /** Take in what the worker says; `ackDraft` is the last draft that it contains. */
  hear(update: DocUpdate, ackDraft: number): void {
    this.#heard = follow(this.#heard, update);
    // In order, and there may be thousands: only those that go are looked at.
    while ((this.#pending[0]?.number ?? Infinity) <= ackDraft) this.#pending.shift();
    if (this.#pending.length === 0 || this.#heard.value === undefined) this.#adopt(this.#heard);
  }

  /**
   * Open it again in a new worker. Which of the pending drafts were stored is not known; where the document
   * now reads exactly as a draft left it, that one and those before it were. The others reject, and their
   * writer looks before writing again.
   */
  async restore(call: RestoreCall, database: number): Promise<void> {
    const snapshot = follow(this.#heard, await this.#open(call, database));
    const lost = this.#pending;
    const hasMoved = !isSame(this.#base.heads, snapshot.heads);
    const storedCount = hasMoved
      ? lost.findLastIndex((draft) => isSame(draft.optimistic, snapshot.value)) + 1
      : 0;
    this.#failure = undefined;
    this.#adopt(snapshot);
    for (const [index, draft] of lost.entries()) {
      if (index < storedCount) draft.resolve({ heads: snapshot.heads });
      else draft.reject(new CofferError("worker/restarted"));
    }
  }

  /** Take back what is pending; the document cannot be had any more. */
  fail(error: CofferError): void {
    this.#failure = error;
    const status = error.code === "access/locked" ? "locked" : "failed";
    const value = status === "locked" ? undefined : this.#base.value;
    const lost = this.#pending;
    this.#adopt({ ...this.#base, value, status });
    for (const draft of lost) draft.reject(error);
  }

  async #open(call: RestoreCall, database: number): Promise<DocSnapshot> {
    const { id, branchName } = this.place;
    return call((api) => api.openDocument(database, id, this.subscription, branchName));
  }

  #track<T>(outcome: Promise<T>): Promise<T> {
    this.#settled = Promise.allSettled([this.#settled, outcome]).then(() => undefined);
    return outcome;
  }

  #send(
    operations: readonly DraftOperation[],
    optimistic: DocValueObject,
    durability: Durability | undefined,
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
        .call((api) => api.changeDocument(this.subscription, message), "stores")
        .then(
          (reply) => this.#succeed(draft, reply),
          (cause: unknown) => this.#rollBack(draft, toCofferError(cause)),
        );
    });
  }

  /** The event that contains the draft usually came first (W1); the reply counts as told all the same (W6). */
  #succeed(
    draft: PendingDraft,
    { heads, update }: { readonly heads: readonly string[]; readonly update: DocUpdate },
  ): void {
    this.hear(update, draft.number);
    draft.resolve({ heads });
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
    if (this.#pending.length === 0 && this.#heard !== this.#base) this.#adopt(this.#heard);
    else this.#show();
    draft.reject(error);
    for (const one of later) one.reject(new CofferError("aborted", {}, { cause: error }));
  }

  #adopt({ value, ...about }: DocSnapshot): void {
    const shown = this.shown.peek().data;
    const isOptimistic = shown !== this.#base.value;
    this.#base = this.#heard = { ...about, value: isOptimistic ? shareStructure(shown, value) : value };
    // What stays in flight while the value is away settles by its reply, and is never shown again.
    this.#pending = [];
    this.#show();
  }

  #show(): void {
    const { value, status, ...about } = this.#base;
    const before = this.shown.peek();
    const isSaving = this.#pending.length > 0 && status === "ready";
    this.shown.value = {
      ...shareStructure<Omit<Shown, "data" | "status">>(before, about),
      data: this.#pending.at(-1)?.optimistic ?? value,
      status: isSaving ? "saving" : status,
    };
  }
}

/** What an update makes of what was heard before it: frozen, and what did not change is the same object. */
function follow({ value }: DocSnapshot, update: DocUpdate): DocSnapshot {
  if (!("patches" in update)) return { ...update, value: shareStructure(value, update.value) };
  const { patches, ...about } = update;
  return { ...about, value: value && applyPatches(value, patches) };
}

function isSame(before: unknown, after: unknown): boolean {
  return shareStructure(before, after) === before;
}

const leases = new WeakMap<object, Lease<DocCore>>();
/** gives back the shares that nobody holds any more */
const dropped = new FinalizationRegistry<Release>((release) => release());

/** Make a handle of a document out of a share of it. Whoever holds or watches one of its signals holds the share. */
export function createDoc<T extends object>(lease: Lease<DocCore>): Doc<T> {
  const { place } = lease.shared;
  dropped.register(lease, lease.release);
  const shown = createParts<Shown, keyof Shown>(
    Object.keys(lease.shared.shown.peek()) as (keyof Shown)[],
    (name) => lease.shared.shown.value[name],
  );
  const { data } = shown as Pick<Doc<T>, "data">;
  const doc: Doc<T> = {
    id: place.id,
    branchName: place.branchName,
    ...shown,
    data,
    select: (pick) => select(data, pick),
    attachments: watchMore<readonly Attachment[]>(lease),
    marks: (path) => watchMore<readonly Mark[]>(lease, path),
    dispose: lease.release,
    [Symbol.dispose]: lease.release,
  };
  leases.set(doc, lease);
  return doc;
}

/** What is equal to the last pick stays that object, so that a pick may put new ones together. */
function select<D, U>(
  data: ReadonlySignal<D | undefined>,
  pick: (data: D) => U,
): ReadonlySignal<U | undefined> {
  let last: U | undefined;
  return computed(() => {
    const now = data.value;
    const picked = now === undefined ? undefined : pick(now);
    return (last = isSame(last, picked) ? last : picked);
  });
}

/** The files of a document, or the marks of a text, followed as long as somebody watches. */
function watchMore<T extends readonly (Attachment | Mark)[]>(
  lease: Lease<DocCore>,
  path?: Path,
): ReadonlySignal<T | undefined> {
  let following: Promise<Release>;
  const shown = signal<T | undefined>(undefined, {
    watched() {
      following = loadMore().then((more) =>
        more.follow(lease.shared, path, shown as never, { computed, effect }),
      );
      inBackground(following);
    },
    unwatched: () => inBackground(following.then((stop) => stop())),
  });
  return shown;
}

/**
 * Find the document behind a handle. @throws input/invalid for what is no handle, or of none of `these`;
 * store/closed after its disposal
 */
export function coreOf(doc: object, these?: ReadonlySet<DocCore>): DocCore {
  const core = leases.get(doc)?.use();
  if (core === undefined || these?.has(core) === false)
    throw new CofferError("input/invalid", { message: "This is no document of this database." });
  return core;
}
