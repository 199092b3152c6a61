/** Keys and people: founding, unlocking, a first pull, a new epoch for many members, a directory of many users. */

/** @type {import("./index.mjs").Workload} */
export const people = {
  name: "people",
  title: "keys and people",
  async measure({ runs, openDevice, freshName, log }) {
    /** @type {Record<string, number[]>} */
    const samples = {};
    /** @param {string} name @param {readonly number[]} values */
    const add = (name, values) =>
      (samples[`people.${name}`] = [...(samples[`people.${name}`] ?? []), ...values]);
    const device = await openDevice();
    for (let run = 0; run < runs; run += 1) {
      await device.reload();
      const founding = await device.call("measureFounding", { cofferName: freshName("people") });
      add("create", [founding.createMs]);
      add("createTask", [founding.longestTaskMs]);
      add("unlock", [founding.unlockMs]);
      add("unlockKey", [(await device.call("derivePassword")).ms]);
      const { pullMs = NaN } = await device.call("askPeople", { kind: "pull", count: 10_000 });
      add("pull", [pullMs]);
      const fold = await device.call("askPeople", { kind: "fold", count: 10_000 });
      add("fold", [fold.foldMs ?? NaN]);
      add("foldEach", [fold.foldEachMs ?? NaN]);
      add("foldOne", [fold.foldOneMs ?? NaN]);
      log(
        `  people ${run + 1}/${runs}: created in ${founding.createMs.toFixed(0)} ms, 10,000 pulled in ${pullMs.toFixed(0)} ms`,
      );
    }
    const members = await device.call("askPeople", { kind: "members", count: 1000, rounds: runs });
    add("rotate", members.rotateMs ?? []);
    add("admit", [members.admitMs ?? NaN]);
    await device.close();
    return samples;
  },
};
