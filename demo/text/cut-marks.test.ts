import fc from "fast-check";
import { expect, test } from "vitest";
import { cutMarks } from "./cut-marks.ts";

test("a text is cut at the places that are marked", () => {
  expect(
    cutMarks("Star Wars", [
      { from: 0, to: 4 },
      { from: 5, to: 7 },
    ]),
  ).toStrictEqual([
    { text: "Star", isHit: true },
    { text: " ", isHit: false },
    { text: "Wa", isHit: true },
    { text: "rs", isHit: false },
  ]);
  expect(cutMarks("", [])).toStrictEqual([{ text: "", isHit: false }]);
});

test("whatever the places, no letter is lost or doubled", () => {
  const place = fc.record({ from: fc.integer({ min: -2, max: 30 }), to: fc.integer({ min: -2, max: 30 }) });
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.array(place), (text, places) => {
      expect(
        cutMarks(text, places)
          .map((part) => part.text)
          .join(""),
      ).toBe(text);
    }),
  );
});
