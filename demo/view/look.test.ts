import fc from "fast-check";
import { expect, test } from "vitest";
import { parseViewState } from "../../src/view/index.ts";
import { usualArrangement } from "./arrangement.ts";
import { collapsed, parseLook, stored } from "./look.ts";

test("what is stored comes back, without what was selected", () => {
  const state = {
    version: 1,
    expandedTo: 1,
    flipped: ["/0n1990", "/0n2000/1sDrama"],
    selected: ["/0n1990"],
  } as const;
  expect(parseLook({ arrangement: usualArrangement, look: stored(state) })).toEqual({
    arrangement: usualArrangement,
    state: { ...state, selected: [] },
  });
});

test("whatever was stored is a look that the product takes", () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (arrangement, look) => {
      const { state } = parseLook({ arrangement, look });
      expect(parseViewState(state).kind).toBe("state");
    }),
  );
  for (const nothing of [undefined, null, 7, "views", []])
    expect(parseLook(nothing)).toEqual({ arrangement: usualArrangement, state: collapsed });
  expect(parseLook({ look: { expandedTo: 2, flipped: ["a", 7, null] } }).state).toEqual({
    ...collapsed,
    expandedTo: 2,
    flipped: ["a"],
  });
});
