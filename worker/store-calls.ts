/** The specification's calls on the entries of a database, here and at servers. */
import { CofferError } from "../src/std/index.ts";
import { directoryDbId } from "../src/entry/index.ts";
import { openDeviceEntries, openServerEntries, type TenantSession } from "../src/tenant/index.ts";
import type { WorkerHost } from "./host.ts";
import { readFields, readList, readString } from "./page-messages.ts";
import type { StoreCalls } from "./store-api.ts";

type Store = ReturnType<typeof openDeviceEntries>;
type Reader = Awaited<ReturnType<typeof openServerEntries>>;

/** What can be asked of any store; each judges what it is given. */
const readings = [
  "hasEntries",
  "findNewEntries",
  "findNewEntriesForDoc",
  "getEntries",
  "scanEntriesSince",
  "getIdBloomSummary",
  "getCompactionStatus",
] as const satisfies readonly (keyof Reader)[];

/** And of the one that is here. */
const ownCalls = ["resolveDependencies", "putEntries"] as const satisfies readonly (keyof Store)[];

type AnyCalls = { readonly [name: string]: (...given: readonly unknown[]) => Promise<unknown> };

/** Answer the calls about entries. A store is made once for each log: it remembers where its entries are, and its token. */
export function storeCalls(host: WorkerHost): StoreCalls {
  const made = new WeakMap<TenantSession, Map<string, Promise<Store | Reader>>>();
  return {
    async callStore(database, of, call, given) {
      const { session, database: source } = host.database(database);
      const { directory, server } = readFields(of, "of");
      const url = server === undefined ? undefined : readString(server, "of.server");
      if (typeof directory !== "boolean") throw new CofferError("input/invalid", { at: "of.directory" });
      const { tenantId, world } = session.core;
      const dbId = directory ? directoryDbId(world.crypto, tenantId) : source.dbId;
      const names: readonly string[] = url === undefined ? [...readings, ...ownCalls] : readings;
      if (!names.includes(call)) throw new CofferError("input/invalid", { at: "call" });
      const args = readList(given, "given", 2);
      const stores = made.get(session) ?? new Map<string, Promise<Store | Reader>>();
      made.set(session, stores);
      const name = `${dbId} ${url ?? ""}`;
      const opening =
        stores.get(name) ??
        (url === undefined
          ? Promise.resolve(openDeviceEntries(session, dbId))
          : openServerEntries(session, dbId, url));
      stores.set(name, opening);
      // A link that is not there now may be there later.
      opening.catch(() => stores.delete(name));
      return ((await opening) as unknown as AnyCalls)[call]?.(...args);
    },
  };
}
