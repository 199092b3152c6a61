/** The logs of one database as stores: this device's, and those of the servers that it is linked with. See sync/entry-store.ts. */
import { CofferError, type DbId } from "../std/index.ts";
import {
  createDeviceEntries,
  createServerEntries,
  readDeviceSigner,
  readLinks,
  readServerKey,
  type LogReader,
  type EntryStore,
} from "../sync/index.ts";
import type { TenantSession } from "./session.ts";

/** The store of this device: what is put into it is judged before the call is over, unless the tenant is locked. */
export function openDeviceEntries(session: TenantSession, dbId: DbId): EntryStore {
  const { core, links, row } = session;
  const { store, tenantId, world } = core;
  const place = { crypto: world.crypto, store, sets: links.peers.sets, tenantId, userKey: row.userKey };
  const entries = createDeviceEntries(place, dbId);
  return {
    ...entries,
    async putEntries(given) {
      const report = await entries.putEntries(given);
      await session.catchUp();
      return report;
    },
  };
}

/** The store of a server that the tenant is linked with. @throws `input/unknown-id` when there is no such link, `access/locked` */
export async function openServerEntries(
  { core }: TenantSession,
  dbId: DbId,
  url: string,
): Promise<LogReader> {
  const { store, tenantId, world } = core;
  if (!(await readLinks(store)).includes(url)) throw new CofferError("input/unknown-id", { what: "link" });
  const signer = await readDeviceSigner(store);
  if (signer === undefined) throw new CofferError("access/locked");
  const { http } = world.openTransport(url);
  const { crypto, env } = world;
  const serverKey = (): Promise<Uint8Array> => readServerKey(store, http.origin);
  return createServerEntries({ env, crypto, http, tenantId, dbId, signer, readServerKey: serverKey });
}
