/**
 * One turn of forwarding one tenant: what is owed, one request, and where that leaves its logs.
 *
 * ```
 * places ─► owed logs, the directory before all ─► PUSH ─► ACK ─► places are stored ─► "more" or "done"
 *   ▲              ▲                                  │ HEAD of another epoch: that server began anew
 *   │              └───────── from the start ─────────┘
 *   └─ RANGES ─► what it lacks of a log of which that is not known
 * ```
 */
import { CofferError, type AuthorKey, type DbId, type TenantId } from "../../src/std/index.ts";
import type { PushResult } from "../../src/sync/index.ts";
import type { Directories, RelayCrypto } from "./directories.ts";
import { forwardReplica } from "./forward-auth.ts";
import { packBatch, readBackwards, readBatch, type BatchCommit } from "./forward-batch.ts";
import type { ForwardLink } from "./forward-link.ts";
import { compareLog } from "./forward-compare.ts";
import {
  decodeForwardPlace,
  encodeForwardPlace,
  isUnknown,
  owedLogs,
  passPresent,
  placeOf,
  settle,
  type ForwardPlace,
  type OwedLog,
} from "./forward-place.ts";
import type { LogSets } from "./log-sets.ts";
import { shortId, type Logger } from "./logger.ts";
import type { RelayMetrics } from "./relay-metrics.ts";
import type { SeqRanges } from "./seq-ranges.ts";
import type { RelayStorage } from "./storage.ts";
import type { DirectoryState } from "../../src/directory/index.ts";

export interface ForwardParts {
  readonly crypto: RelayCrypto;
  readonly storage: RelayStorage;
  readonly directories: Directories;
  readonly link: ForwardLink;
  readonly logger: Logger;
  readonly logSets: LogSets;
  readonly metrics: Pick<RelayMetrics, "forwarded">;
}

/** What is known of one tenant until it is put off; nothing of it must outlive the process. */
export interface TenantTurns {
  /** of its directory there; `undefined` until that was asked */
  farEpoch: number | undefined;
  /** filled here while this process ran */
  readonly filledByLog: Map<DbId, Set<number>>;
  /** logs whose earlier commits were looked through for what was filled before this process began */
  readonly searched: Set<DbId>;
  /** logs that were sent from their end once, and those that wait for another time, with the reason */
  readonly turned: Set<DbId>;
  readonly stuck: Map<DbId, CofferError>;
  /** what it lacks of logs, found by comparing them */
  readonly compared: Map<DbId, Compared>;
}

interface Compared {
  readonly epoch: number;
  readonly farEpoch: number;
  readonly lacking: SeqRanges;
}

/** of one log; what was filled beyond is found when the process begins again */
const maxFilled = 1000;

/** Nothing is known yet. */
export function createTenantTurns(): TenantTurns {
  return {
    farEpoch: undefined,
    filledByLog: new Map(),
    searched: new Set(),
    turned: new Set(),
    stuck: new Map(),
    compared: new Map(),
  };
}

/**
 * Forward the next commits of a tenant.
 *
 * @param turn `mustAsk`: that server may have begun anew since it was spoken to
 * @returns why the rest of it waits, once nothing else is owed
 * @throws what the other server answered to all of it
 */
