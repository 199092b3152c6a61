/**
 * Virtual time. Everything that takes time in a simulation is one event here, and events happen one after the other, each
 * followed by everything it makes possible at once (microtasks). Events of one moment happen in the order the seed drew.
 */
import { createHash, type Hash } from "node:crypto";
import type { Release } from "../std/index.ts";
import { createRandom, type Random } from "./pcg32.ts";

interface ScheduledEvent {
  readonly atMs: number;
  readonly tie: number;
  readonly label: string;
  readonly run: () => void;
  isCancelled: boolean;
}

/** How many lines of the trace are kept for people; its hash covers all of them. */
const keptLines = 4000;

/** The clock of a simulation and what is to happen. */
export class Scheduler {
  readonly random: Random;
  readonly #heap: ScheduledEvent[] = [];
  readonly #lines: string[] = [];
  readonly #hash: Hash = createHash("sha256");
  #nowMs = 0;
  #eventCount = 0;

  constructor(seed: number) {
    this.random = createRandom(seed);
  }

  /** Milliseconds since the simulation began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** How many events have happened. */
  get eventCount(): number {
    return this.#eventCount;
  }

  /** Let something happen after a while. */
  after(delayMs: number, label: string, run: () => void): Release {
    const event = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      tie: this.random.u32(),
      label,
      run,
      isCancelled: false,
    };
    push(this.#heap, event);
    return () => {
      event.isCancelled = true;
    };
  }

  /** Resolves after a while. */
  sleep(delayMs: number, label: string): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, label, resolve);
    });
  }

  /** Let the next event happen, with all that follows at once. @returns false when there is none */
  async step(): Promise<boolean> {
    for (let event = pop(this.#heap); event !== undefined; event = pop(this.#heap)) {
      if (event.isCancelled) continue;
      this.#nowMs = event.atMs;
      this.#eventCount++;
      this.note(event.label);
      event.run();
      await drainMicrotasks();
      return true;
    }
    return false;
  }

  /** Let events happen until a promise is settled; what it gives. @throws when it is not by `maxEvents` */
  async settle<T>(promise: Promise<T>, maxEvents = 200_000): Promise<T> {
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    promise.then(settled, settled);
    await drainMicrotasks();
    for (let count = 0; !isSettled; count++) {
      if (count >= maxEvents) throw new Error(`nothing settled within ${maxEvents} events`);
      if (!(await this.step())) throw new Error("a promise waits for nothing that will happen");
    }
    return promise;
  }

  /** Let everything happen that is due within `spanMs`. */
  async run(spanMs: number): Promise<void> {
    let isOver = false;
    this.after(spanMs, "time is up", () => {
      isOver = true;
    });
    while (!isOver) await this.step();
  }

  /** Add a line to the trace. */
  note(line: string): void {
    const text = `${this.#nowMs.toFixed(3)} ${line}`;
    this.#hash.update(text);
    this.#hash.update("\n");
    this.#lines.push(text);
    if (this.#lines.length > 2 * keptLines) this.#lines.splice(0, keptLines);
  }

  /** The last lines of the trace. */
  trace(count = keptLines): readonly string[] {
    return this.#lines.slice(-count);
  }

  /** SHA-256 of the whole trace so far, in hexadecimal digits. */
  traceHash(): string {
    return this.#hash.copy().digest("hex");
  }
}

/** Resolves when no promise callback is waiting: Node runs all of them before it looks at immediates. */
export function drainMicrotasks(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function isBefore(a: ScheduledEvent, b: ScheduledEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.tie < b.tie);
}

function push(heap: ScheduledEvent[], event: ScheduledEvent): void {
  let at = heap.push(event) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(heap[at]!, heap[parent]!)) return;
    [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
    at = parent;
  }
}

function pop(heap: ScheduledEvent[]): ScheduledEvent | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  heap[0] = last;
  for (let at = 0; ;) {
    let least = at;
    for (const child of [2 * at + 1, 2 * at + 2]) {
      if (child < heap.length && isBefore(heap[child]!, heap[least]!)) least = child;
    }
    if (least === at) return first;
    [heap[at], heap[least]] = [heap[least]!, heap[at]!];
    at = least;
  }
}
