/** automerge-repo with its WebSocket and IndexedDB adapters: one document a task, and a list document of their addresses. */
import wasmUrl from "@automerge/automerge/automerge.wasm?url";
import * as Automerge from "@automerge/automerge/slim";
import { Repo, type AutomergeUrl, type DocHandle } from "@automerge/automerge-repo/slim";
import { WebSocketClientAdapter } from "@automerge/automerge-repo-network-websocket";
import { IndexedDBStorageAdapter } from "@automerge/automerge-repo-storage-indexeddb";
import type { Task } from "../tasks.ts";
import { socketUrl, untilHeard } from "./heard.ts";
import type { Place, SyncedTasks, SyncPeer } from "./sync-peer.ts";

interface TaskList {
  urls: AutomergeUrl[];
}

/** A repository of this device, connected with its server. */
export async function openRepo({ name, serverUrl }: Place): Promise<Repo> {
  await Automerge.initializeWasm(wasmUrl);
  const repo = new Repo({
    storage: new IndexedDBStorageAdapter(name),
    network: [new WebSocketClientAdapter(socketUrl(serverUrl))],
  });
  await repo.networkSubsystem.whenReady();
  return repo;
}

/** The tasks of a list: each is found as soon as its address is listed. */
function tasksOf(repo: Repo, root: DocHandle<TaskList>): SyncedTasks {
  const asked = new Set<AutomergeUrl>();
  const listeners = new Set<() => void>();
  let foundCount = 0;
  const find = async (url: AutomergeUrl): Promise<void> => {
    await repo.find<Task>(url);
    foundCount += 1;
    for (const heard of listeners) heard();
  };
  const findAll = (): void => {
    for (const url of root.doc().urls) {
      if (asked.has(url)) continue;
      asked.add(url);
      void find(url);
    }
  };
  root.on("change", findAll);
  findAll();
  return {
    async add(tasks) {
      const urls = tasks.map((task) => repo.create<Task>({ ...task }).url);
      root.change((list) => {
        list.urls.push(...urls);
      });
    },
    until: async (count) =>
      untilHeard(
        (heard) => {
          listeners.add(heard);
          return () => listeners.delete(heard);
        },
        () => foundCount >= count,
      ),
    async close() {
      await repo.shutdown();
    },
  };
}

export const peer: SyncPeer = {
  async found(place) {
    const repo = await openRepo(place);
    const root = repo.create<TaskList>({ urls: [] });
    return { ...tasksOf(repo, root), invite: async () => root.url };
  },

  async join(place, invitation) {
    const repo = await openRepo(place);
    return tasksOf(repo, await repo.find<TaskList>(invitation as AutomergeUrl));
  },
};
