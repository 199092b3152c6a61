import { expect, test } from "vitest";
import { describeRestored } from "./describe-restored.ts";

test("it is said what was in the file, and how much of it is new", () => {
  const said = (commitCount: number, newCount: number, fileBytes = 0): string =>
    describeRestored({ tenantId: "t", commitCount, newCount, fileBytes });
  expect(said(1, 1)).toBe(
    "The file is whole: 1 commit, every signature verified. All of it is new on this device.",
  );
  expect(said(2000, 0)).toMatch(/2,000 commits.* All of it was on this device already\.$/);
  expect(said(2000, 1999)).toMatch(/1,999 of them are new on this device\.$/);
  expect(said(1, 1, 5_300_000)).toMatch(/ All of it is new on this device\. With 5\.3 MB of attachments\.$/);
});
