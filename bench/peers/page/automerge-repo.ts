/** automerge-repo with IndexedDB storage: one document a task, as its users do, and a list document of their addresses. */
import wasmUrl from "@automerge/automerge/automerge.wasm?url";
import * as Automerge from "@automerge/automerge/slim";
import { Repo, type AutomergeUrl, type DocHandle } from "@automerge/automerge-repo/slim";
import { IndexedDBStorageAdapter } from "@automerge/automerge-repo-storage-indexeddb";
import type { Collection, Peer, TextDocument } from "./peer.ts";
import type { Task } from "./tasks.ts";

interface TaskList {
  urls: AutomergeUrl[];
}

async function openRepo(name: string): Promise<Repo> {
  await Automerge.initializeWasm(wasmUrl);
  return new Repo({ storage: new IndexedDBStorageAdapter(name) });
}

async function openRoot<T>(repo: Repo, name: string, start: T): Promise<DocHandle<T>> {
  const known = localStorage.getItem(name);
  if (known !== null) return repo.find<T>(known as AutomergeUrl);
  const root = repo.create<T>(start);
  localStorage.setItem(name, root.url);
  await repo.flush();
  return root;
}

export const peer: Peer = {
  async open(name): Promise<Collection> {
    const repo = await openRepo(name);
    const root = await openRoot<TaskList>(repo, name, { urls: [] });
    const load = async () =>
      Promise.all(root.doc().urls.map(async (url) => (await repo.find<Task>(url)).doc()));
    return {
      async insertAll(tasks) {
        const urls = tasks.map((task) => repo.create<Task>({ ...task }).url);
        root.change((list) => {
          list.urls.push(...urls);
        });
        await repo.flush();
      },
      async insert(task) {
        const { url } = repo.create<Task>({ ...task });
        root.change((list) => {
          list.urls.push(url);
        });
        await repo.flush();
        return url;
      },
      async update(id, title) {
        const handle = await repo.find<{ title: string }>(id as AutomergeUrl);
        handle.change((task) => {
          task.title = title;
        });
        await repo.flush([handle.documentId]);
      },
      async window(limit) {
        const open = (await load()).filter(({ status }) => status === "open");
        return open.sort((a, b) => (a.due < b.due ? -1 : 1)).slice(0, limit);
      },
      count: async () => root.doc().urls.length,
      async watch(id, listener) {
        const handle = await repo.find<Task>(id as AutomergeUrl);
        const heard = (): void => listener(handle.doc().title);
        handle.on("change", heard);
        return () => handle.off("change", heard);
      },
      async close() {
        await repo.flush();
        await repo.shutdown();
      },
    };
  },

  async openText(name): Promise<TextDocument> {
    const repo = await openRepo(name);
    const handle = await openRoot<{ text: string }>(repo, name, { text: "" });
    return {
      insert(index, text) {
        handle.change((doc) => Automerge.splice(doc, ["text"], index, 0, text));
      },
      stored: async () => repo.flush(),
      read: async () => handle.doc().text,
      async close() {
        await repo.shutdown();
      },
    };
  },
};