export async function forwardTurn(
  parts: ForwardParts,
  turns: TenantTurns,
  { mustAsk, tenantId }: { readonly tenantId: TenantId; readonly mustAsk: boolean },
): Promise<"more" | "done" | CofferError> {
  const { directories, link, logger, storage } = parts;
  const directory = (await directories.read(tenantId))?.state;
  if (directory === undefined) return "done";
  const farKey = await link.serverKey();
  const stored = await readPlaces(storage, tenantId, farKey);
  const knownEpoch = mustAsk ? undefined : (turns.farEpoch ?? stored.get(directory.dbId)?.farEpoch);
  const farEpoch = knownEpoch ?? (await link.push(tenantId, [])).farEpoch;
  turns.farEpoch = farEpoch;
  const logs = (await storage.listLogs(tenantId)).map((log) => {
    const known = stored.get(log.dbId);
    const place = placeOf(log, known, farEpoch);
    if (known !== undefined && place !== known)
      logger.info("forward.again", { to: link.url, tenant: shortId(tenantId), from: known.seq });
    return { dbId: log.dbId, size: log.size, place, lacking: lackingOf(turns, log.dbId, place) };
  });
  for (const log of logs) await searchFilled(storage, tenantId, log, turns);
  const filledOf = ({ dbId, place }: OwedLog): readonly number[] =>
    place.lacking.filter((seq) => turns.filledByLog.get(dbId)?.has(seq) === true);
  const hasFilled = new Set(logs.filter((log) => filledOf(log).length > 0).map(({ dbId }) => dbId));
  const owed = owedLogs(logs, directory.dbId, (dbId) => hasFilled.has(dbId));
  const moving = owed.filter(({ dbId }) => !turns.stuck.has(dbId));
  if (moving.length === 0) {
    const [reason] = turns.stuck.values();
    return owed.length > 0 && reason !== undefined ? reason : "done";
  }
  const unknown = moving.find(({ lacking, place }) => lacking === undefined && isUnknown(place));
  if (unknown !== undefined) {
    const place = await compare(parts, turns, { tenantId, log: unknown });
    if (place !== undefined)
      await storage.writeForwarded(tenantId, farKey, new Map([[unknown.dbId, encodeForwardPlace(place)]]));
    return "more";
  }
  const farReplica = forwardReplica(parts.crypto, farKey);
  const batch = await readBatch(parts, { directory, logs: moving, farReplica, filledOf });
  // What is filled from here on is not in the batch.
  const filled = forgetFilled(batch, moving, turns);
  const said = await send(parts, directory, batch, turns).catch((cause: unknown) => {
    for (const { dbId, seq } of filled) noteFilled(turns, dbId, [seq]);
    throw cause;
  });
  if (said === "anew") return "more";
  const places = new Map<DbId, Uint8Array>();
  for (const log of moving) {
    const settled = await settleLog(parts, { directory, log, turns }, batchOf(log, batch, said));
    const after = log.lacking === undefined ? settled : passPresent(settled, log.lacking);
    if (after !== stored.get(log.dbId)) places.set(log.dbId, encodeForwardPlace(after));
  }
  if (places.size > 0) await storage.writeForwarded(tenantId, farKey, places);
  return "more";
}

function lackingOf({ compared }: TenantTurns, dbId: DbId, place: ForwardPlace): SeqRanges | undefined {
  const known = compared.get(dbId);
  const isSame = known?.epoch === place.epoch && known.farEpoch === place.farEpoch;
  return isSame && place.seq < place.everythingThrough ? known.lacking : undefined;
}

/** Find what that server lacks of a log. @returns the place behind what it has; `undefined` when it is not where it was */
async function compare(
  parts: ForwardParts,
  turns: TenantTurns,
  { log, tenantId }: { readonly log: OwedLog; readonly tenantId: TenantId },
): Promise<ForwardPlace | undefined> {
  const { dbId, place, size } = log;
  const { farEpoch = place.farEpoch, lacking } = await compareLog(parts, tenantId, dbId);
  if (farEpoch !== place.farEpoch) {
    turns.farEpoch = farEpoch;
    return undefined;
  }
  turns.compared.set(dbId, { epoch: place.epoch, farEpoch, lacking });
  const count = lacking.reduce((sum, { from, to }) => sum + Math.max(0, Math.min(to, size) - from), 0);
  const { link, logger } = parts;
  logger.info("forward.compared", { to: link.url, tenant: shortId(tenantId), here: size, lacking: count });
  return passPresent(place, lacking);
}

async function readPlaces(
  storage: RelayStorage,
  tenantId: TenantId,
  farKey: Uint8Array,
): Promise<ReadonlyMap<DbId, ForwardPlace>> {
  const places = new Map<DbId, ForwardPlace>();
  for (const [dbId, bytes] of await storage.readForwarded(tenantId, farKey)) {
    const place = decodeForwardPlace(bytes);
    if (place !== undefined) places.set(dbId, place);
  }
  return places;
}

/** What was filled before this process began, of what went without. */
async function searchFilled(
  storage: RelayStorage,
  tenantId: TenantId,
  { dbId, place: { lacking } }: OwedLog,
  turns: TenantTurns,
): Promise<void> {
  const [first, last] = [lacking[0], lacking.at(-1)];
  if (first === undefined || last === undefined || turns.searched.has(dbId)) return;
  const keys = await storage.readKeys(tenantId, dbId, first, last - first + 1);
  const whole = keys.filter(({ isPartial, seq }) => !isPartial && lacking.includes(seq));
  noteFilled(
    turns,
    dbId,
    whole.map(({ seq }) => seq),
  );
  turns.searched.add(dbId);
}

/** Commits that went without ciphertexts go once more. */
export function noteFilled({ filledByLog }: TenantTurns, dbId: DbId, seqs: readonly number[]): void {
  if (seqs.length === 0) return;
  const known = filledByLog.get(dbId) ?? new Set<number>();
  for (const seq of seqs) if (known.size < maxFilled) known.add(seq);
  filledByLog.set(dbId, known);
}

