/**
 * The totals of one category, or of the whole view.
 *
 * | total | of |
 * |---|---|
 * | `sum` | the finite numbers, added exactly and rounded once; 0 of none |
 * | `average` | their sum by their count: documents without a number do not take part; `null` of none |
 * | `count` | documents, or those that have a value that is not `null` |
 * | `min` `max` | numbers, dates, texts and truth values in the order of rows; `null` of none |
 * | `distinct` | how many different ones of those there are; of a list, its elements |
 *
 * A document counts once in each category, in however many of its categories it stands.
 */
import { ExactSum } from "../std/index.ts";
import type { Plan, PlannedTotal } from "./plan.ts";

/** What a total came to. */
export type TotalValue = number | string | boolean | Date | null;

interface Account {
  readonly sum: ExactSum | undefined;
  /** documents that have the number, or the value */
  count: number;
  readonly distinct: Map<string, number> | undefined;
}

/** Totals to which documents are added, and from which they are taken. */
export class Totals {
  readonly #plan: Plan;
  readonly #accounts: readonly Account[];
  /** documents, each once */
  documentCount = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#accounts = plan.accounts.map((kind) => ({
      sum: kind === "numbers" ? new ExactSum() : undefined,
      count: 0,
      distinct: kind === "distinct" ? new Map<string, number>() : undefined,
    }));
  }

  /** Add a document's parts, or take them away with −1. */
  add(parts: readonly unknown[], sign: 1 | -1 = 1): void {
    this.documentCount += sign;
    for (let index = 0; index < this.#accounts.length; index += 1) {
      const account = this.#accounts[index];
      if (account !== undefined) addPart(account, parts[index], sign);
    }
  }

  /** Add all that was added to others, none of whose documents is here. */
  addAll(totals: Totals): void {
    const { documentCount } = totals;
    const others = totals.#accounts;
    this.documentCount += documentCount;
    for (const [index, account] of this.#accounts.entries()) {
      const other = others[index];
      if (other === undefined) continue;
      if (other.sum !== undefined) account.sum?.addAll(other.sum);
      account.count += other.count;
      if (account.distinct !== undefined)
        for (const [key, count] of other.distinct ?? []) countKey(account.distinct, key, count);
    }
  }

  /** What they come to; `extreme` gives the least or greatest value. */
  read(extreme: (index: number) => unknown): { readonly [name: string]: TotalValue } {
    const { totals } = this.#plan;
    return Object.fromEntries(totals.map((planned) => [planned.name, this.#read(planned, extreme)]));
  }

  #read({ how, account: index, extreme }: PlannedTotal, read: (index: number) => unknown): TotalValue {
    const account = this.#accounts[index];
    if (account === undefined) return this.documentCount;
    switch (how) {
      case "sum":
        return account.sum?.value ?? 0;
      case "average":
        return account.count === 0 ? null : (account.sum?.value ?? 0) / account.count;
      case "count":
        return account.count;
      case "distinct":
        return account.distinct?.size ?? 0;
      default:
        return (read(extreme) as TotalValue | undefined) ?? null;
    }
  }
}

function addPart(account: Account, part: unknown, sign: 1 | -1): void {
  if (typeof part === "number") {
    account.sum?.add(sign * part);
    account.count += sign;
  } else if (part === true) account.count += sign;
  else if (Array.isArray(part) && account.distinct !== undefined)
    for (const key of part as readonly string[]) countKey(account.distinct, key, sign);
}

function countKey(counts: Map<string, number>, key: string, more: number): void {
  const count = (counts.get(key) ?? 0) + more;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
