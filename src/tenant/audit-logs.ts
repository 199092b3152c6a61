/** What servers signed of a tenant's logs, for a report: the heads that this device keeps, and the order of the commits where it can be had. */
import { bytesToId, isCofferError, parseHex, type CommitHash, type DbId } from "../std/index.ts";
import { auditLimits, type ReportLog, type ReportServer } from "../audit/index.ts";
import {
  readDeviceSigner,
  readKeptHeads,
  readLeaves,
  readLinks,
  type Frontier,
  type HttpTransport,
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
  const { store, world } = core;
  const transports = (await readLinks(store)).map((url) => world.openTransport(url).http);
  const ask = async (server: KeptHeads): Promise<AskedServer> => {
    const none = { ...server, leaves: new Map<DbId, readonly CommitHash[]>() };
    const http = transports.find(({ origin }) => origin === server.origin);
    if (http === undefined || !world.env.isOnline()) return none;
    try {
      return { ...server, leaves: await askLeaves(core, http, server, { withinMs: askedWithinMs }) };
    } catch (error) {
      if (!isCofferError(error)) throw error;
      return none;
    }
  };
  return Promise.all(kept.map(ask));
}

/**
 * Ask a server for the order of the commits under its heads, in each log from its place in `begins` on, until `closing` aborts or it takes
 * too long. A device that cannot sign in is told of none.
 *
 * @throws what `readLeaves` throws
 */
export async function askLeaves(
  { store, tenantId, world }: TenantCore,
  http: HttpTransport,
  server: Pick<KeptHeads, "heads" | "serverKey">,
  {
    begins,
    closing,
    withinMs,
  }: {
    readonly withinMs: number;
    readonly begins?: ReadonlyMap<DbId, Frontier>;
    readonly closing?: AbortSignal;
  },
): Promise<ReadonlyMap<DbId, readonly CommitHash[]>> {
  const { crypto, env } = world;
  const signer = await readDeviceSigner(store);
  const replicaId = parseHex(store.logEpoch);
  if (signer === undefined || replicaId === undefined) return new Map();
  const abort = new AbortController();
  const end = (): void => abort.abort();
  const release = env.setTimer(withinMs, end);
  if (closing?.aborted === true) end();
  closing?.addEventListener("abort", end);
  try {
    const options = { crypto, http, signer, tenantId, replicaId, signal: abort.signal };
    return await readLeaves(options, server, begins);
  } finally {
    closing?.removeEventListener("abort", end);
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
