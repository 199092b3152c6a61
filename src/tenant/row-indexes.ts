/**
 * The indexes of one database under one shape: those that an application declares, and those that are made when queries ask for one
 * field again and again; and which of them answers a query.
 */
import type { Definition, FieldPath } from "../expr/index.ts";
import type { Row, RowDelta } from "./row-feed.ts";
import { indexKey, probesOf, RowIndex } from "./row-index.ts";

/** The orders that indexes were kept in. */
export interface KeptOrders {
  read(path: FieldPath): Promise<readonly number[] | undefined>;
  /** There is one to be kept. */
  due(): void;
}

/** A look-up without an index this often makes one. */
const usesBefore = 2;
/** Of those that were not declared, so many are kept. */
const mostMade = 8;
/** Less rows than these are scanned as fast. */
const leastRows = 256;

interface Known {
  readonly path: FieldPath;
  readonly isDeclared: boolean;
  uses: number;
  index: RowIndex | undefined;
  isComing: boolean;
}

/** Makes indexes, keeps them up to date, and chooses among them. */
export class RowIndexes {
  readonly #scan: () => readonly Row[];
  readonly #kept: KeptOrders | undefined;
  readonly #known = new Map<string, Known>();
  /** counts the times that the rows were gone */
  #era = 0;
  #isLive = false;

  constructor(scan: () => readonly Row[], declared: readonly FieldPath[] = [], kept?: KeptOrders) {
    this.#scan = scan;
    this.#kept = kept;
    for (const path of declared) this.#know(path, true);
  }

  start(): void {
    this.#isLive = true;
    for (const known of this.#known.values()) if (known.isDeclared) void this.#make(known);
  }

  stop(): void {
    this.#isLive = false;
    this.#era += 1;
    for (const known of this.#known.values()) known.index = undefined;
  }

  apply(deltas: readonly RowDelta[]): void {
    for (const { index } of this.#known.values()) index?.apply(deltas);
  }

  /** All rows that can pass a filter: of one index where that saves half of them. */
  candidates({ filter }: Definition): Iterable<Row> {
    const rows = this.#scan();
    const probes = probesOf(filter);
    if (rows.length < leastRows || probes.size === 0) return rows;
    let best: { readonly count: number; readonly rows: () => Iterable<Row> } | undefined;
    for (const [key, probe] of probes) {
      const known = this.#known.get(key) ?? this.#know(probe.path, false);
      known.uses += 1;
      const { index } = known;
      if (index === undefined) {
        if (known.uses >= usesBefore) void this.#make(known);
        continue;
      }
      const count = index.count(probe);
      if (count < (best?.count ?? rows.length / 2)) best = { count, rows: () => index.rows(probe) };
    }
    return best?.rows() ?? rows;
  }

  /** The indexes that changed since they were taken last, with the order to keep. */
  *takeOrders(): Generator<{ readonly path: FieldPath; readonly order: readonly number[] }> {
    for (const { path, index } of this.#known.values()) {
      const order = index?.takeOrder();
      if (order !== undefined) yield { path, order };
    }
  }

  #know(path: FieldPath, isDeclared: boolean): Known {
    const made = [...this.#known].filter(([, known]) => !known.isDeclared);
    if (!isDeclared && made.length >= mostMade) {
      const [rarest] = made.toSorted(([, one], [, other]) => one.uses - other.uses);
      if (rarest !== undefined) this.#known.delete(rarest[0]);
    }
    const known = { path, isDeclared, uses: 0, index: undefined, isComing: false };
    this.#known.set(indexKey(path), known);
    return known;
  }

  /** Made beside the answer that asked for it: the next one has it. */
  async #make(known: Known): Promise<void> {
    if (known.isComing || known.index !== undefined) return;
    const era = this.#era;
    known.isComing = true;
    // Whatever keeps the order from being read costs sorting.
    const order = await this.#kept?.read(known.path).catch(() => undefined);
    known.isComing = false;
    if (!this.#isLive || era !== this.#era) return;
    known.index = new RowIndex(known.path, this.#scan(), order);
    this.#kept?.due();
  }
}
