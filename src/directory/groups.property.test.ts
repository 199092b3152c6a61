import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToId, type AuthorKey, type GroupId } from "../std/index.ts";
import { groupsOfUser, maxGroupDepth, usersOfGroup } from "./groups.ts";

const groupAt = (index: number): GroupId => bytesToId("GroupId", new Uint8Array(16).fill(index));
const userAt = (index: number): AuthorKey => bytesToId("AuthorKey", new Uint8Array(32).fill(index));

interface Case {
  readonly users: readonly (readonly number[])[];
  readonly groups: readonly (readonly number[])[];
}

function groupsOf({ users, groups }: Case) {
  return new Map(
    groups.map((inner, index) => [
      groupAt(index),
      { users: new Set(users[index]?.map(userAt)), groups: new Set(inner.map(groupAt)) },
    ]),
  );
}

/** The dull twin: follow every way, however often it comes back, until it is as long as a way may be. */
function isInside({ users, groups }: Case, group: number, user: number, depth = 1): boolean {
  if (depth > maxGroupDepth || groups[group] === undefined) return false;
  if (users[group]?.includes(user) === true) return true;
  return groups[group].some((inner) => isInside({ users, groups }, inner, user, depth + 1));
}

const cases: fc.Arbitrary<Case> = fc.integer({ min: 1, max: 6 }).chain((count) =>
  fc.record({
    users: fc.array(fc.array(fc.nat({ max: 3 }), { maxLength: 2 }), { minLength: count, maxLength: count }),
    // Some groups are not there: the highest number names none.
    groups: fc.array(fc.array(fc.nat({ max: count }), { maxLength: 1 }), {
      minLength: count,
      maxLength: count,
    }),
  }),
);

test("a user is in a group when a way leads there, circles and unknown groups included, asked from either end", () => {
  fc.assert(
    fc.property(cases, (one) => {
      const groups = groupsOf(one);
      for (let user = 0; user <= 3; user++) {
        const around = groupsOfUser(groups, userAt(user));
        for (let group = 0; group <= one.groups.length; group++) {
          const inside = isInside(one, group, user);
          expect(usersOfGroup(groups, groupAt(group)).has(userAt(user))).toBe(inside);
          expect(around.has(groupAt(group))).toBe(inside);
        }
      }
    }),
  );
});

test("a way of 16 groups counts, one of 17 does not, and the shorter of two ways decides", () => {
  const chain = (length: number): Case => ({
    users: Array.from({ length }, (_, index) => (index === length - 1 ? [0] : [])),
    groups: Array.from({ length }, (_, index) => (index === length - 1 ? [] : [index + 1])),
  });
  expect(usersOfGroup(groupsOf(chain(16)), groupAt(0))).toEqual(new Set([userAt(0)]));
  expect(usersOfGroup(groupsOf(chain(17)), groupAt(0)).size).toBe(0);
  expect(groupsOfUser(groupsOf(chain(17)), userAt(0)).size).toBe(16);
  const { users, groups } = chain(17);
  const short = groupsOf({ users, groups: groups.map((inner, index) => (index === 0 ? [1, 5] : inner)) });
  expect(usersOfGroup(short, groupAt(0))).toEqual(new Set([userAt(0)]));
});

test("ten thousand groups, each in all others' way, are walked once", () => {
  const count = 10_000;
  const id = (index: number): GroupId => {
    const bytes = new Uint8Array(16);
    new DataView(bytes.buffer).setUint32(0, index);
    return bytesToId("GroupId", bytes);
  };
  const ids = Array.from({ length: count }, (_, index) => id(index));
  const [first] = ids;
  if (first === undefined) throw new Error("there are groups");
  const all = new Set(ids);
  const groups = new Map(
    ids.map((groupId) => [groupId, { users: new Set([userAt(1)]), groups: new Set([first]) }]),
  );
  groups.set(first, { users: new Set<AuthorKey>(), groups: all });
  expect(usersOfGroup(groups, first)).toEqual(new Set([userAt(1)]));
  expect(groupsOfUser(groups, userAt(1)).size).toBe(count);
});
