/** Jazz on IndexedDB: a map each, owned by a group that the other device's account is a member of, and a list of them. */
import { AuthSecretStorage, Group, KvStoreContext, co, z } from "jazz-tools";
import { LocalStorageKVStore, createJazzBrowserContext } from "jazz-tools/browser";
import { socketUrl, untilHeard } from "./heard.ts";
import type { Place, SyncedTasks, SyncPeer } from "./sync-peer.ts";

const TaskMap = co.map({
  title: z.string(),
  status: z.string(),
  priority: z.number(),
  assignee: z.string(),
  due: z.string(),
  project: z.string(),
  estimateHours: z.number(),
  isBillable: z.boolean(),
  tag: z.string(),
  notes: z.string(),
});
const TaskList = co.list(TaskMap);
const AnyAccount = co.account();

type Context = Awaited<ReturnType<typeof openContext>>;
let asking: Context | undefined;

async function openContext({ name, serverUrl }: Place) {
  KvStoreContext.getInstance().initialize(new LocalStorageKVStore());
  return createJazzBrowserContext({
    sync: { peer: socketUrl(serverUrl) as `ws://${string}`, when: "always" },
    storage: "indexedDB",
    authSecretStorage: new AuthSecretStorage(),
    newAccountProps: { creationProps: { name } },
    AccountSchema: AnyAccount,
  });
}

/** The tasks of a list that are loaded with all their fields, as the page is told of them. */
function tasksOf(context: Context, listId: string, group: Group | undefined): SyncedTasks {
  let list: co.loaded<typeof TaskList> | undefined;
  const listeners = new Set<() => void>();
  // Its types refuse what its documentation has where optional properties are exact, as here.
  const options = { resolve: { $each: true } as never, loadAs: context.me };
  const stop = TaskList.subscribe(listId, options, (loaded) => {
    list = loaded;
    for (const heard of listeners) heard();
  });
  return {
    async add(tasks) {
      if (group === undefined || list === undefined) throw new Error("The list is not here");
      list.$jazz.push(...tasks.map((task) => TaskMap.create({ ...task }, { owner: group })));
    },
    until: async (count) =>
      untilHeard(
        (heard) => {
          listeners.add(heard);
          return () => listeners.delete(heard);
        },
        () => (list?.length ?? 0) >= count,
      ),
    async close() {
      stop();
      context.done();
    },
  };
}

export const peer: SyncPeer = {
  async found(place) {
    const context = await openContext(place);
    const group = Group.create({ owner: context.me });
    const list = TaskList.create([], { owner: group });
    const tasks = tasksOf(context, list.$jazz.id, group);
    await tasks.until(0);
    return {
      ...tasks,
      async invite(request) {
        const other = await AnyAccount.load(request, { loadAs: context.me });
        if (!other.$isLoaded) throw new Error("The other account did not come");
        group.addMember(other, "writer");
        await context.me.$jazz.waitForAllCoValuesSync();
        return list.$jazz.id;
      },
    };
  },

  async ask(place) {
    asking = await openContext(place);
    await asking.me.$jazz.waitForAllCoValuesSync();
    return asking.me.$jazz.id;
  },

  async join(_place, invitation) {
    if (asking === undefined) throw new Error("Nobody has asked");
    return tasksOf(asking, invitation, undefined);
  },
};
