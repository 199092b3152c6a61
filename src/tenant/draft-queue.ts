/**
 * Edits on their way into the log: what arrives while a write is in flight is written together.
 *
 * ```
 *   draft 1 ──► turn: replay, write ─────────────► answer
 *   draft 2, 3, 4 ──► wait ──► next turn: replay each in order, one commit for all ──► answer each in order
 * ```
 *
 * Guarantees
 * - Q1 edits are replayed and answered in the order in which they came; nothing that was asked for between two of them is overtaken
 * - Q2 an edit that does not fit rejects alone; when a commit is not written, every edit in it rejects
 * - Q3 an edit that comes alone is written at once
 * - Q4 edits of one page upon each other are replayed in one go; where one of them does not fit, one by one, as if they had come alone
 */
import { assert, type DocId } from "../std/index.ts";
import type { ReplayResult } from "../doc/index.ts";
import type { DraftOperation } from "../draft/index.ts";
import { entryLimits } from "../entry/index.ts";
import type { Line } from "./branches.ts";
import type { DatabaseSession } from "./database.ts";
import { CommitRoom, type PreparedEdit } from "./prepared-edit.ts";
import type { Serial } from "./serial.ts";
import type { CompiledShape } from "./shape.ts";

/** A chain stays well within a commit. */
const chainWeight = 32 * 1024;
const operationWeight = 64;

/** One edit of one document. Its functions are called in its turn. */
export interface Edit<Answer> {
  readonly database: DatabaseSession;
  readonly docId: DocId;
  /** the document itself when left out */
  readonly line?: Line | undefined;
  readonly operations: readonly DraftOperation[];
  /** what it was recorded under */
  readonly shape?: CompiledShape | undefined;
  readonly durability: "relaxed" | "strict";
  /** its place among the drafts of a page's document, and that of the one it was recorded upon, 0 for none */
  readonly place?: { readonly of: object; readonly draft: number; readonly after: number };
  /** The heads it was recorded upon. @throws `aborted` when they never came to be */
  base(): readonly string[];
  /** It was replayed; others may be recorded upon it, although it is not durable yet. */
  onReplayed?(replay: ReplayResult): void;
  /** It was not written after all. */
  onLost?(): void;
  /** It is durable: what its caller hears. */
  answer(replay: ReplayResult): Promise<Answer>;
}

interface Waiting {
  readonly edit: Edit<unknown>;
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

interface Replayed {
  readonly waiting: Waiting;
  readonly prepared: PreparedEdit;
}

/** Runs a step in the tenant's queue, or rejects while the tenant is locked. */
type Exclusive = <T>(step: () => Promise<T>) => Promise<T>;

/** The edits of one tenant that wait for their turn. */
export class DraftQueue {
  readonly #serial: Pick<Serial, "askedCount">;
  readonly #exclusive: Exclusive;
  /** those of the last turn asked for */
  #waiting: Waiting[] = [];
  /** how many steps had been asked for with that turn; another number now: the next edit asks for a turn of its own */
  #askedCount = -1;

  constructor(serial: Pick<Serial, "askedCount">, exclusive: Exclusive) {
    this.#serial = serial;
    this.#exclusive = exclusive;
  }

  /** Replay, write, answer. */
  change<Answer>(edit: Edit<Answer>): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      const waiting: Waiting = { edit, resolve: (answer) => resolve(answer as Answer), reject };
      if (this.#askedCount === this.#serial.askedCount) this.#waiting.push(waiting);
      else this.#ask(waiting);
    });
  }

  #ask(first: Waiting): void {
    const group = [first];
    this.#waiting = group;
    const turn = this.#exclusive(() => {
      // Whatever comes from here on waits for the next turn.
      if (this.#waiting === group) this.#askedCount = -1;
      return runTurn(group);
    });
    this.#askedCount = this.#serial.askedCount;
    turn.catch((error: unknown) => {
      if (this.#waiting === group) this.#askedCount = -1;
      for (const waiting of group) waiting.reject(error);
    });
  }
}

