/** The words and signs of an expression's text, for reading and printing. */
import type { Operator } from "./expression.ts";

/** What stands between two operands, and what stands for a value. */
export const words = {
  comparisons: new Map<string, Operator>([
    ["=", "eq"],
    ["!=", "neq"],
    ["<", "lt"],
    ["<=", "lte"],
    [">", "gt"],
    [">=", "gte"],
  ]),
  sums: new Map<string, Operator>([
    ["+", "add"],
    ["-", "subtract"],
  ]),
  products: new Map<string, Operator>([
    ["*", "multiply"],
    ["/", "divide"],
    ["%", "remainder"],
  ]),
  constants: new Map<string, boolean | null>([
    ["true", true],
    ["false", false],
    ["null", null],
  ]),
  /** no fields, unless they are quoted */
  reserved: new Set(["and", "or", "not", "in", "true", "false", "null", "nan", "infinity"]),
} as const;
