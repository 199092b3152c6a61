/** Replaying: increases of one counter in a row are one operation. */
import { describe, expect, it } from "vitest";
import type { DraftOperation } from "./draft.ts";
import { replayDraft, type ReplayTarget } from "./replay.ts";

describe("replaying increases", () => {
  it("writes the sum of those in a row, of each counter, where it is exact", () => {
    const written: unknown[] = [];
    const increment = (...call: unknown[]): void => void written.push(call.slice(1));
    const doc = { getWithType: () => ["counter", 0], increment };
    const inc = (key: string, by: number): DraftOperation => ({ op: "increment", path: [key], by });
    const operations = [
      inc("a", 1),
      inc("a", 2),
      inc("b", 3),
      inc("a", 4),
      inc("a", Number.MAX_SAFE_INTEGER),
    ];
    replayDraft({ doc } as unknown as ReplayTarget, operations);
    expect(written).toEqual([
      ["a", 3],
      ["b", 3],
      ["a", 4],
      ["a", Number.MAX_SAFE_INTEGER],
    ]);
  });
});
