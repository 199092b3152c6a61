/**
 * One cycle of sync for every tenant of this origin, from what their stores say: no keys but this device's, nothing opened.
 *
 * What arrives is checked (structure, hashes, signatures, tree heads) and appended to the device log, unjudged; a worker judges it when
 * its tenant is unlocked.
 */
import type { Verifier } from "../src/crypto/index.ts";
import { toCofferError, type CofferErrorCode, type Env, type TenantId } from "../src/std/index.ts";
import type { Storage } from "../src/store/index.ts";
import {
  ChunkLink,
  ChunkStore,
  linkSlots,
  parseTenantStoreName,
  readDeviceSigner,
  readLinks,
  runOnce,
  shareChunkNews,
  type RunnerOptions,
  type Transport,
} from "../src/sync/index.ts";

const attempts = 3;
const pauseMs = 1500;

/** What a service worker works with. */
export interface SyncWorld {
  readonly env: Env;
  readonly crypto: Verifier;
  readonly storage: Storage;
  /** stores of other CofferDBs on this origin are left alone */
  readonly scope: string;
  readonly openTransport: (url: string) => Transport;
}

/** How one link ended: `undefined` when nothing is left, "busy" when a tab holds it. */
export type LinkOutcome = CofferErrorCode | "busy" | undefined;

/** Sync every link of every tenant once. Never throws: each link's outcome stands for itself. */
export async function syncTenants(world: SyncWorld): Promise<readonly LinkOutcome[]> {
  const outcomes: LinkOutcome[] = [];
  for (const name of await world.storage.listStores()) {
    const tenantId = name.startsWith(`${world.scope}/`) ? parseTenantStoreName(name) : undefined;
    if (tenantId === undefined) continue;
    outcomes.push(
      ...(await syncTenant(world, tenantId, name).catch((error: unknown) => [toCofferError(error).code])),
    );
  }
  return outcomes;
}

/**
 * Whether the browser should try again. A link that a tab holds is not worth it: the browser would come back after minutes, and until
 * then take no new wish.
 */
export function isWorthRetrying(outcome: LinkOutcome): boolean {
  return outcome !== undefined && /^(net|store|directory)\/|^aborted$/.test(outcome);
}

async function syncTenant(
  world: SyncWorld,
  tenantId: TenantId,
  storeName: string,
): Promise<readonly LinkOutcome[]> {
  const store = await world.storage.openStore(storeName);
  const chunks = new ChunkStore(world.storage, world.scope, tenantId);
  const release = shareChunkNews(world.env, chunks);
  try {
    const signer = await readDeviceSigner(store);
    if (signer === undefined) return [];
    const outcomes: LinkOutcome[] = [];
    const documentsOnly = await readLinks(store, linkSlots.documentsOnly);
    for (const url of await readLinks(store)) {
      const { crypto, env } = world;
      const link = { env, crypto, store, tenantId, signer, transport: world.openTransport(url) };
      const outcome = await syncLink(link);
      outcomes.push(outcome);
      if (outcome === undefined && !documentsOnly.includes(url))
        outcomes.push(...(await syncChunks(link, chunks)));
    }
    return outcomes;
  } finally {
    release();
    chunks.close();
    store.close();
  }
}

/** The chunks of files follow the log. A page that sends them does the work itself. */
async function syncChunks(
  { transport, ...link }: RunnerOptions,
  chunks: ChunkStore,
): Promise<readonly LinkOutcome[]> {
  if (transport.http.chunks === undefined) return [];
  const { code } = await new ChunkLink({ ...link, chunks, http: transport.http }).push();
  return code === undefined ? [] : [code];
}

/**
 * A tab that holds the link does the work itself, unless it is just being closed: it is given a moment to be gone. So is one that was
 * taken for dead while it was only slow, and writes once more what it had in hand, which fails what is written here.
 */
async function syncLink(options: RunnerOptions): Promise<LinkOutcome> {
  for (let attempt = 1; ; attempt++) {
    const summary = await runOnce(options);
    const outcome = summary === "busy" ? summary : summary.code;
    const isPassing = outcome === "busy" || outcome === "store/failed";
    if (!isPassing || attempt === attempts) return outcome;
    await new Promise<void>((resolve) => options.env.setTimer(pauseMs, resolve));
  }
}
