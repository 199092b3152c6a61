/**
 * Follows the device log: whatever anyone of this device appended is judged in order and handed on.
 *
 * It takes turns in the tenant's queue, a slice at a time, so that an edit never waits behind a long pull.
 */
import type { DbId } from "../std/index.ts";
import type { LogRecord } from "../store/index.ts";
import type { TenantCore } from "./core.ts";
import { judgeRecord, type AcceptedChange, type JudgeOutcome } from "./judge.ts";

const sliceMs = 30;

/** What the tail hands on. */
export interface TailHooks {
  /** Accepted changes of one database; what comes back was refused by Automerge. */
  absorb(dbId: DbId, accepted: readonly AcceptedChange[]): Promise<readonly AcceptedChange[]>;
  /** Everything derived was dropped and is judged again. */
  onReset(): void;
  onOutcome(outcome: JudgeOutcome): void;
  /** After a slice: something may have moved. */
  onProgress(): void;
}

/** Judges the log from a position on. */
export class Tail {
  readonly #core: TenantCore;
  readonly #hooks: TailHooks;
  #judgedTo = 0;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(core: TenantCore, hooks: TailHooks, judgedTo: number) {
    this.#core = core;
    this.#hooks = hooks;
    this.#judgedTo = judgedTo;
  }

  /** Everything up to here was judged. */
  get judgedTo(): number {
    return this.#judgedTo;
  }

  /** Judge until the log's end; calls while it runs make it look once more. */
  run(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#loop().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Judge everything again, from the start of the log. */
  async restart(): Promise<void> {
    await this.#core.serial.run(() => this.#reset());
    await this.run();
  }

  /** Judge again what waits: a key arrived. */
  async rejudge(): Promise<void> {
    await this.#core.serial.run(() => this.#judgeWaiting());
    this.#hooks.onProgress();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running?.catch(() => undefined);
  }

  async #loop(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      let records = await this.#read();
      while (records.length > 0 && !this.#stopped) {
        const batch = records;
        await this.#core.serial.run(() => this.#slice(batch));
        this.#hooks.onProgress();
        records = await this.#read();
      }
    }
  }

  #read(): Promise<readonly LogRecord[]> {
    return this.#core.store.readLog({ after: this.#judgedTo, maxCount: 256, maxBytes: 1024 * 1024 });
  }

  async #slice(records: readonly LogRecord[]): Promise<void> {
    if (this.#stopped) return;
    const { env } = this.#core.world;
    const startMs = env.monotonicMs();
    let moved = false;
    for (const record of records) {
      // A restart may have come between reading and this turn.
      if (record.position <= this.#judgedTo) continue;
      const outcome = await judgeRecord(this.#core, this.#core.tools, record);
      this.#judgedTo = record.position;
      moved ||= outcome.directoryChanged || outcome.accepted.length > 0;
      if (await this.#handOn(outcome)) return;
      if (env.monotonicMs() - startMs > sliceMs) break;
    }
    if (moved) await this.#judgeWaiting();
  }

  /** @returns true when everything was reset */
  async #handOn(outcome: JudgeOutcome): Promise<boolean> {
    this.#hooks.onOutcome(outcome);
    const [first] = outcome.accepted;
    const refused = first === undefined ? [] : await this.#hooks.absorb(first.dbId, outcome.accepted);
    if (refused.length > 0) {
      for (const change of refused) this.#ban(change);
      await this.#reset();
      return true;
    }
    if (outcome.revoked && this.#mustReset()) {
      await this.#reset();
      return true;
    }
    return false;
  }

  /** Whether a revocation cuts commits that were accepted before it came. */
  #mustReset(): boolean {
    for (const user of this.#core.directory.usersByKey.values()) {
      if (user.revoked === undefined) continue;
      for (const row of this.#core.ledger.rows()) {
        if (
          row.author !== user.userKey ||
          row.verdict !== "accepted" ||
          row.dbId === this.#core.directoryDbId
        )
          continue;
        const heads = user.revoked.cuts.get(row.dbId) ?? [];
        const graph = this.#core.ledger.graph(row.dbId, row.author);
        if (graph.isCovered(row.commitHash, heads) !== true) return true;
      }
    }
    return false;
  }

  #ban(change: AcceptedChange): void {
    const row = this.#core.ledger.rows().find((known) => known.position === change.entry.position);
    if (row !== undefined) this.#core.banned.add(row.commitHash);
  }

  /** Drop what is derived and fold the directory first, so that a revocation is known before the commits that it cuts. */
  async #reset(): Promise<void> {
    const rows = this.#core.ledger.rows().filter((row) => row.dbId === this.#core.directoryDbId);
    const records = await this.#core.store.readRecords(rows.map((row) => row.position).sort((a, b) => a - b));
    this.#core.resetDerived();
    this.#judgedTo = 0;
    this.#again = true;
    this.#hooks.onReset();
    for (const record of records) await judgeRecord(this.#core, this.#core.tools, record);
  }

  async #judgeWaiting(): Promise<void> {
    for (let moved = true; moved && !this.#stopped;) {
      moved = false;
      const positions = this.#core.ledger.waiting().map((row) => row.position);
      if (positions.length === 0) return;
      for (const record of await this.#core.store.readRecords(positions.sort((a, b) => a - b))) {
        const outcome = await judgeRecord(this.#core, this.#core.tools, record);
        moved ||= outcome.directoryChanged || outcome.accepted.length > 0;
        if (await this.#handOn(outcome)) return;
      }
    }
  }
}
