/** automerge-repo with its WebSocket and IndexedDB adapters: all tasks in one document, a map for each. */
import { type AutomergeUrl, type DocHandle, type Repo } from "@automerge/automerge-repo/slim";
import type { Task } from "../tasks.ts";
import { openRepo } from "./automerge-repo.ts";
import { untilHeard } from "./heard.ts";
import type { SyncedTasks, SyncPeer } from "./sync-peer.ts";

interface AllTasks {
  tasks: Record<string, Task>;
}

function tasksOf(repo: Repo, handle: DocHandle<AllTasks>): SyncedTasks {
  return {
    async add(tasks) {
      handle.change((doc) => {
        for (const task of tasks) doc.tasks[crypto.randomUUID()] = { ...task };
      });
    },
    until: async (count) =>
      untilHeard(
        (heard) => {
          handle.on("change", heard);
          return () => handle.off("change", heard);
        },
        () => Object.keys(handle.doc().tasks).length >= count,
      ),
    async close() {
      await repo.shutdown();
    },
  };
}

export const peer: SyncPeer = {
  async found(place) {
    const repo = await openRepo(place);
    const handle = repo.create<AllTasks>({ tasks: {} });
    return { ...tasksOf(repo, handle), invite: async () => handle.url };
  },

  async join(place, invitation) {
    const repo = await openRepo(place);
    return tasksOf(repo, await repo.find<AllTasks>(invitation as AutomergeUrl));
  },
};