/** Replay a group in order, and write it in as few commits as hold it. Rejections go to the edits, one by one. */
async function runTurn(group: readonly Waiting[]): Promise<void> {
  let room = new CommitRoom();
  let batch: Replayed[] = [];
  const flush = async (): Promise<void> => {
    const written = batch;
    batch = [];
    room = new CommitRoom();
    await writeBatch(written);
  };
  /** Replay edits as a chain, or one; `false` when a chain does not fit. */
  const replay = async (chain: readonly Waiting[], { edit }: Waiting): Promise<boolean> => {
    const { database, docId, line } = edit;
    try {
      const base = edit.base();
      // They are joined first.
      if (chain.length > 1 && base.length > entryLimits.dependencies) return false;
      const [before] = batch;
      if (before !== undefined && before.waiting.edit.database !== database) await flush();
      if (batch.length > 0 && (chain.length > 1 || database.desk.needsOthersWritten(docId, base, line)))
        await flush();
      const prepared = await prepare(chain, edit, base);
      for (const [index, one] of prepared.entries()) {
        const waiting = chain[index];
        assert(waiting !== undefined, "Q1: an edit is replayed once");
        batch.push({ waiting, prepared: one });
        room.take(one);
        waiting.edit.onReplayed?.(one.replay);
      }
    } catch (error) {
      if (chain.length > 1) return false;
      for (const waiting of chain) waiting.reject(error);
    }
    if (room.isFull) await flush();
    return true;
  };
  for (let index = 0; index < group.length;) {
    const chain = chainFrom(group, index);
    const [first] = chain;
    if (first === undefined) break;
    index += chain.length;
    if (await replay(chain, first)) continue;
    for (const one of chain) await replay([one], one);
  }
  await flush();
}

async function prepare(
  chain: readonly Waiting[],
  edit: Edit<unknown>,
  base: readonly string[],
): Promise<readonly PreparedEdit[]> {
  const { database, docId, line = "main" } = edit;
  if (chain.length === 1) return [await database.desk.edit(docId, edit, base)];
  const drafts = chain.map(({ edit: { operations } }) => operations);
  return database.desk.editChain(docId, { line, drafts }, base);
}

/** The edit at an index, with those behind it that are replayed in one go: small ones, each recorded upon the one before. */
function chainFrom(group: readonly Waiting[], index: number): readonly Waiting[] {
  const chain: Waiting[] = [];
  let weight = 0;
  for (let at = index; at < group.length && chain.length < entryLimits.entriesPerCommit; at++) {
    const waiting = group[at];
    if (waiting === undefined) break;
    const before = chain.at(-1)?.edit;
    weight += weightOf(waiting.edit);
    if (before !== undefined && !(weight <= chainWeight && isUpon(waiting.edit, before))) break;
    chain.push(waiting);
  }
  return chain;
}

function isUpon({ place }: Edit<unknown>, { place: before }: Edit<unknown>): boolean {
  return place !== undefined && place.of === before?.of && place.after === before.draft;
}

/** Characters, about, that an edit writes; without bound for those that are not replayed in a chain. */
function weightOf({ operations, shape }: Edit<unknown>): number {
  if (shape !== undefined) return Infinity;
  return operations.reduce((sum, operation) => sum + operationWeight + textWeight(operation), 0);
}

function textWeight(operation: DraftOperation): number {
  switch (operation.op) {
    case "spliceText":
      return operation.insert.length;
    case "set":
    case "updateText":
      if (typeof operation.value === "string") return operation.value.length;
      return typeof operation.value === "object" ? Infinity : 0;
    case "delete":
    case "increment":
      return 0;
    default:
      return Infinity;
  }
}

async function writeBatch(batch: readonly Replayed[]): Promise<void> {
  const [first] = batch;
  if (first === undefined) return;
  const edits = batch.map(({ waiting }) => waiting.edit);
  const durability = edits.some((edit) => edit.durability === "strict") ? "strict" : "relaxed";
  try {
    await first.waiting.edit.database.write(
      batch.map(({ prepared }) => prepared),
      durability,
    );
  } catch (error) {
    for (const { waiting } of batch) {
      waiting.edit.onLost?.();
      waiting.reject(error);
    }
    return;
  }
  for (const { waiting, prepared } of batch) {
    try {
      waiting.resolve(await waiting.edit.answer(prepared.replay));
    } catch (error) {
      waiting.reject(error);
    }
  }
}
