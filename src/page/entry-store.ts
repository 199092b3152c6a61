/** The entries of a database on the page: calls that the worker answers, and what moves between two stores. */
import { CofferError } from "../std/index.ts";
import type { WorkerApi } from "../../worker/api.ts";
import { throwIfAborted } from "./abort.ts";
import type { DatabaseCore } from "./database.ts";
import type { ChangesRemote, EntryReader, EntryStore, TransferReport } from "./store-types.ts";

/** entries of one step: what a store gives at once */
const stepCount = 256;
const maxEmptyPages = 1000;

type Options = { readonly signal?: AbortSignal | undefined };

/** The log of this device, or of a server that the tenant is linked with. */
export async function getStore(core: DatabaseCore, of?: { readonly url: string }): Promise<EntryStore> {
  const directory = storeOf(core, { server: of?.url, directory: true });
  return { ...storeOf(core, { server: of?.url, directory: false }), directory };
}

function storeOf(core: DatabaseCore, of: Parameters<WorkerApi["callStore"]>[1]): EntryStore {
  const call = async <T>(name: keyof EntryStore, ...given: readonly unknown[]): Promise<T> =>
    core.call(async (api) => api.callStore(core.subscription, of, name, given)) as Promise<T>;
  return {
    hasEntries: async (ids) => call("hasEntries", ids),
    findNewEntries: async (knownIds) => call("findNewEntries", knownIds),
    findNewEntriesForDoc: async (knownIds, docId) => call("findNewEntriesForDoc", knownIds, docId),
    getEntries: async (ids) => call("getEntries", ids),
    scanEntriesSince: async (cursor, limit) => call("scanEntriesSince", cursor, limit),
    getIdBloomSummary: async () => call("getIdBloomSummary"),
    getCompactionStatus: async () => call("getCompactionStatus"),
    resolveDependencies: async (startId, options) => call("resolveDependencies", startId, options),
    putEntries: async (entries) =>
      call(
        "putEntries",
        // Nothing else of an entry is believed.
        entries.map(({ commit }) => ({ commit })),
      ),
  };
}

/** Bring here what a remote has. */
export async function pullChangesFrom(
  core: DatabaseCore,
  remote: ChangesRemote,
  options: Options = {},
): Promise<TransferReport | undefined> {
  if ("sync" in remote) {
    await remote.sync();
    return undefined;
  }
  return bring(remote, await getStore(core), options);
}

/** Bring to a remote what is here. */
export async function pushChangesTo(
  core: DatabaseCore,
  remote: ChangesRemote,
  options: Options = {},
): Promise<TransferReport | undefined> {
  if ("sync" in remote) {
    await remote.sync();
    return undefined;
  }
  if (!("putEntries" in remote)) throw new CofferError("input/invalid", { at: "remote" });
  return bring(await getStore(core), remote as EntryStore, options);
}

/** The directory first, and then page by page: what is not there is fetched and put. What a store names and does not give is left. */
async function bring(from: EntryReader, into: EntryStore, { signal }: Options): Promise<TransferReport> {
  const before =
    from.directory && into.directory && (await bring(from.directory, into.directory, { signal }));
  const report = { newCount: before?.newCount ?? 0, refusedCount: before?.refusedCount ?? 0 };
  let cursor: string | undefined;
  let emptyPages = 0;
  for (;;) {
    throwIfAborted(signal);
    const { entries, nextCursor, hasMore } = await from.scanEntriesSince(cursor, stepCount);
    const ids = entries.map(({ id }) => id);
    const known = new Set(await into.hasEntries(ids));
    let lacking = ids.filter((id) => !known.has(id));
    while (lacking.length > 0) {
      throwIfAborted(signal);
      const given = await from.getEntries(lacking.slice(0, stepCount));
      if (given.length === 0) break;
      const { newCount, refused } = await into.putEntries(given);
      report.newCount += newCount;
      report.refusedCount += refused.length;
      const brought = new Set(given.map(({ id }) => id));
      const left = lacking.filter((id) => !brought.has(id));
      if (left.length === lacking.length) break;
      lacking = left;
    }
    if (!hasMore) return report;
    // A page may be empty where entries were erased, but not one after the other without end.
    emptyPages = entries.length === 0 ? emptyPages + 1 : 0;
    if (nextCursor === cursor || emptyPages > maxEmptyPages)
      throw new CofferError("protocol/malformed", { reason: "cursor" });
    cursor = nextCursor;
  }
}
