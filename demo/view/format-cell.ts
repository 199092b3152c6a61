/** Values of columns and categories in words. Pure. */
import type { CategoryValue } from "cofferdb";
import { formatCount, formatMoney } from "../text/format.ts";
import {
  columnOf,
  groupingOf,
  type ColumnKind,
  type ColumnName,
  type GroupName,
  type TotalName,
} from "./columns.ts";

const sums = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** The name of a category. */
export function formatCategory(name: GroupName, value: CategoryValue): string {
  if (value === null) return groupingOf(name).unknown;
  if (name === "decade") return `${String(value)}s`;
  return value instanceof Date ? value.toISOString() : String(value);
}

/** A value of a film, or what many came to; what is not there, or of a strange kind, is no text. */
export function formatCell(name: ColumnName, value: unknown, how: TotalName): string {
  const { kind } = columnOf(name);
  if (how === "distinct" || kind === "films") return typeof value === "number" ? formatCount(value) : "";
  if (kind === "text")
    return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
  if (typeof value !== "number" || !Number.isFinite(value)) return "";
  return formatNumber(kind, value, how);
}

function formatNumber(kind: ColumnKind, value: number, how: TotalName): string {
  switch (kind) {
    case "money":
      return formatMoney(value);
    case "rating":
      return value.toFixed(1);
    case "percent":
      return `${Math.round(value)} %`;
    case "year":
      return String(Math.round(value));
    default:
      return how === "sum" && Math.abs(value) >= 1e6 ? sums.format(value) : formatCount(Math.round(value));
  }
}
