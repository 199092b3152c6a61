import fc from "fast-check";
import { expect, test } from "vitest";
import { LayeredMap } from "./layered-map.ts";

const key = fc.oneof(fc.nat({ max: 9 }), fc.nat({ max: 3000 }));
const steps = fc.array(fc.array(fc.tuple(key, fc.nat()), { maxLength: 60 }), { maxLength: 40 });

test("a line of layered maps is a line of copies, and none changes once there is a next", () => {
  fc.assert(
    fc.property(steps, fc.array(fc.tuple(key, fc.nat()), { maxLength: 2000 }), (all, start) => {
      let plain = new Map(start);
      let layered: ReadonlyMap<number, number> = plain;
      const line: { readonly plain: Map<number, number>; readonly layered: ReadonlyMap<number, number> }[] =
        [];
      for (const step of all) {
        const next = new LayeredMap(layered);
        plain = new Map(plain);
        for (const [at, value] of step) {
          plain.set(at, value);
          next.set(at, value);
        }
        layered = next;
        line.push({ plain, layered });
      }
      for (const one of line) {
        expect([...one.layered]).toEqual([...one.plain]);
        expect(one.layered.size).toBe(one.plain.size);
        expect([...one.layered.keys()]).toEqual([...one.plain.keys()]);
        expect([...one.layered.values()]).toEqual([...one.plain.values()]);
        for (let at = 0; at < 12; at++) {
          expect(one.layered.get(at)).toBe(one.plain.get(at));
          expect(one.layered.has(at)).toBe(one.plain.has(at));
        }
        const seen: [number, number][] = [];
        one.layered.forEach((value, at) => seen.push([at, value]));
        expect(seen).toEqual([...one.plain]);
      }
    }),
  );
});

test("what a map holds is shared, not copied, by those made upon it", () => {
  const held = new Map(Array.from({ length: 10_000 }, (_, at) => [at, {}] as const));
  let copied = 0;
  const base = new Proxy(held, {
    get(target, name) {
      if (name === Symbol.iterator || name === "entries") copied++;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  let map: ReadonlyMap<number, object> = base;
  for (let at = 0; at < 1000; at++) map = new LayeredMap(map).set(10_000 + at, {});
  expect(map.size).toBe(11_000);
  // Once into a base of their own; from then on these are what is gone through, every hundred maps or so.
  expect(copied).toBe(1);
});
