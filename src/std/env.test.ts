import { expect, it } from "vitest";
import { createSystemEnv } from "./env.ts";

it("notes a milestone once, however often it is reached: the platform forgets no mark", () => {
  const env = createSystemEnv();
  const before = performance.getEntriesByName("coffer: query answered").length;
  for (let times = 0; times < 3; times++) env.mark("query answered");
  expect(performance.getEntriesByName("coffer: query answered").length).toBe(before + 1);
});
