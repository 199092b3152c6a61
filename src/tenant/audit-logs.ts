/** What servers signed of a tenant's logs, for a report: the heads that this device keeps, and the order of the commits where it can be had. */
import { bytesToId, isCofferError, parseHex, type CommitHash, type DbId } from "../std/index.ts";
import { auditLimits, type ReportLog, type ReportServer } from "../audit/index.ts";
import {
  readDeviceSigner,
  readKeptHeads,
  readLeaves,
  readLinks,
  type KeptHeads,
  type SignedHead,
} from "../sync/index.ts";
import type { TenantCore } from "./core.ts";

/** A report is not held up any longer by servers that say nothing. */
const askedWithinMs = 8000;

/** What a server signed, and the commits under it that could be had, by database. */
export interface AskedServer extends KeptHeads {
  readonly leaves: ReadonlyMap<DbId, readonly CommitHash[]>;
}

/** The heads that are kept of servers; of many, those that it is linked to come first. */
export async function keptServers({ store, tenantId, world }: TenantCore): Promise<readonly KeptHeads[]> {
  const linked = new Set((await readLinks(store)).map((url) => world.openTransport(url).http.origin));
  const kept = await readKeptHeads(world.crypto, store, tenantId);
  const some = kept
    .filter(({ heads }) => heads.length > 0)
    .toSorted((a, b) => Number(linked.has(b.origin)) - Number(linked.has(a.origin)))
    .slice(0, auditLimits.servers)
    .map((server) => ({ ...server, heads: server.heads.slice(0, auditLimits.logs) }));
  return some.toSorted((a, b) => (a.origin < b.origin ? -1 : 1));
}

/** Ask the servers that this device is linked to for the order of the commits under their heads. Never throws for what they do. */
export async function askOrder(
  core: TenantCore,
  kept: readonly KeptHeads[],
): Promise<readonly AskedServer[]> {
  const { store, tenantId, world } = core;
  const { crypto, env } = world;
  const signer = await readDeviceSigner(store);
  const replicaId = parseHex(store.logEpoch);
  const transports = (await readLinks(store)).map((url) => world.openTransport(url).http);
  const abort = new AbortController();
  const release = env.setTimer(askedWithinMs, () => abort.abort());
  const ask = async (server: KeptHeads): Promise<AskedServer> => {
    const none = { ...server, leaves: new Map<DbId, readonly CommitHash[]>() };
    const http = transports.find(({ origin }) => origin === server.origin);
    if (http === undefined || signer === undefined || replicaId === undefined || !env.isOnline()) return none;
    try {
      const options = { crypto, http, signer, tenantId, replicaId, signal: abort.signal };
      return { ...server, leaves: await readLeaves(options, server) };
    } catch (error) {
      if (!isCofferError(error)) throw error;
      return none;
    }
  };
  try {
    return await Promise.all(kept.map(ask));
  } finally {
    release();
  }
}

/** Servers as a report of some commits tells of them; orders of more commits than a report holds are left out. */
export function reportServers(
  asked: readonly AskedServer[],
  commits: readonly { readonly commitHash: CommitHash; readonly dbId: DbId }[],
): readonly ReportServer[] {
  const places = new Map(commits.map(({ commitHash, dbId }, at) => [commitHash, { at, dbId }]));
  let leavesLeft: number = auditLimits.leaves;
  const logOf = (head: SignedHead, hashes: readonly CommitHash[] | undefined): ReportLog => {
    if (hashes === undefined || hashes.length > leavesLeft) return { head, leaves: undefined };
    leavesLeft -= hashes.length;
    const leaves = hashes.map((hash) => {
      const place = places.get(hash);
      return place?.dbId === head.dbId ? place.at : hash;
    });
    return { head, leaves };
  };
  return asked.map(({ heads, leaves, origin, serverKey }) => ({
    address: origin,
    key: bytesToId("AuthorKey", serverKey),
    logs: heads.map((head) => logOf(head, leaves.get(head.dbId))),
  }));
}
