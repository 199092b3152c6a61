import { expect, it } from "vitest";
import { readWhere, visitorsOf } from "./here.ts";

it("where somebody is, is read from whatever they wrote", () => {
  expect(readWhere({ doc: "d", field: "Title", isTyping: true })).toEqual({
    doc: "d",
    field: "Title",
    isTyping: true,
  });
  for (const state of [
    undefined,
    null,
    5,
    "x",
    [],
    { doc: 1, field: {}, isTyping: "yes" },
    { doc: "d".repeat(201) },
  ])
    expect(Object.values(readWhere(state)).filter(Boolean)).toEqual([]);
});

it("every window is a visitor of its own", () => {
  const peers = [
    { id: "1", user: "anna", state: { doc: "d" } },
    { id: "2", user: "anna", state: null },
  ];
  expect(visitorsOf(peers).map(({ id, user, doc }) => [id, user, doc])).toEqual([
    ["1", "anna", "d"],
    ["2", "anna", undefined],
  ]);
});
