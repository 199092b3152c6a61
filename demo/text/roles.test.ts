import { describe, expect, test } from "vitest";
import { describeDryRun, givenRole, roleWords } from "./roles.ts";

describe("roles in words", () => {
  test.each([
    [0, 0, "Of all 0 changes so far, none would have been refused."],
    [1, 0, "The one change so far would have been allowed."],
    [3201, 0, "Of all 3,201 changes so far, none would have been refused."],
    [3201, 1, /^Of 3,201 changes so far, one would have been refused\./],
    [3201, 1200, /^Of 3,201 changes so far, 1,200 would have been refused\./],
  ])("say what %i changes with %i refused come to", (changeCount, refusedCount, words) => {
    expect(describeDryRun({ changeCount, refusedCount, refused: [] })).toMatch(words);
  });

  test("say what nothing said means, for everyone and for one", () => {
    expect(roleWords(undefined, true)).toBe(roleWords("manager", true));
    expect(roleWords(undefined, false)).toContain("everyone");
  });

  test("find the role of exactly this holder", () => {
    const roles = [
      { database: "films", role: "reader" },
      { database: "films", user: "u", role: "editor" },
      { user: "u", role: "author" },
    ] as const;
    expect(givenRole(roles, { database: "films" })).toBe("reader");
    expect(givenRole(roles, { database: "films", user: "u" })).toBe("editor");
    expect(givenRole(roles, { user: "u" })).toBe("author");
    expect(givenRole(roles, { database: "films", group: "g" })).toBeUndefined();
    expect(givenRole(undefined, {})).toBeUndefined();
  });
});
