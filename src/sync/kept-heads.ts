/**
 * What servers signed of their logs, as it was when it was verified last, and which commits lie under it in which order: evidence that
 * somebody else can check.
 *
 * A device keeps the heads, see remote-slots.ts, and not the order: that is asked for, and believed only when its root is the head's.
 */
import { compareBytes, parseId, type CommitHash, type DbId, type TenantId } from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import type { Store } from "../store/index.ts";
import { authenticate, type Signer } from "./auth.ts";
import { pullBytes } from "./engine-frames.ts";
import { decodeFrames } from "./frames.ts";
import { appendLeaves, emptyFrontier, rootOf, verifyHead, type Frontier } from "./merkle.ts";
import { syncLimits, type Frame, type SignedHead } from "./messages.ts";
import { remoteSlotNames } from "./remote-slots.ts";
import { askServer } from "./repair.ts";
import type { HttpTransport } from "./transport.ts";

/** What a server signed. */
export interface KeptHeads {
  /** of the server, as this device calls it */
  readonly origin: string;
  /** 32 bytes */
  readonly serverKey: Uint8Array;
  /** of each of its logs the newest that was stored; by database */
  readonly heads: readonly SignedHead[];
}

const ofServer = /^remote\/(.*)\/server$/;

/** The heads that are kept, by the names of the servers; those whose signature does not hold are left out. */
export async function readKeptHeads(
  crypto: Pick<Verifier, "verify">,
  store: Store,
  tenantId: TenantId,
): Promise<readonly KeptHeads[]> {
  const slots = await store.readSlots("remote/");
  const kept: KeptHeads[] = [];
  for (const { name, value } of slots) {
    const [, origin] = ofServer.exec(name) ?? [];
    if (origin === undefined || !(value instanceof Uint8Array) || value.length !== 32) continue;
    const { headPrefix } = remoteSlotNames(origin);
    const heads: SignedHead[] = [];
    for (const slot of slots) {
      if (!slot.name.startsWith(headPrefix) || !(slot.value instanceof Uint8Array)) continue;
      const [frame] = decodeFrames(slot.value) ?? [];
      if (frame?.type !== "head" || parseId("DbId", slot.name.slice(headPrefix.length)) !== frame.dbId)
        continue;
      const { dbId, epoch, root, signature, size, timeMs } = frame;
      const head = { dbId, epoch, size, root, timeMs, signature };
      if (await verifyHead(crypto, value, tenantId, head)) heads.push(head);
    }
    heads.sort((a, b) => (a.dbId < b.dbId ? -1 : 1));
    kept.push({ origin, serverKey: value, heads });
  }
  return kept.sort((a, b) => (a.origin < b.origin ? -1 : 1));
}

/** Who asks a server for the order of its logs. */
export interface LeavesOptions {
  readonly crypto: Pick<Verifier, "sha256" | "verify" | "sign" | "randomBytes">;
  readonly http: HttpTransport;
  readonly signer: Signer;
  readonly tenantId: TenantId;
  /** 16 bytes */
  readonly replicaId: Uint8Array;
  readonly signal: AbortSignal;
}

interface Log {
  readonly head: SignedHead;
  readonly leaves: CommitHash[];
  frontier: Frontier;
}

/**
 * Ask a server for the commits under some heads, in their order. A log is missing in the answer when the server has begun it anew, or
 * shows what is not under the head.
 *
 * @param begins what is known of some logs: their leaves are had from there on
 * @throws `access/…`, `net/…`, `protocol/…`, `aborted`
 */
export async function readLeaves(
  options: LeavesOptions,
  { heads, serverKey }: Pick<KeptHeads, "heads" | "serverKey">,
  begins: ReadonlyMap<DbId, Frontier> = new Map(),
): Promise<ReadonlyMap<DbId, readonly CommitHash[]>> {
  const { crypto, http, replicaId, signal, signer, tenantId } = options;
  const open = new Map<DbId, Log>();
  for (const head of heads.slice(0, syncLimits.databasesPerTenant)) {
    const frontier = begins.get(head.dbId) ?? emptyFrontier;
    open.set(head.dbId, { head, leaves: [], frontier });
  }
  const proven = new Map<DbId, readonly CommitHash[]>();
  const { token } = await authenticate(http, crypto, signer, { tenantId, serverKey, signal });
  const exchange: HttpTransport["exchange"] = (request) => http.exchange({ ...request, endpoint: "sync" });
  const server = { http: { exchange }, tenantId, token, replicaId, signal };
  for (let isProgress = true; open.size > 0 && isProgress;) {
    isProgress = false;
    for (const frame of await askServer(server, pullOf([...open.values()]))) {
      const log = frame.type === "commits" ? open.get(frame.dbId) : undefined;
      // What the server has beyond the head is nobody's business here.
      if (frame.type !== "commits" || log === undefined || log.frontier.size >= log.head.size) continue;
      isProgress = true;
      if (!take(crypto, log, frame)) open.delete(frame.dbId);
    }
    for (const [dbId, { frontier, head, leaves }] of open) {
      if (frontier.size < head.size) continue;
      open.delete(dbId);
      if (compareBytes(rootOf(crypto, frontier), head.root) === 0) proven.set(dbId, leaves);
    }
  }
  return proven;
}

function pullOf(logs: readonly Log[]): Frame {
  return {
    type: "pull",
    allDatabases: false,
    full: false,
    cursors: logs.map(({ frontier, head: { dbId, epoch } }) => ({
      dbId,
      epoch,
      seq: frontier.size,
      isLeaves: true,
    })),
    maxBytes: pullBytes,
  };
}

/** Append what a frame says, up to the head; whether it can be of that log. */
function take(
  crypto: Pick<Verifier, "sha256">,
  log: Log,
  { epoch, fromSeq, items }: Extract<Frame, { type: "commits" }>,
): boolean {
  const { frontier, head, leaves } = log;
  const hashes = items.flatMap((item) => ("leaf" in item ? item.leaf : []));
  if (epoch !== head.epoch || fromSeq !== frontier.size || hashes.length !== items.length) return false;
  hashes.splice(head.size - fromSeq);
  log.frontier = appendLeaves(crypto, frontier, hashes);
  leaves.push(...hashes);
  return true;
}
