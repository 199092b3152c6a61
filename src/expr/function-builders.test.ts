import { describe, expect, it } from "vitest";
import * as expressions from "../expressions.ts";
import { arity, type Expression } from "./expression.ts";
import { and, eq, field, gt, judgeExpression, parseExpression, printExpression, value } from "./index.ts";

/** Builders that are called otherwise than the operator that they write. */
const names: Readonly<Record<string, string>> = { if: "when" };

describe("builders", () => {
  it.each(Object.entries(arity))("there is one for %s, which writes it", (op, [fewest]) => {
    const build = (expressions as unknown as Record<string, (...args: unknown[]) => Expression>)[
      names[op] ?? op
    ];
    const args = ["a", ...Array.from({ length: Math.max(0, fewest - 1) }, () => "days")];
    const built = build?.(
      ...args.map((arg) => (op === "and" || op === "or" || op === "concat" ? field(arg) : arg)),
    );
    expect(built).toMatchObject({ op });
    expect(judgeExpression(built)).toEqual({ kind: "expression", expression: built });
  });

  it("write what the text form writes", () => {
    const { total, when, year, round, addTime } = expressions;
    const built = and(eq("status", "open"), gt(total("amount"), 100));
    expect(printExpression(built)).toBe("status = 'open' and total(amount) > 100");
    expect(parseExpression(printExpression(built))).toEqual({ kind: "expression", expression: built });
    expect(printExpression(when(eq(year("d", "UTC"), 2024), value(1)))).toBe("if(year(d, 'UTC') = 2024, 1)");
    expect(printExpression(round("a"))).toBe("round(a)");
    expect(printExpression(addTime("a", 1, "days", field("zone")))).toBe("addTime(a, 1, 'days', zone)");
  });
});
