import { expect, test } from "vitest";
import { describeBundle } from "./describe-bundle.ts";

test("it is said what came, what was here, and what did not hold", () => {
  const said = (commitCount: number, newCount: number, refusedCount = 0, newFileBytes = 0): string =>
    describeBundle({ commitCount, newCount, refusedCount, newFileBytes, refused: [] });
  expect(said(12, 1)).toBe("1 new change came, every signature verified.");
  expect(said(2000, 2000)).toBe("2,000 new changes came, every signature verified.");
  expect(said(12, 0)).toBe("Everything in the file was here already.");
  expect(said(0, 0)).toBe("There was no change in the file.");
  expect(said(12, 1, 0, 2_500_000)).toBe(
    "1 new change came, every signature verified, with 2.5 MB of files.",
  );
  expect(said(0, 0, 0, 2_500_000)).toBe("2.5 MB of files came, every byte verified.");
  expect(said(12, 0, 0, 2_500_000)).toBe("2.5 MB of files came, every byte verified.");
  expect(said(12, 3, 2)).toBe(
    "3 new changes came, every signature verified. 2 changes did not hold and came to nothing.",
  );
});
