/** Functions of numbers. What would not be finite is missing, and there is no −0. */
import { kindOf } from "./value.ts";

type Binary = (left: unknown, right: unknown) => number | undefined;
type Unary = (of: unknown) => number | undefined;

const decimal = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?$/;
const longestDecimal = 400;

/** The function of two numbers. */
export const ofTwo = (compute: (left: number, right: number) => number): Binary => {
  return (left, right) =>
    typeof left === "number" && typeof right === "number" ? finite(compute(left, right)) : undefined;
};

/** The function of one number. */
export const ofOne = (compute: (of: number) => number): Unary => {
  return (of) => (typeof of === "number" ? finite(compute(of)) : undefined);
};

/** A number that is finite and not −0. */
export function finite(of: number): number | undefined {
  return Number.isFinite(of) ? of + 0 : undefined;
}

/** Round to so many decimals as they are written, halves away from zero. */
export function round(of: unknown, decimals: unknown = 0): number | undefined {
  if (typeof of !== "number" || typeof decimals !== "number") return undefined;
  if (!Number.isInteger(decimals) || Math.abs(decimals) > 15) return undefined;
  const shifted = shift(Math.abs(of), decimals);
  // Past 2^53 there is nothing behind the point.
  const rounded = shifted >= 2 ** 53 ? Math.abs(of) : shift(Math.round(shifted), -decimals);
  return finite(of < 0 ? -rounded : rounded);
}

/** Move the decimal point, as one does on paper: 1.005 by 2 is 100.5. */
function shift(of: number, places: number): number {
  const [digits = "", exponent = "0"] = String(of).split("e");
  return Number(`${digits}e${Number(exponent) + places}`);
}

/** Read a number: of a text in decimal, of a date in milliseconds, or the number itself. */
export function readNumber(from: unknown): number | undefined {
  if (from instanceof Date) return finite(from.getTime());
  if (typeof from === "number") return finite(from);
  if (typeof from !== "string" || from.length > longestDecimal) return undefined;
  return decimal.test(from.trim()) ? finite(Number(from)) : undefined;
}

/** The text of a value, as `concat` and `join` write it; `undefined` where it has none. */
export function readText(of: unknown): string | undefined {
  switch (kindOf(of)) {
    case "string":
      return of as string;
    case "boolean":
      return String(of);
    case "number":
      return String((of as number) + 0);
    case "date":
      return Number.isNaN((of as Date).getTime()) ? undefined : (of as Date).toISOString();
    default:
      return undefined;
  }
}
