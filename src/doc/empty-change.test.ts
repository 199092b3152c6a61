import { expect, it } from "vitest";
import { isEmptyChange } from "./empty-change.ts";
import { loadEngine } from "./automerge-fixtures.ts";

it("tells changes without operations from others, with and without a note and heads behind the newest", async () => {
  const engine = await loadEngine();
  const doc = engine.createDoc();
  const actors = ["aa", "bb", "cc"].map((byte) => byte.repeat(16));
  const set = (actor: string, value: number) =>
    doc.replay({
      operations: [{ op: "set", path: ["a"], value }],
      baseHeads: doc.heads,
      actor,
      timeMs: 64_000,
      note: "x",
    }).changes[0];
  const first = set(actors[0] ?? "", 1);
  const second = set(actors[0] ?? "", 2);
  const empty = doc.emptyChange({ actor: actors[1] ?? "", timeMs: 64_000, note: '{"branch":"a"}' });
  const behind = doc.emptyChange({ actor: actors[2] ?? "", timeMs: 0, at: [first?.hash ?? ""] });
  expect([first, second].map((change) => change && isEmptyChange(change))).toEqual([false, false]);
  expect([empty, behind].map(isEmptyChange)).toEqual([true, true]);
  doc.close();
});
