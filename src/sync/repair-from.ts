/**
 * Brings what a device lacks of a server's logs, by reconciling sets: the engine asks for it where a log names commits that are not
 * here. They are stored unjudged as always; the cursor passes them only when a signed head has proven their place.
 */
import {
  bytesToId,
  CofferError,
  isCofferError,
  type CommitHash,
  type DbId,
  type TenantId,
} from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import type { Store } from "../store/index.ts";
import type { LackingCommit } from "./conversation-types.ts";
import type { DeviceSets } from "./device-sets.ts";
import type { Effect } from "./engine-types.ts";
import type { LocalLog } from "./local-log.ts";
import { ReconcileSet } from "./reconcile-set.ts";
import { askServer, repairSet, type ReceivedCommit } from "./repair.ts";
import type { ExchangeRequest, Transport } from "./transport.ts";

/** What is repaired, and from whom. */
export interface RepairLink {
  readonly crypto: Pick<Verifier, "sha256" | "verify" | "randomBytes">;
  readonly store: Store;
  readonly sets: DeviceSets;
  readonly log: Pick<LocalLog, "held">;
  /** commits here that lack ciphertexts: what the server has of them is asked for again */
  readonly lacking?: (() => readonly LackingCommit[]) | undefined;
  readonly transport: Pick<Transport, "http">;
  readonly tenantId: TenantId;
  /** 16 bytes */
  readonly replicaId: Uint8Array;
  readonly token: Uint8Array;
  /** another thread talks to this server now */
  readonly lost: AbortSignal;
  /** bytes of bodies, counted as they go */
  readonly moved: { sentBytes: number; receivedBytes: number };
}

/**
 * Bring what is missing here of some databases, and what commits lack here that the server has. One that the server reconciles wrongly is left as it is: its log comes whole then.
 *
 * @returns how many commits came
 * @throws `aborted`, `store/…`, `net/…`, `access/…`
 */
export async function repairFrom(
  options: Omit<RepairLink, "token">,
  { session, token, dbIds }: Extract<Effect, { kind: "repair" }>,
  signal: AbortSignal,
): Promise<{ readonly kind: "repaired"; readonly session: number; readonly receivedCount: number }> {
  const link = { ...options, token };
  let receivedCount = 0;
  for (const dbId of dbIds) {
    try {
      receivedCount += await repairOne(link, dbId, [signal, options.lost]);
    } catch (error) {
      if (!isCofferError(error) || !error.code.startsWith("protocol/")) throw error;
    }
  }
  return { kind: "repaired", session, receivedCount };
}

/** A set without what lacks something here, so that the server says what it has of that. */
function without(set: ReconcileSet, lacking: ReadonlySet<CommitHash>): ReconcileSet {
  if (lacking.size === 0) return set;
  return ReconcileSet.of(
    set.slice(0, set.size).filter(({ hash }) => !lacking.has(bytesToId("CommitHash", hash))),
  );
}

async function repairOne(
  link: RepairLink,
  dbId: DbId,
  stops: readonly [signal: AbortSignal, lost: AbortSignal],
): Promise<number> {
  const { store, transport } = link;
  const { http } = transport;
  const here = (await link.sets.read()).get(dbId);
  const lacking = new Set(link.lacking?.().map(({ commitHash }) => commitHash));
  const set = without(here?.set ?? ReconcileSet.of([]), lacking);
  const receive = async (commits: readonly ReceivedCommit[]): Promise<void> => {
    if (stops.some(({ aborted }) => aborted)) throw new CofferError("aborted");
    const again = commits.filter(({ commitHash }) => lacking.has(commitHash));
    const held = await link.log.held(
      again.map(({ commit }) => commit),
      true,
    );
    const isWanted = (hash: CommitHash): boolean =>
      lacking.has(hash) ? !held.has(hash) : here?.positions.has(hash) !== true;
    const records = commits
      .filter(({ commitHash }) => isWanted(commitHash))
      .map(({ commitHash, bytes }) => ({ commitHash, bytes, origin: http.origin }));
    if (records.length > 0) await store.write({ records });
  };
  const exchange = (request: ExchangeRequest): Promise<void> => {
    link.moved.sentBytes += request.body.length;
    const onChunk = (chunk: Uint8Array): void => {
      link.moved.receivedBytes += chunk.length;
      request.onChunk(chunk);
    };
    return http.exchange({ ...request, onChunk });
  };
  const server = { ...link, http: { exchange }, signal: stops[0] };
  const { receivedCount } = await repairSet({
    ...link,
    dbId,
    set,
    ask: (frame) => askServer(server, frame),
    receive,
  });
  return receivedCount;
}
