import { expect, it } from "vitest";
import { RecentRecords } from "./recent-records.ts";
import { recordOf } from "./store-contract.ts";

const epoch = "a".repeat(32);

function createRecent(): { readonly recent: RecentRecords; nowMs: number } {
  const clock = { nowMs: 1000 };
  return Object.assign(clock, { recent: new RecentRecords({ monotonicMs: () => clock.nowMs }) });
}

const positionsAfter = (recent: RecentRecords, position: number): readonly number[] =>
  recent.after(position, epoch).map((record) => record.position);

it("gives what stands right behind a position, up to the first that others wrote", () => {
  const { recent } = createRecent();
  recent.add([recordOf(1), recordOf(2)], [42, 43], epoch);
  recent.add([recordOf(3)], [45], epoch);
  expect(recent.after(41, epoch)).toEqual([
    { ...recordOf(1), position: 42 },
    { ...recordOf(2), position: 43 },
  ]);
  expect(positionsAfter(recent, 42)).toEqual([43]);
  expect(positionsAfter(recent, 43)).toEqual([]);
  expect(positionsAfter(recent, 44)).toEqual([45]);
  expect(positionsAfter(recent, 0)).toEqual([]);
});

it("forgets what is older than half a second, and nothing younger", () => {
  const clock = createRecent();
  const { recent } = clock;
  recent.add([recordOf(1)], [1], epoch);
  clock.nowMs += 400;
  recent.add([recordOf(2)], [2], epoch);
  clock.nowMs += 100;
  expect(positionsAfter(recent, 0)).toEqual([1, 2]);
  clock.nowMs += 1;
  expect(positionsAfter(recent, 0)).toEqual([]);
  expect(positionsAfter(recent, 1)).toEqual([2]);
});

it("holds at most 1 MiB, the latest", () => {
  const { recent } = createRecent();
  const size = 300 * 1024;
  for (let position = 1; position <= 4; position++) recent.add([recordOf(position, size)], [position], epoch);
  expect(positionsAfter(recent, 0)).toEqual([]);
  expect(positionsAfter(recent, 1)).toEqual([2, 3, 4]);
  recent.add([recordOf(5, 2 * 1024 * 1024)], [5], epoch);
  for (let position = 0; position <= 5; position++) expect(positionsAfter(recent, position)).toEqual([]);
  recent.add([recordOf(6, size)], [6], epoch);
  expect(positionsAfter(recent, 5)).toEqual([6]);
});

it("gives nothing of another log, nor what was there before something was rewritten", () => {
  const { recent } = createRecent();
  recent.add([recordOf(1)], [1], epoch);
  expect(recent.after(0, "b".repeat(32))).toEqual([]);
  expect(positionsAfter(recent, 0)).toEqual([]);
  recent.add([recordOf(1)], [1], epoch);
  recent.clear();
  expect(positionsAfter(recent, 0)).toEqual([]);
});
