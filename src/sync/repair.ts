import type { Verifier } from "../crypto/index.ts";
import { verifyCommit, type Commit } from "../entry/index.ts";
import {
  bytesToId,
  CofferError,
  concatBytes,
  idToBytes,
  type CommitHash,
  type DbId,
  type TenantId,
} from "../std/index.ts";
import { decodeAnswer, encodeFrames } from "./frames.ts";
import { isEnough } from "./judge-frame.ts";
import { protocolVersion, type Capabilities, type Frame } from "./messages.ts";
import { ReconcileSet } from "./reconcile-set.ts";
import { answerReconcile, beginReconcile } from "./reconcile.ts";
import type { Range } from "./reconcile-format.ts";
import type { HttpTransport } from "./transport.ts";

/** What is needed to repair one database against one server. */
export interface RepairOptions {
  readonly crypto: Pick<Verifier, "sha256" | "verify" | "randomBytes">;
  readonly http: Pick<HttpTransport, "exchange">;
  readonly capabilities: Capabilities;
  readonly tenantId: TenantId;
  readonly dbId: DbId;
  /** 16 bytes */
  readonly replicaId: Uint8Array;
  readonly token: Uint8Array;
  /** what is here of this database */
  readonly commits: Iterable<{ readonly commitHash: CommitHash; readonly createdAtMs: number }>;
  /** Keep commits that were missing here; they are genuine and of this database, and nobody judged their authors. */
  readonly receive: (commits: readonly ReceivedCommit[]) => Promise<void>;
}

