/**
 * The indexes of one database under one shape: those that an application declares, and those that are made when queries ask for one
 * field, or for one order, again and again; and which of them answers a query.
 */
import { compileFilter, type Definition, type Expression, type FieldPath } from "../expr/index.ts";
import type { Env } from "../std/index.ts";
import { IndexPool, type Making } from "./index-pool.ts";
import { OrderIndex, type OrderedRow, type Value } from "./order-index.ts";
import type { QueryPlan } from "./query-plan.ts";
import type { Row, RowDelta } from "./row-feed.ts";
import { indexKey, probesOf, restOf, RowIndex, valueOf, type Probe } from "./row-index.ts";

/** The orders that indexes were kept in. */
export interface KeptOrders {
  read(path: FieldPath): Promise<readonly number[] | undefined>;
  /** There is one to be kept. */
  due(): void;
}

/** Rows that may pass, in any order. */
export interface AnyRows {
  readonly kind: "any";
  readonly rows: Iterable<Row>;
}

/** Rows in the order of a query, as far as it needs them. */
export interface OrderedRows {
  readonly kind: "ordered";
  /** all that pass the filter; `undefined` when `rows` have to be counted */
  readonly total: number | undefined;
  /** whether a row of these passes */
  readonly matches: (value: unknown) => boolean;
  /** where the total is known those behind the query's cursor, otherwise all that may pass */
  readonly rows: Iterable<OrderedRow>;
}

/** Of the indexes that were not declared, so many are kept of each kind. */
const mostMade = 8;
const mostOrders = 6;
/** See {@link IndexTools.leastRows}. */
const leastRows = 256;

/** What {@link RowIndexes} are made with. */
export interface IndexTools {
  readonly declared?: readonly FieldPath[] | undefined;
  readonly kept?: KeptOrders | undefined;
  /** without it an index is made in one go */
  readonly env?: Pick<Env, "monotonicMs" | "setTimer"> | undefined;
  /** less rows than these are scanned, or sorted, as fast */
  readonly leastRows?: number;
}

/** Makes indexes, keeps them up to date, and chooses among them. */
export class RowIndexes {
  readonly #scan: () => readonly Row[];
  readonly #kept: KeptOrders | undefined;
  readonly #leastRows: number;
  readonly #fields: IndexPool<RowIndex>;
  readonly #orders: IndexPool<OrderIndex>;
  /** for counting: one field among the rows that hold the same in another */
  readonly #pairs: IndexPool<RowIndex>;

  constructor(scan: () => readonly Row[], tools: IndexTools = {}) {
    const { declared = [], env, kept } = tools;
    this.#scan = scan;
    this.#kept = kept;
    this.#leastRows = tools.leastRows ?? leastRows;
    this.#fields = new IndexPool({ most: mostMade, env, onMade: () => kept?.due() });
    this.#orders = new IndexPool({ most: mostOrders, env });
    this.#pairs = new IndexPool({ most: mostOrders, env });
    for (const path of declared) this.#fields.declare(indexKey(path), this.#makingOf(path));
  }

  start(): void {
    this.#fields.start();
    this.#orders.start();
    this.#pairs.start();
  }

  stop(): void {
    this.#fields.stop();
    this.#orders.stop();
    this.#pairs.stop();
  }

  apply(deltas: readonly RowDelta[]): void {
    this.#fields.apply(deltas);
    this.#orders.apply(deltas);
    this.#pairs.apply(deltas);
  }

  /** All rows that can pass a filter: of one index where that saves half of them. */
  candidates(definition: Definition): Iterable<Row> {
    return this.#among(this.#scan(), definition);
  }

  /** What a query reads: its rows in order where an index has them so, otherwise all that can pass. */
  find(plan: QueryPlan): OrderedRows | AnyRows {
    const rows = this.#scan();
    return this.#ordered(plan, rows.length) ?? { kind: "any", rows: this.#among(rows, plan.definition) };
  }

  #among(rows: readonly Row[], { filter }: Definition): Iterable<Row> {
    if (rows.length < this.#leastRows) return rows;
    const probes = probesOf(filter);
    for (const [key, { path }] of probes) this.#fields.use(key, this.#makingOf(path));
    const few = this.#fewest(probes);
    return few !== undefined && few.count < rows.length / 2 ? few.index.rows(few.probe) : rows;
  }