/** @returns those of a batch that go once more */
function forgetFilled(
  batch: readonly BatchCommit[],
  logs: readonly OwedLog[],
  { filledByLog }: TenantTurns,
): readonly BatchCommit[] {
  const seqByLog = new Map(logs.map(({ dbId, place }) => [dbId, place.seq]));
  const again = batch.filter(({ dbId, seq }) => seq < (seqByLog.get(dbId) ?? 0));
  for (const { dbId, seq } of again) filledByLog.get(dbId)?.delete(seq);
  return again;
}

type Said = readonly (PushResult | undefined)[];
type Settled = readonly (BatchCommit & { readonly said: PushResult | "present" | undefined })[];

/** Send a batch. @returns for each of its commits what was said; `anew` when the other server is not where it was */
async function send(
  { link, metrics }: ForwardParts,
  { dbId, tenantId }: DirectoryState,
  batch: readonly BatchCommit[],
  turns: TenantTurns,
): Promise<Said | "anew"> {
  const { indexes, pushes } = packBatch(batch, dbId);
  if (pushes.length === 0) return [];
  const answer = await link.push(tenantId, pushes);
  if (answer.farEpoch !== turns.farEpoch) {
    turns.farEpoch = answer.farEpoch;
    return "anew";
  }
  const said: (PushResult | undefined)[] = [];
  for (const [frame, results] of answer.results.entries())
    for (const [item, result] of results.entries()) said[indexes[frame]?.[item] ?? -1] = result;
  metrics.forwarded(answer.results.flat());
  return said;
}

function batchOf({ dbId }: OwedLog, batch: readonly BatchCommit[], said: Said): Settled {
  return batch.flatMap((commit, index) => {
    if (commit.dbId !== dbId) return [];
    return [{ ...commit, said: commit.bytes === undefined ? ("present" as const) : said[index] }];
  });
}

interface LogTurn {
  readonly directory: DirectoryState;
  readonly log: OwedLog;
  readonly turns: TenantTurns;
}

/** Where an answer leaves a log: it has moved, or it is tried from its end, or it waits for another time. */
async function settleLog(
  parts: ForwardParts,
  { directory, log, turns }: LogTurn,
  commits: Settled,
): Promise<ForwardPlace> {
  if (commits.length === 0) return log.place;
  const isDirectory = log.dbId === directory.dbId;
  const after = settle(log.place, commits, isDirectory);
  tellRefused(parts, directory.tenantId, commits);
  const putOff = commits.filter(({ said, seq }) => seq < log.place.seq && isRetry(said));
  noteFilled(
    turns,
    log.dbId,
    putOff.map(({ seq }) => seq),
  );
  const next = commits.find(({ seq }) => seq === after.seq) ?? putOff[0];
  const why = next === undefined || next.said === "present" ? undefined : next.said;
  if (after.seq > log.place.seq || why === undefined) return after;
  const waits = why.code === "directory/behind" && !isDirectory;
  if (waits && !turns.turned.has(log.dbId)) {
    turns.turned.add(log.dbId);
    await sendBackwards(parts, { directory, log, turns }, waitingAuthors(commits));
  } else turns.stuck.set(log.dbId, new CofferError(why.code ?? "net/failed", { what: "forward" }));
  return after;
}

function isRetry(said: PushResult | "present" | undefined): boolean {
  return said !== "present" && said?.status === "retry";
}

function waitingAuthors(commits: Settled): ReadonlySet<AuthorKey> {
  return new Set(
    commits.flatMap(({ author, said }) =>
      said !== "present" && said?.code === "directory/behind" ? (author ?? []) : [],
    ),
  );
}

/** What is said of these does not count: they come again when it is their turn, and are known then. */
async function sendBackwards(
  parts: ForwardParts,
  { directory, log, turns }: LogTurn,
  authors: ReadonlySet<AuthorKey>,
): Promise<void> {
  for await (const piece of readBackwards(parts, { directory }, log, authors))
    if ((await send(parts, directory, piece, turns)) === "anew") return;
}

/** What is refused for good is passed, and whoever runs this server is told: the two judge alike unless their directories differ. */
function tellRefused({ link, logger }: ForwardParts, tenantId: TenantId, commits: Settled): void {
  const counts = new Map<string, number>();
  for (const { said } of commits)
    if (said !== "present" && said?.status === "refused")
      counts.set(said.code ?? "unknown", (counts.get(said.code ?? "unknown") ?? 0) + 1);
  for (const [code, count] of counts)
    logger.warn("forward.refused", { to: link.url, tenant: shortId(tenantId), code, count });
}
