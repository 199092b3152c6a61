import { expect, test } from "vitest";
import { describeRestored } from "./describe-restored.ts";

test("it is said what was in the file, and how much of it is new", () => {
  const said = (commitCount: number, newCount: number): string =>
    describeRestored({ tenantId: "t", commitCount, newCount });
  expect(said(1, 1)).toBe(
    "The file is whole: 1 commit, every signature verified. All of it is new on this device.",
  );
  expect(said(2000, 0)).toMatch(/2,000 commits.* All of it was on this device already\.$/);
  expect(said(2000, 1999)).toMatch(/1,999 of them are new on this device\.$/);
});
