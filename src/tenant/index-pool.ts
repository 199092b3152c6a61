/**
 * Indexes of one kind, each known by a name: made when they are declared or asked for again, beside what goes on, and kept up to date.
 *
 * Guarantees
 * - P1 an index that is given has every delta since its rows were taken, also those that came while it was made
 * - P2 making takes two milliseconds of the worker at a time, so that an edit meanwhile hardly waits for it
 * - P3 of those that were not declared only so many are kept: the rarest goes
 */
import type { Env } from "../std/index.ts";
import type { RowDelta } from "./row-feed.ts";

/** An index that can be kept up to date. */
export interface PooledIndex {
  apply(deltas: readonly RowDelta[]): void;
}

/** How an index is made: what it needs first, then its rows as they are at that moment, in steps. */
export type Making<Index> = () => Promise<
  () => { readonly index: Index; readonly steps: Iterator<number, void> }
>;

/** An index is made when it is asked for this often. */
const usesBefore = 2;
/** One stretch of making. What an edit does between its messages and its write comes to its turn behind one of them each time. */
const sliceMs = 2;

interface Known<Index> {
  readonly isDeclared: boolean;
  readonly making: Making<Index>;
  uses: number;
  index: Index | undefined;
  /** what came since its rows were taken; `undefined` while it is not being made */
  queued: RowDelta[] | undefined;
  /** which making of it is under way */
  coming: object | undefined;
}

/** Where a pool takes its time. Without a clock an index is made in one go. */
export interface PoolTools {
  /** so many are kept that were not declared */
  readonly most: number;
  readonly env?: Pick<Env, "monotonicMs" | "setTimer"> | undefined;
  readonly onMade?: (() => void) | undefined;
}

/** The indexes of one kind. */
export class IndexPool<Index extends PooledIndex> {
  readonly #tools: PoolTools;
  readonly #known = new Map<string, Known<Index>>();
  #isLive = false;

  constructor(tools: PoolTools) {
    this.#tools = tools;
  }

  declare(name: string, making: Making<Index>): void {
    this.#known.set(name, create(making, true));
  }

  start(): void {
    this.#isLive = true;
    for (const known of this.#known.values()) if (known.isDeclared) void this.#make(known);
  }

  stop(): void {
    this.#isLive = false;
    for (const known of this.#known.values()) known.index = known.queued = known.coming = undefined;
  }

  apply(deltas: readonly RowDelta[]): void {
    for (const { index, queued } of this.#known.values()) {
      if (queued === undefined) index?.apply(deltas);
      else for (const delta of deltas) queued.push(delta);
    }
  }

  /** An index that helps; `undefined` while it is not there: whoever asks for it again has it soon. */
  use(name: string, making: Making<Index>): Index | undefined {
    const known = this.#known.get(name) ?? this.#meet(name, making);
    known.uses += 1;
    if (this.#isLive && known.uses >= usesBefore) void this.#make(known);
    return known.index;
  }

  /** An index, if it is there. */
  peek(name: string): Index | undefined {
    return this.#known.get(name)?.index;
  }

  /** Those that are there. */
  *present(): Generator<Index> {
    for (const { index } of this.#known.values()) if (index !== undefined) yield index;
  }

  #meet(name: string, making: Making<Index>): Known<Index> {
    const made = [...this.#known].filter(([, known]) => !known.isDeclared);
    if (made.length >= this.#tools.most) {
      const [rarest] = made.toSorted(([, one], [, other]) => one.uses - other.uses);
      if (rarest !== undefined) this.#known.delete(rarest[0]);
    }
    const known = create(making, false);
    this.#known.set(name, known);
    return known;
  }

  /** Made beside the answer that asked for it: the next one has it. */
  async #make(known: Known<Index>): Promise<void> {
    if (known.coming !== undefined || known.index !== undefined) return;
    const own = {};
    known.coming = own;
    const begin = await known.making();
    // The rows were gone meanwhile, and may be others now.
    if (known.coming !== own) return;
    const { index, steps } = begin();
    known.queued = [];
    const { env, onMade } = this.#tools;
    const slice = (): void => {
      if (known.coming !== own) return;
      const untilMs = env === undefined ? 0 : env.monotonicMs() + sliceMs;
      while (steps.next().done !== true)
        if (env !== undefined && env.monotonicMs() >= untilMs) return void env.setTimer(0, slice);
      index.apply(known.queued ?? []);
      known.queued = known.coming = undefined;
      known.index = index;
      onMade?.();
    };
    slice();
  }
}

function create<Index>(making: Making<Index>, isDeclared: boolean): Known<Index> {
  return { isDeclared, making, uses: 0, index: undefined, queued: undefined, coming: undefined };
}
