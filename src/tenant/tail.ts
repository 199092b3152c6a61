/**
 * Follows the device log: whatever anyone of this device appended is judged in order and handed on.
 *
 * ```
 *   log ──► slice ──► judge ──► absorb ──► what waited for it ──► due ──► judge …
 *                       └── contradiction, revocation ──► reversal: out of the documents, what depended on it is due
 * ```
 * It takes turns in the tenant's queue, a slice at a time, so that an edit never waits behind a long pull.
 */
import { isCofferError, type CommitHash, type DbId, type DocId } from "../std/index.ts";
import { isCut } from "../directory/index.ts";
import type { LogRecord } from "../store/index.ts";
import { adoptKeys, isOfferedKeys } from "./adopt-keys.ts";
import type { Decision } from "./contests.ts";
import type { TenantCore } from "./core.ts";
import { completeRecord, erasePurged, eraseRecords, holdsPurged, purgedElsewhere } from "./erasing.ts";
import { judgeRecord, nothing, postpone, refuse, type AcceptedChange, type JudgeOutcome } from "./judge.ts";
import type { KnownCommit } from "./ledger.ts";
import type { Marker } from "./marker.ts";
import { listPurged, setPurged, type PurgedDoc } from "./purge.ts";
import { hold, withdraw } from "./reversal.ts";
import {
  rightOf,
  rowsAdopted,
  rowsCutAnew,
  rowsOfDocuments,
  rowsOfOtherRoles,
  rowsOfPurged,
  rowsOvertaken,
} from "./moved-rights.ts";

const sliceMs = 30;
const dueCount = 16;
const retryMs = 2_000;
/** How many commits may wait in one document for Automerge to take them after all. */
const maxMisfits = 4;

/** What the tail hands on. */
export interface TailHooks {
  /** Accepted changes of one database; what comes back was refused by Automerge. */
  absorb(dbId: DbId, accepted: readonly AcceptedChange[]): Promise<readonly AcceptedChange[]>;
  /** Documents lost entries. */
  onWithdrawn(dbId: DbId, docIds: readonly DocId[]): void;
  /** Read what could not be read when it came. */
  readUnread(): Promise<void>;
  /** The directory says that these are purged; called in the tenant's queue. */
  onPurged(docs: readonly PurgedDoc[]): void;
  /** The log is another one: it was emptied, or deleted by another thread. */
  onLost(): void;
  onOutcome(outcome: JudgeOutcome): void;
  onEquivocation(row: KnownCommit): void;
  /** After a slice: something may have moved. */
  onProgress(): void;
}

