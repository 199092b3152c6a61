/** A query definition made ready to be run: compiled filter, order, window, selection. */
import {
  compareKeys,
  compile,
  compileFilter,
  keyReader,
  sameKey,
  type Definition,
  type Keys,
} from "../expr/index.ts";
import type { SummaryRow } from "../../worker/api.ts";
import type { Range } from "./ordered-list.ts";
import type { Row } from "./row-feed.ts";

/** What is compared: keys, then id. */
interface Placed {
  readonly keys: Keys;
  readonly row: { readonly docId: string };
}

/** A query that can be run. */
export interface QueryPlan {
  readonly definition: Definition;
  readonly matches: (value: unknown) => boolean;
  readonly keysOf: (row: Row) => Keys;
  /** a total order of rows */
  readonly compare: (left: Placed, right: Placed) => number;
  readonly range: Range;
  readonly after: Placed | undefined;
  /** what a row shows */
  readonly show: (row: Row) => SummaryRow["value"];
  /** the same for rows that show the same; `undefined` where all rows are listed */
  readonly shownKey: ((row: Row) => unknown) | undefined;
}

/** Make a definition ready. */
export function planQuery(definition: Definition): QueryPlan {
  const { after, distinct, filter, limit, locale, offset, select, sort } = definition;
  // Without an order rows stand as they came to this device.
  const order =
    sort.length === 0
      ? ([left]: Keys, [right]: Keys): number => Number(left) - Number(right)
      : compareKeys(sort, locale);
  const read = keyReader(sort);
  const show = selector(select);
  return {
    definition,
    matches: compileFilter(filter),
    keysOf: sort.length === 0 ? ({ number }) => [number] : ({ value }) => read(value),
    compare: (left, right) => order(left.keys, right.keys) || compareIds(left.row.docId, right.row.docId),
    range: { start: offset, end: limit === undefined ? Number.POSITIVE_INFINITY : offset + limit },
    after: after && { keys: after.keys, row: { docId: after.id } },
    show,
    shownKey: distinct ? (row) => sameKey(show(row)) : undefined,
  };
}

function compareIds(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1;
}

function selector(select: Definition["select"]): QueryPlan["show"] {
  if (select === undefined) return ({ value }) => value;
  const columns = select.map(({ name, of }) => [name, compile(of)] as const);
  return ({ value }) => {
    const shown = columns.map(([name, read]) => [name, read(value)] as const);
    return Object.fromEntries(shown.filter(([, of]) => of !== undefined)) as SummaryRow["value"];
  };
}
