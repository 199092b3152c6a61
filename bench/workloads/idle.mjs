/**
 * Syncing a tenant of several databases when nothing is new: on a live socket, and by plain requests where sockets are refused.
 * Requests and bytes are counted by a proxy between browser and server.
 */

const databaseCount = 5;
const documentsEach = 200;
const cyclesEachRun = 4;

/** @type {import("./index.mjs").Workload} */
export const idle = {
  name: "idle",
  title: "a sync when nothing is new",
  async measure({ runs, openDevice, countedServer, freshName, log }) {
    const proxy = await countedServer();
    const device = await openDevice();
    /** @type {Record<string, number[]>} */
    const samples = {};
    /** @param {string} name @param {number} value */
    const add = (name, value) => (samples[`idle.${name}`] ??= []).push(value);

    for (let run = 0; run < runs; run += 1) {
      const cofferName = freshName("idle");
      proxy.refuseSockets(false);
      await device.reload();
      await device.call("fillAndPublish", {
        cofferName,
        serverUrl: proxy.url,
        count: documentsEach,
        databaseCount,
      });
      await proxy.untilSocket();
      // The cycle that follows the opening of the socket belongs to the opening.
      await device.call("syncOnce");
      for (let cycle = 0; cycle < cyclesEachRun; cycle += 1) {
        proxy.reset();
        const { ms } = await device.call("syncOnce");
        const { requestCount, socketUp, socketDown, bodyDown } = proxy.counts();
        add("liveRequests", requestCount);
        add("liveDown", socketDown + bodyDown);
        add("liveUp", socketUp);
        add("liveSync", ms);
      }

      proxy.refuseSockets(true);
      await device.reload();
      proxy.reset();
      await device.call("resumeLink", cofferName);
      add("resumeRequests", proxy.counts().requestCount);
      add("resumeDown", proxy.counts().bodyDown);
      for (let cycle = 0; cycle < cyclesEachRun; cycle += 1) {
        proxy.reset();
        const { ms, receivedBytes } = await device.call("syncOnce");
        const { requestCount, bodyUp, bodyDown } = proxy.counts();
        add("requests", requestCount);
        add("bodyDown", bodyDown);
        add("bodyUp", bodyUp);
        add("linkDown", receivedBytes);
        add("sync", ms);
      }
      log(
        `  idle ${run + 1}/${runs}: ${samples["idle.requests"]?.at(-1)} requests, ${samples["idle.bodyDown"]?.at(-1)} B down`,
      );
      await device.call("leaveIdle");
    }
    await device.close();
    return samples;
  },
};