/** Judges the log from a position on. */
export class Tail {
  readonly #core: TenantCore;
  readonly #hooks: TailHooks;
  readonly #marker: Marker;
  readonly #logEpoch: string;
  /** commits that waited, and that something they need came for */
  readonly #due = new Set<CommitHash>();
  /** positions of records with content of purged documents */
  readonly #toErase = new Set<number>();
  #judgedTo = 0;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(core: TenantCore, hooks: TailHooks, start: { judgedTo: number; marker: Marker }) {
    this.#core = core;
    this.#hooks = hooks;
    this.#judgedTo = start.judgedTo;
    this.#marker = start.marker;
    this.#logEpoch = core.store.logEpoch;
    // What they wait for is not kept: each is judged once more.
    for (const row of core.ledger.waiting()) this.#due.add(row.commitHash);
  }

  /** Everything up to here was judged. */
  get judgedTo(): number {
    return this.#judgedTo;
  }

  /** Whether there is something new, or another log, once the log is known to reach `lastPosition`. */
  isBehind(lastPosition: number): boolean {
    return lastPosition > this.#judgedTo || this.#core.store.logEpoch !== this.#logEpoch;
  }

  /** Pass over what was judged already: what this thread wrote itself need not be read back. */
  skipKnown(): void {
    if (this.#running !== undefined) return;
    const { ledger } = this.#core;
    for (let row = ledger.at(this.#judgedTo + 1); row !== undefined; row = ledger.at(this.#judgedTo + 1)) {
      if (row.verdict === "waiting") return;
      this.#meetAuthor(row.commitHash);
      this.#judgedTo += 1;
    }
  }

  /** Judge until the log's end; calls while it runs make it look once more. A failure of the store is tried again later. */
  run(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#loop()
      .catch((error: unknown) => {
        if (!isCofferError(error)) throw error;
        if (!this.#stopped && error.code !== "store/closed")
          this.#core.world.env.setTimer(retryMs, () => void this.run());
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  /** Wait until everything that the log holds now is judged; where it is, nothing happens. */
  async settle(): Promise<void> {
    const isSettled = this.#running === undefined && this.#due.size === 0;
    if (!isSettled || (await this.#core.store.lastPosition()) > this.#judgedTo) await this.run();
  }

  /** Judge again what waits: a key came, or documents are gone. */
  recheck(): Promise<void> {
    for (const row of this.#core.ledger.waiting()) this.#due.add(row.commitHash);
    return this.run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running?.catch(() => undefined);
    await this.#marker.close();
  }

  async #loop(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      if (isOfferedKeys(this.#core))
        await this.#core.serial.run(async () => this.#addDue(await adoptKeys(this.#core)));
      for (let moved = true; moved && !this.#stopped;) {
        const { store } = this.#core;
        const recent = store.readRecent(this.#judgedTo);
        const records =
          recent.length > 0
            ? recent
            : await store.readLog({ after: this.#judgedTo, maxCount: 256, maxBytes: 1024 * 1024 });
        if (this.#core.store.logEpoch !== this.#logEpoch) return this.#hooks.onLost();
        if (records.length > 0) await this.#core.serial.run(() => this.#slice(records));
        while (this.#due.size > 0 && !this.#stopped) await this.#core.serial.run(() => this.#dueSlice());
        moved = records.length > 0;
        if (moved) this.#hooks.onProgress();
      }
      await this.#core.serial.run(() => this.#hooks.readUnread());
      await this.#purge();
      await this.#erase();
      await this.#marker.clear();
      this.#hooks.onProgress();
    }
  }

  async #slice(records: readonly LogRecord[]): Promise<void> {
    const { env } = this.#core.world;
    const startMs = env.monotonicMs();
    const isCareful = records.some(({ position }) => this.#marker.isSuspect(position));
    if (!isCareful) await this.#mark(records);
    for (const record of records) {
      if (this.#stopped) break;
      if (isCareful) await this.#mark([record]);
      if (holdsPurged(this.#core, record)) this.#toErase.add(record.position);
      await this.#handOn(await judgeRecord(this.#core, this.#core.tools, await wholeOf(this.#core, record)));
      this.#meetAuthor(record.commitHash);
      const overtaken = rowsOvertaken(this.#core, record.commitHash);
      if (overtaken.length > 0) await this.#judgeAnew(overtaken);
      this.#judgedTo = record.position;
      if (env.monotonicMs() - startMs > sliceMs) break;
    }
    if (isCareful) await this.#marker.clear();
  }

  /** What the directory says is purged is listed, forgotten and erased, as if it had been purged here. */
  async #purge(): Promise<void> {
    const docs = purgedElsewhere(this.#core);
    if (docs.length === 0) return;
    await this.#core.serial.run(async () => {
      setPurged(this.#core, await listPurged(this.#core, docs));
      this.#hooks.onPurged(docs);
      await this.#judgeAnew(await rowsOfPurged(this.#core));
    });
    // What waited for entries of them waits for nothing more.
    for (const row of this.#core.ledger.waiting()) this.#due.add(row.commitHash);
    this.#again = true;
    await erasePurged(this.#core);
  }

  /** What came of purged documents is erased; what cannot be erased now is tried again with the next. */
  async #erase(): Promise<void> {
    if (this.#toErase.size === 0) return;
    const positions = [...this.#toErase];
    await eraseRecords(this.#core, positions);
    for (const position of positions) this.#toErase.delete(position);
  }

  /** Mark those of other devices that are not judged yet. */
  async #mark(records: readonly LogRecord[]): Promise<void> {
    const { ledger } = this.#core;
    const isOpen = (record: LogRecord): boolean =>
      record.origin !== "" && (ledger.find(record.commitHash)?.verdict ?? "waiting") === "waiting";
    const open = records.filter(isOpen);
    const [first] = open;
    if (first !== undefined) await this.#marker.set(first.position, open.at(-1)?.position ?? first.position);
  }

  /** Judge again some of what is due. */
  async #dueSlice(): Promise<void> {
    const positions: number[] = [];
    const taken: CommitHash[] = [];
    for (const commitHash of this.#due) {
      if (positions.length === dueCount) break;
      taken.push(commitHash);
      const row = this.#core.ledger.find(commitHash);
      if (row?.verdict === "waiting") positions.push(row.position);
    }
    const records = await this.#core.store.readRecords(positions.sort((a, b) => a - b));
    await this.#mark(records);
    for (const commitHash of taken) this.#due.delete(commitHash);
    let handledCount = 0;
    try {
      for (const record of records) {
        await this.#handOn(await judgeRecord(this.#core, this.#core.tools, record));
        handledCount += 1;
      }
    } catch (error) {
      // They are tried again.
      this.#addDue(records.slice(handledCount).map(({ commitHash }) => commitHash));
      throw error;
    }
  }

  async #handOn(outcome: JudgeOutcome): Promise<void> {
    this.#hooks.onOutcome(outcome);
    const { needs } = this.#core.ledger;
    if (outcome.directoryChanged) {
      this.#addDue(needs.meet("directory"));
      this.#addDue(await adoptKeys(this.#core));
    }
    for (const hash of outcome.erased) this.#addDue(needs.meet(`erasure/${hash}`));
    const [first] = outcome.accepted;
    if (first !== undefined) {
      const refused = new Set(await this.#hooks.absorb(first.dbId, outcome.accepted));
      if (refused.size > 0) this.#takeBack([...refused]);
      for (const change of outcome.accepted) {
        if (refused.has(change) || needs.isEmpty) continue;
        this.#addDue(needs.meet(`entry/${change.entry.entryHash}`));
        if (refused.size === 0) this.#addDue(needs.meet(`doc/${change.entry.docId}`));
      }
    }
    if (outcome.contested !== undefined) {
      this.#hooks.onEquivocation(outcome.contested);
      await this.#carryOut(await this.#core.contests.enter(outcome.contested));
    }
    if (outcome.judged !== undefined) await this.#carryOut(await this.#core.contests.note(outcome.judged));
    if (outcome.linesChanged) await this.#judgeAnew(rowsOfDocuments(this.#core));
    if (outcome.broughtTogether.length > 0) await offerAgain(this.#core, outcome.broughtTogether);
    if (outcome.cutsChanged) await this.#judgeAnew(rowsCutAnew(this.#core));
    if (outcome.adopted.length > 0) await this.#judgeAnew(rowsAdopted(this.#core, outcome.adopted));
    if (outcome.rolesChanged) await this.#judgeAnew(rowsOfOtherRoles(this.#core));
  }

  /** A commit of a revoked author may be the missing link between the cut and others of theirs that wait. */
  #meetAuthor(commitHash: CommitHash): void {
    const { ledger, directory } = this.#core;
    const author = ledger.find(commitHash)?.author;
    if (author === undefined || !isCut(directory, author)) return;
    for (const hash of ledger.needs.meet(`author/${author}`)) {
      const row = ledger.find(hash);
      if (row === undefined) continue;
      if (rightOf(this.#core, row).kind === "waiting") ledger.needs.add(`author/${author}`, hash);
      else this.#due.add(hash);
    }
  }

  #addDue(hashes: Iterable<CommitHash>): void {
    for (const hash of hashes) this.#due.add(hash);
  }

  /**
   * Take out of the catalog what Automerge refused. A change may name what is not in its own past; it applies once that is here, so a
   * few may wait for the document to grow.
   */
  #takeBack(refused: readonly AcceptedChange[]): void {
    const { ledger } = this.#core;
    const reason = "not-applicable";
    for (const { dbId, entry } of refused) {
      const row = ledger.at(entry.position);
      if (row === undefined) continue;
      const { pending } = row;
      hold(this.#core, this.#core.catalog(dbId).withdraw(entry.docId, new Set([entry.entryHash])));
      this.#hooks.onWithdrawn(dbId, [entry.docId]);
      const need = `doc/${entry.docId}` as const;
      const mayWait = ledger.needs.count(need) < maxMisfits && row.pending.length <= maxMisfits;
      if (mayWait) ledger.needs.add(need, row.commitHash);
      const left = mayWait ? row.pending : pending;
      const verdict = left.length > 0 ? "waiting" : "accepted";
      const atMs = this.#core.world.env.nowMs();
      ledger.judge(row.commitHash, {
        verdict,
        pending: left,
        reason: mayWait ? reason : "",
        refused: reason,
        atMs,
      });
      this.#hooks.onOutcome({ ...nothing, quarantined: [{ commitHash: row.commitHash, reason }] });
    }
  }

  /** What counts no more leaves the documents; what counts again is judged. */
  async #carryOut({ lost, won }: Decision): Promise<void> {
    const { tools } = this.#core;
    if (lost.length > 0) {
      await this.#withdraw(lost);
      for (const row of lost)
        this.#hooks.onOutcome(refuse(this.#core, tools, row.commitHash, "equivocation"));
    }
    for (const row of won) {
      if (row.verdict !== "waiting") postpone(this.#core, tools, row.commitHash, "equivocation");
      this.#due.add(row.commitHash);
    }
  }

  /** Someone's rights moved: what these commits brought leaves the documents, and they are judged as they stand now. */
  async #judgeAnew(rows: readonly KnownCommit[]): Promise<void> {
    const { tools } = this.#core;
    await this.#withdraw(rows);
    for (const row of rows) {
      postpone(this.#core, tools, row.commitHash, "directory");
      this.#due.add(row.commitHash);
    }
    await this.#carryOut(this.#core.contests.decideAll());
  }

  async #withdraw(rows: readonly KnownCommit[]): Promise<void> {
    for (let from = 0; from < rows.length; from += dueCount) {
      const { changed, held } = await withdraw(this.#core, rows.slice(from, from + dueCount));
      this.#addDue(held);
      for (const [dbId, docIds] of changed) {
        this.#hooks.onWithdrawn(dbId, [...docIds]);
        for (const docId of docIds) this.#addDue(askRefused(this.#core, docId));
      }
    }
  }
}

/** A server takes lines of the directory that were written apart with the merge that brings them together, and only so: all go once more. */
async function offerAgain({ ledger, store }: TenantCore, hashes: readonly CommitHash[]): Promise<void> {
  const positions = hashes.flatMap((hash) => ledger.find(hash)?.position ?? []);
  const records = await store.readRecords(positions.toSorted((a, b) => a - b));
  const byHash = new Map(records.map((record) => [record.commitHash, record]));
  const again = hashes.flatMap((hash) => byHash.get(hash) ?? []);
  await store.write({ records: again.map(({ bytes, commitHash }) => ({ bytes, commitHash, origin: "" })) });
}

/** The record that is known of a commit which waits and came again, with what this one brings. */
async function wholeOf(core: TenantCore, record: LogRecord): Promise<LogRecord> {
  const row = core.ledger.find(record.commitHash);
  const isAgain = row?.verdict === "waiting" && row.position !== record.position;
  return isAgain ? completeRecord(core, row.position, record) : record;
}

/** What was refused for what a document held is judged by what it holds now. @returns the commits that are due */
function askRefused(core: TenantCore, docId: DocId): readonly CommitHash[] {
  const { ledger, tools } = core;
  const refused = [...ledger.needs.meet(`gone/${docId}`)].filter(
    (hash) => ledger.find(hash)?.verdict !== "waiting",
  );
  for (const hash of refused) postpone(core, tools, hash, "dependency");
  return refused;
}
