/**
 * 1,000 documents from one browser until another one, live on the same server, has them all; then one more document, again and again.
 * A proxy between the browsers and the server counts what travels, both browsers together.
 */

const count = 1000;
const moreCount = 30;

/** @type {import("./index.mjs").Workload} */
export const sync = {
  name: "sync",
  title: "1,000 documents from one browser to another",
  async measure({ runs, openDevice, countedServer, freshName, log }) {
    const proxy = await countedServer();
    const owner = await openDevice();
    const guest = await openDevice();
    /** @type {Record<string, number[]>} */
    const samples = {};
    /** @param {string} name @param {number} value */
    const add = (name, value) => (samples[`sync.${name}`] ??= []).push(value);
    for (let run = 0; run < runs; run += 1) {
      await Promise.all([owner.reload(), guest.reload()]);
      await owner.call("foundNotes", freshName("sync"));
      await owner.call("publishNotes", proxy.url);
      const request = await guest.call("askToJoin", freshName("guest"));
      const answer = await owner.call("approve", { request, serverUrl: proxy.url });
      await guest.call("joinAndWatch", { ...answer, serverUrl: proxy.url });
      await Promise.all([owner.call("openRows"), guest.call("openRows")]);
      await Promise.all([owner.call("untilLive"), guest.call("untilLive")]);
      proxy.reset();
      const all = await bring(count, 1, count);
      const { bodyDown, bodyUp, requestCount, socketDown, socketUp } = proxy.counts();
      add("all", all);
      add("up", bodyUp + socketUp);
      add("down", bodyDown + socketDown);
      add("requests", requestCount);
      for (let more = 1; more <= moreCount; more += 1) {
        proxy.reset();
        add("one", await bring(1, 1 + more, count + more));
        add("oneUp", proxy.counts().bodyUp + proxy.counts().socketUp);
      }
      log(
        `  sync ${run + 1}/${runs}: all in ${all.toFixed(0)} ms, one more in ${samples["sync.one"]?.at(-1)?.toFixed(1)} ms`,
      );
      await Promise.all([owner.call("closeRows"), guest.call("closeRows")]);
      await Promise.all([owner.call("leaveNotes"), guest.call("leaveNotes")]);
    }
    await owner.close();
    await guest.close();
    return samples;

    /**
     * Make documents on one side and wait until the other has so many.
     *
     * @param {number} made
     * @param {number} seed
     * @param {number} total
     */
    async function bring(made, seed, total) {
      const [doneAtMs, beganAtMs] = await Promise.all([
        guest.call("untilDocuments", total),
        owner.call("makeDocuments", made, seed),
      ]);
      return doneAtMs - beganAtMs;
    }
  },
};
