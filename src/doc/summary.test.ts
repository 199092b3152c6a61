import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeInitialValue, decodeValue } from "../draft/index.ts";
import { isFields } from "./plain.ts";
import { summarizeValue, summaryLimits } from "./summary.ts";

describe("summarizeValue", () => {
  it("keeps small documents whole, as the same object", () => {
    const value = { a: "x".repeat(1000), b: [1, 2], c: { d: { e: { f: { g: 1 } } } } };
    expect(summarizeValue(value)).toEqual({ value, isWhole: true });
    expect(summarizeValue(value).value).toBe(value);
  });

  it("cuts strings between characters, lists, depth and bytes", () => {
    const text = "x".repeat(summaryLimits.stringUnits - 1) + "👍".repeat(4000);
    const value = {
      text,
      list: Array.from({ length: 50 }, (_, i) => i),
      deep: { a: { b: { c: { d: 1 }, n: 1 } } },
      photo: new Uint8Array(9),
      when: new Date(1),
    };
    expect(summarizeValue(value)).toEqual({
      value: {
        text: "x".repeat(summaryLimits.stringUnits - 1),
        list: value.list.slice(0, 16),
        deep: { a: { b: { n: 1 } } },
        when: new Date(1),
      },
      isWhole: false,
    });
  });

  it("is bounded whatever the document", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 6 }), { maxKeys: 400 }), (given) => {
        const value = decodeValue(encodeInitialValue(given));
        if (!isFields(value)) throw new Error("fields");
        const { value: short, isWhole } = summarizeValue(value);
        expect(JSON.stringify(short).length).toBeLessThan(200_000);
        if (isWhole) expect(short).toBe(value);
      }),
    );
    const wide = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`key ${i}`, "x".repeat(300)]));
    expect(Object.keys(summarizeValue(wide).value).length).toBeLessThan(100);
  });
});