/** A commit that came whole and is what its hash says. */
export interface ReceivedCommit {
  readonly commitHash: CommitHash;
  readonly commit: Commit;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface RepairReport {
  /** what the server lacks; to be pushed as always, since pushing judges */
  readonly missingThere: readonly CommitHash[];
  readonly receivedCount: number;
  /** commits of the server that are forged, or of another database */
  readonly rejectedCount: number;
  readonly roundTrips: number;
}

/** Without anything new. The ranges get 16 times smaller each time, so that this is far beyond what an honest server needs. */
const maxIdleRoundTrips = 64;
/** An answer holds 4 MiB of commits and the one that passes them, ranges, and frames around all. */
const maxAnswerBytes = 8 * 1024 * 1024;

/** What is needed to repair one database against whoever answers. */
export interface SetRepair {
  readonly crypto: RepairOptions["crypto"];
  readonly tenantId: TenantId;
  readonly dbId: DbId;
  /** what is here; what is received is added */
  readonly set: ReconcileSet;
  /** Ask with a RANGES frame. The answer is PUSH frames, at most one RANGES, and END; it is untrusted. */
  readonly ask: (frame: Frame) => Promise<readonly Frame[]>;
  readonly receive: RepairOptions["receive"];
}

/**
 * Find what a device and a server lack of one database without a common cursor: after a lost cursor, or with a second server. What is
 * missing here is received; what is missing there is named.
 *
 * @throws `protocol/version` when the server does not offer it, `protocol/malformed` when its answers cannot be read or do not end,
 *   and what {@link HttpTransport.exchange} throws
 */
export async function repairDatabase(options: RepairOptions): Promise<RepairReport> {
  if (!options.capabilities.capabilities.reconcile)
    throw new CofferError("protocol/version", { message: "This server does not reconcile." });
  const set = ReconcileSet.of(
    [...options.commits].map(({ commitHash, createdAtMs }) => ({
      timeMs: createdAtMs,
      hash: idToBytes(commitHash),
    })),
  );
  return repairSet({ ...options, set, ask: (frame) => askServer(options, frame) });
}

/**
 * The same against whoever answers, with a set that is at hand.
 *
 * @throws `protocol/malformed` when answers cannot be read or do not end, and what `ask` and `receive` throw
 */
export async function repairSet(options: SetRepair): Promise<RepairReport> {
  const { crypto, dbId, set } = options;
  const salt = crypto.randomBytes(8);
  const missingThere = new Set<CommitHash>();
  let receivedCount = 0;
  let rejectedCount = 0;
  const seen = new Set<CommitHash>();
  let ranges: readonly Range[] = beginReconcile(crypto, set, salt);
  for (let roundTrips = 1, idle = 0; idle < maxIdleRoundTrips; roundTrips++) {
    const answer = readAnswer(await options.ask({ type: "ranges", dbId, salt, ranges }), dbId);
    if (answer === undefined) throw new CofferError("protocol/malformed", { reason: "answer" });
    const received = await judge(options, answer.commits);
    if (received.length > 0) await options.receive(received);
    for (const { commitHash, commit } of received)
      set.add({ timeMs: commit.header.createdAtMs, hash: idToBytes(commitHash) });
    const isProgress = received.some(({ commitHash }) => !seen.has(commitHash));
    for (const { commitHash } of received) seen.add(commitHash);
    idle = isProgress ? 0 : idle + 1;
    receivedCount += received.length;
    rejectedCount += answer.commits.length - received.length;
    if (answer.more && !isProgress) throw new CofferError("protocol/malformed", { reason: "no progress" });
    const own = answerReconcile(crypto, set, salt, answer.ranges);
    for (const { hash } of own.deliver) missingThere.add(bytesToId("CommitHash", hash));
    // Not everything fitted: what came is in the set now, and the rest is found from the start.
    ranges = answer.more ? beginReconcile(crypto, set, salt) : own.ranges;
    if (ranges.length === 0)
      return { missingThere: [...missingThere], receivedCount, rejectedCount, roundTrips };
  }
  throw new CofferError("protocol/malformed", { reason: "no end", dbId });
}

interface Answer {
  readonly commits: readonly Uint8Array[];
  readonly ranges: readonly Range[];
  readonly more: boolean;
}

/** Ask a server's endpoint. @throws as {@link decodeAnswer}, and what `exchange` throws */
export async function askServer(
  options: Pick<RepairOptions, "http" | "tenantId" | "token" | "replicaId"> & {
    readonly signal?: AbortSignal | undefined;
  },
  frame: Frame,
): Promise<readonly Frame[]> {
  const { http, tenantId, token, replicaId, signal } = options;
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  const body = encodeFrames([{ type: "hello", version: protocolVersion, replicaId }, frame]);
  const onChunk = (chunk: Uint8Array): void => {
    sizeBytes += chunk.length;
    if (sizeBytes > maxAnswerBytes)
      throw new CofferError("protocol/malformed", { reason: "answer too large" });
    chunks.push(chunk.slice());
  };
  await http.exchange({ tenantId, token, body, endpoint: "reconcile", onChunk, signal });
  return decodeAnswer(concatBytes(...chunks));
}

/** PUSH frames, at most one RANGES, END, all of the database that was asked about. */
function readAnswer(frames: readonly Frame[], dbId: DbId): Answer | undefined {
  const end = frames.at(-1);
  if (end?.type !== "end") return undefined;
  const commits: Uint8Array[] = [];
  let ranges: readonly Range[] = [];
  for (const frame of frames.slice(0, -1)) {
    if ((frame.type !== "push" && frame.type !== "ranges") || frame.dbId !== dbId) return undefined;
    if (frame.type === "push") commits.push(...frame.commits);
    else if (ranges.length === 0) ({ ranges } = frame);
    else return undefined;
  }
  return { commits, ranges, more: end.more };
}

/** Those of some commits that are genuine, of this database, and enough of them to be kept. */
async function judge(
  place: Pick<SetRepair, "crypto" | "tenantId" | "dbId">,
  commits: readonly Uint8Array[],
): Promise<readonly ReceivedCommit[]> {
  const { crypto, tenantId, dbId } = place;
  const verdicts = await Promise.all(commits.map((bytes) => verifyCommit(crypto, bytes)));
  return verdicts.flatMap((verdict, index) => {
    const bytes = commits[index];
    if (verdict.kind === "forged" || bytes === undefined) return [];
    const { commit } = verdict;
    const { commitHash, header } = commit;
    const isHere = header.tenantId === tenantId && header.dbId === dbId;
    return isHere && isEnough(crypto, commit) ? [{ commitHash, commit, bytes: new Uint8Array(bytes) }] : [];
  });
}