  /**
   * The rows of a query in its order, where an index has them so: of those that hold a value which the filter demands, or of all of them
   * where it demands none. `undefined` where a query has no limit, shows what several rows show once, or finds few rows anyway.
   */
  #ordered(plan: QueryPlan, rowCount: number): OrderedRows | undefined {
    const { definition, range, shownKey } = plan;
    if (rowCount < this.#leastRows || shownKey !== undefined || range.end > rowCount) return undefined;
    const probes = probesOf(definition.filter);
    const few = this.#fewest(probes);
    if (few !== undefined && few.count < this.#leastRows) return undefined;
    const single = new Map([...probes].filter(([, probe]) => valueOf(probe) !== undefined));
    const probe = this.#fewest(single)?.probe ?? [...single.values()][0];
    if (probe !== undefined) return this.#orderedBy(plan, probe);
    if (definition.sort.length === 0 || (few !== undefined && few.count < rowCount / 4)) return undefined;
    return this.#orderedAll(plan, few);
  }

  /** The indexes that changed since they were taken last, with the order to keep. */
  *takeOrders(): Generator<{ readonly path: FieldPath; readonly order: readonly number[] }> {
    for (const index of this.#fields.present()) {
      const order = index.takeOrder();
      if (order !== undefined) yield { path: index.path, order };
    }
  }

  #orderedBy(plan: QueryPlan, probe: Probe): OrderedRows | undefined {
    const { definition } = plan;
    const index = this.#order(plan, probe.path);
    const value = valueOf(probe);
    const rest = restOf(definition.filter, probe);
    const pair = rest && this.#pair(probe, rest);
    if (index === undefined) return undefined;
    const total =
      rest === undefined ? index.count(value) : pair && value && pair.index.count(pair.probe, value);
    const rows = total === undefined ? index.rows(value) : fromCursor(index, plan, value);
    return { kind: "ordered", total, matches: compileFilter(rest), rows };
  }

  /** What counts the rows that hold one value and pass the rest of a filter, where that is about one other field. */
  #pair(probe: Probe, rest: Expression): Omit<Found, "count"> | undefined {
    const other = [...probesOf(rest).values()][0];
    if (other === undefined || restOf(rest, other) !== undefined) return undefined;
    const index = this.#pairs.use(JSON.stringify([probe.path, other.path]), async () => () => {
      const made = new RowIndex(other.path, probe.path);
      return { index: made, steps: made.build(this.#scan()) };
    });
    return index && { index, probe: other };
  }

  /** Only where the total is known: whoever has to count them looks at all rows, in whatever order. */
  #orderedAll(plan: QueryPlan, few: Found | undefined): OrderedRows | undefined {
    const { filter } = plan.definition;
    const isCovered = few !== undefined && restOf(filter, few.probe) === undefined;
    if (filter !== undefined && !isCovered) return undefined;
    const index = this.#order(plan, undefined);
    if (index === undefined) return undefined;
    const total = few?.count ?? index.count(undefined);
    return { kind: "ordered", total, matches: plan.matches, rows: fromCursor(index, plan, undefined) };
  }

  /** Where the fewest rows are that can pass, of what the indexes tell. */
  #fewest(probes: ReadonlyMap<string, Probe>): Found | undefined {
    let fewest: Found | undefined;
    for (const [key, probe] of probes) {
      const index = this.#fields.peek(key);
      const count = index?.count(probe) ?? Number.POSITIVE_INFINITY;
      if (index !== undefined && count < (fewest?.count ?? Number.POSITIVE_INFINITY))
        fewest = { index, probe, count };
    }
    return fewest;
  }

  #order(plan: QueryPlan, by: FieldPath | undefined): OrderIndex | undefined {
    const { locale, sort } = plan.definition;
    const name = JSON.stringify([by, sort.map(({ field, order }) => [field, order]), locale]);
    return this.#orders.use(name, async () => () => {
      const index = new OrderIndex(by, plan);
      return { index, steps: index.build(this.#scan()) };
    });
  }

  #makingOf(path: FieldPath): Making<RowIndex> {
    return async () => {
      // Whatever keeps the order from being read costs sorting.
      const order = await this.#kept?.read(path).catch(() => undefined);
      return () => {
        const index = new RowIndex(path);
        return { index, steps: index.build(this.#scan(), order) };
      };
    };
  }
}

interface Found {
  readonly index: RowIndex;
  readonly probe: Probe;
  readonly count: number;
}

function fromCursor(
  index: OrderIndex,
  { after, compare }: QueryPlan,
  value: Value | undefined,
): Iterable<OrderedRow> {
  return after === undefined ? index.from(value) : index.from(value, (row) => compare(row, after) > 0);
}
