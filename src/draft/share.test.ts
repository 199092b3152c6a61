import { describe, expect, it } from "vitest";
import { shareStructure } from "./share.ts";

const frozen = <T>(value: T): T => shareStructure(undefined, value);

describe("shareStructure", () => {
  it("keeps what is equal, and freezes what is new", () => {
    const before = frozen({
      a: { b: 1 },
      list: [{ c: 2 }, { d: 3 }],
      at: new Date(5),
      bytes: Uint8Array.of(1),
    });
    const after = shareStructure(before, {
      a: { b: 1 },
      list: [{ c: 2 }, { d: 4 }],
      at: new Date(5),
      bytes: Uint8Array.of(1),
    });
    expect([after.a, after.at, after.bytes, after.list[0]]).toEqual([
      before.a,
      before.at,
      before.bytes,
      { c: 2 },
    ]);
    expect(after.a).toBe(before.a);
    expect(after.at).toBe(before.at);
    expect(after.bytes).toBe(before.bytes);
    expect(after.list[0]).toBe(before.list[0]);
    expect([after, after.list, after.list[1]].every((part) => Object.isFrozen(part))).toBe(true);
    expect(shareStructure(before, structuredClone(before))).toBe(before);
  });

  it("leaves a frozen branch that takes nothing over the object that it is", () => {
    const before = frozen({ rows: [{ id: 1 }, { id: 2 }] });
    const moved = frozen({ rows: [{ id: 0 }, ...before.rows] });
    const after = shareStructure(before, moved);
    expect(after).toBe(moved);
    expect(after.rows[1]).toBe(before.rows[0]);
  });

  it("compares what is no plain data by identity", () => {
    const [one, other] = [new Set([1]), new Set([2])];
    expect(shareStructure({ one }, { one: other }).one).toBe(other);
    expect(shareStructure(one, other)).toBe(other);
  });

  it("tells lists from maps, and missing fields from those of the prototype", () => {
    expect(shareStructure([1], { 0: 1 })).toEqual({ 0: 1 });
    expect(shareStructure({ 0: 1 }, [1])).toEqual([1]);
    expect(shareStructure({}, frozen(JSON.parse('{"toString":1,"__proto__":2}')))).toHaveProperty(
      "toString",
      1,
    );
    expect(shareStructure([1, 2], [1])).toEqual([1]);
  });
});
