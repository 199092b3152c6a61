/** 50 small edits of an open document: alone, then live beside a second device that watches through the sync server. */

const editCount = 50;
const awaitedCount = 500;

/** @type {import("./index.mjs").Workload} */
export const edit = {
  name: "edit",
  title: "one small edit of an open document",
  async measure({ runs, openDevice, serverUrl: server, freshName, log }) {
    const serverUrl = await server();
    const owner = await openDevice();
    const guest = await openDevice();
    /** @type {Record<string, number[]>} */
    const samples = {
      "edit.shown": [],
      "edit.durable": [],
      "edit.durableLive": [],
      "edit.seen": [],
      "edit.sent": [],
      "edit.seenTab": [],
      "edit.awaited": [],
      "edit.insert": [],
    };
    for (let run = 0; run < runs; run += 1) {
      await owner.reload();
      await guest.reload();
      const coffer = freshName("edit");
      await owner.call("foundNotes", coffer);
      const alone = await owner.call("typeCharacters", editCount);
      samples["edit.seenTab"]?.push(...(await seenInTab(owner, coffer)));
      samples["edit.awaited"]?.push(...(await owner.call("editAwaited", awaitedCount)));
      samples["edit.insert"]?.push(...(await owner.call("insertAwaited", awaitedCount)));
      await owner.call("leaveNotes");
      await owner.reload();
      await owner.call("foundNotes", freshName("live"));
      await owner.call("publishNotes", serverUrl);
      const request = await guest.call("askToJoin", freshName("guest"));
      const answer = await owner.call("approve", { request, serverUrl });
      await guest.call("joinAndWatch", { ...answer, serverUrl });
      await Promise.all([owner.call("untilLive"), guest.call("untilLive")]);
      const live = await owner.call("typeCharacters", editCount);
      const seenAtMs = await guest.call("seenTimes", editCount);
      const seenMs = live.beganAtMs.map((beganAtMs, index) => (seenAtMs[index] ?? Number.NaN) - beganAtMs);
      samples["edit.shown"]?.push(...alone.shownMs, ...live.shownMs);
      samples["edit.durable"]?.push(...alone.durableMs);
      samples["edit.durableLive"]?.push(...live.durableMs);
      samples["edit.seen"]?.push(...seenMs);
      samples["edit.sent"]?.push(live.sentBytes / editCount);
      log(
        `  edit ${run + 1}/${runs}: durable ${live.durableMs[0]?.toFixed(1)} ms, seen ${seenMs[0]?.toFixed(1)} ms (the first)`,
      );
      await Promise.all([owner.call("leaveNotes"), guest.call("leaveNotes")]);
    }
    await owner.close();
    await guest.close();
    return samples;
  },
};

/**
 * Type while a second tab of the same browser watches: from the edit's beginning until that tab shows it.
 *
 * @param {import("../world.mjs").Device} owner
 * @param {string} coffer
 */
async function seenInTab(owner, coffer) {
  const tab = await owner.openTab();
  await tab.call("watchInTab", coffer);
  const typed = await owner.call("typeCharacters", editCount);
  const seenAtMs = (await tab.call("seenTimes", 2 * editCount)).slice(editCount);
  await tab.call("leaveTab");
  await tab.close();
  return typed.beganAtMs.map((beganAtMs, index) => (seenAtMs[index] ?? Number.NaN) - beganAtMs);
}
