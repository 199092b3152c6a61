/**
 * The records that one store wrote a moment ago, for who reads on from there at once: judging and sending them need not wait for the
 * writes that are queued behind.
 *
 * ```
 *   log      … 41 42 43 44 45 46
 *   written     42 43 ·· 45 46      (44 was written by another thread)
 *   after 41 ─► 42 43    after 43 ─► nothing: the log is read    after 44 ─► 45 46
 * ```
 *
 * Guarantees
 * - N1 what is given is what a reading of the log would give from there on, as far as it goes
 * - N2 nothing is given later than half a second after it was written, nor once a record was rewritten through the same store: another
 *      thread that erases it is overtaken by no more than what is under way anyway
 * - N3 at most 1 MiB is held
 */
import type { Env } from "../std/index.ts";
import type { LogRecord, NewRecord } from "./store.ts";

const maxAgeMs = 500;
const maxSizeBytes = 1024 * 1024;

interface Recent {
  readonly record: LogRecord;
  readonly writtenAtMs: number;
}

/** What one store wrote a moment ago. */
export class RecentRecords {
  readonly #env: Pick<Env, "monotonicMs">;
  /** by position, the oldest first */
  readonly #recent = new Map<number, Recent>();
  #logEpoch = "";
  #sizeBytes = 0;

  constructor(env: Pick<Env, "monotonicMs">) {
    this.#env = env;
  }

  /** These were written to the log of this epoch. */
  add(records: readonly NewRecord[], positions: readonly number[], logEpoch: string): void {
    if (records.length === 0) return;
    this.#tidy(logEpoch);
    const writtenAtMs = this.#env.monotonicMs();
    for (const [index, { bytes, commitHash, origin }] of records.entries()) {
      const position = positions[index] ?? 0;
      this.#recent.set(position, { record: { position, commitHash, bytes, origin }, writtenAtMs });
      this.#sizeBytes += bytes.length;
    }
    for (const position of this.#recent.keys()) {
      if (this.#sizeBytes <= maxSizeBytes) break;
      this.#drop(position);
    }
  }

  /** Those right behind a position, without a gap. */
  after(position: number, logEpoch: string): readonly LogRecord[] {
    this.#tidy(logEpoch);
    const found: LogRecord[] = [];
    for (;;) {
      const next = this.#recent.get(position + found.length + 1);
      if (next === undefined) return found;
      found.push(next.record);
    }
  }

  /** What is in the log may not be what was written. */
  clear(): void {
    this.#recent.clear();
    this.#sizeBytes = 0;
  }

  #tidy(logEpoch: string): void {
    if (logEpoch !== this.#logEpoch) this.clear();
    this.#logEpoch = logEpoch;
    const oldestMs = this.#env.monotonicMs() - maxAgeMs;
    for (const [position, { writtenAtMs }] of this.#recent) {
      if (writtenAtMs >= oldestMs) break;
      this.#drop(position);
    }
  }

  #drop(position: number): void {
    this.#sizeBytes -= this.#recent.get(position)?.record.bytes.length ?? 0;
    this.#recent.delete(position);
  }
}
