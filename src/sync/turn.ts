/**
 * One step of the engine under way: the state so far and the effects decided so far. It never leaves the step.
 */
import type { CofferErrorCode, CommitHash, DbId } from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import type {
  DatabaseState,
  Effect,
  EngineConfig,
  EngineState,
  Round,
  SyncAlarm,
  SyncStatus,
} from "./engine-types.ts";

/** A step under way. */
export interface Turn {
  readonly crypto: Pick<Verifier, "sha256">;
  state: EngineState;
  readonly effects: Effect[];
}

/** A round of which nothing is known yet. */
export const freshRound: Round = {
  hasProgress: false,
  needsPull: false,
  end: undefined,
  isComplete: false,
  tenantHead: undefined,
  frozen: new Set(),
  full: new Set(),
  isContradicted: false,
};

/** An outbox of which everything behind its position is to be read. */
export const wholeOutbox = { putOff: [], ahead: 0, retryAfter: 0, isHeld: false, outboxAttempt: 0 } as const;
/** A server that has wanted nothing yet. */
export const noWants = { everWanted: new Set<CommitHash>(), wantedRounds: 0, asideCount: 0 } as const;

/** Create the state of an engine that was not started. */
export function createEngineState(config: EngineConfig): EngineState {
  return {
    config,
    link: "stopped",
    session: 0,
    isOnline: true,
    isLoaded: false,
    token: undefined,
    hasTriedAgain: false,
    attempt: 0,
    databases: new Map(),
    shownSizes: new Map(),
    needsFull: new Set(),
    canRepair: false,
    asLeaves: new Set(),
    needsRepair: new Set(),
    repaired: new Set(),
    outbox: { position: 0, everythingThrough: 0, refused: [] },
    lastPosition: 0,
    batch: undefined,
    putOffBy: undefined,
    ...wholeOutbox,
    isDue: false,
    wasHeld: false,
    wanted: [],
    ...noWants,
    receipts: new Map(),
    run: undefined,
    isPulling: false,
    isAskedAgain: false,
    round: freshRound,
    idleRounds: 0,
    raised: new Set(),
    verifiedCompleteAtMs: undefined,
    error: undefined,
    nowMs: 0,
  };
}

/** Change parts of the state. */
export function set(turn: Turn, change: Partial<EngineState>): void {
  turn.state = { ...turn.state, ...change };
}

/** Change what the round has shown. */
export function setRound(turn: Turn, change: Partial<Round>): void {
  set(turn, { round: { ...turn.state.round, ...change } });
}

/** Decide an effect. */
export function emit(turn: Turn, effect: Effect): void {
  turn.effects.push(effect);
}

/** Put one database's state in place. */
export function setDatabase(turn: Turn, database: DatabaseState): void {
  set(turn, { databases: new Map(turn.state.databases).set(database.dbId, database) });
}

/** Ignore a database for the rest of the round. */
export function freeze(turn: Turn, dbId: DbId): void {
  setRound(turn, { frozen: new Set(turn.state.round.frozen).add(dbId) });
}

/** Raise an alarm, once for the same evidence. */
export function raise(turn: Turn, alarm: SyncAlarm): void {
  const head =
    alarm.head === undefined || !("root" in alarm.head) ? "" : `${alarm.head.epoch}.${alarm.head.size}`;
  const name = [alarm.kind, alarm.dbId ?? "", head, ...alarm.commitHashes].join(" ");
  if (turn.state.raised.has(name)) return;
  set(turn, { raised: new Set(turn.state.raised).add(name) });
  emit(turn, { kind: "alarm", alarm });
}

/** for failures that only somebody's doing can end */
const rareSpreadMs = 60_000;
/** who was revoked asks once more at once, what the admin has to say besides, and then now and then: nothing tells who is let in again */
const revokedSoonMs = 5_000;
const revokedMs = 300_000;
const retryAfterLimitMs = 3_600_000;

/** Full jitter: a random time below half a second, doubled with each attempt up to a minute. */
export function backoffMs(attempt: number): number {
  return Math.min(60_000, 500 * 2 ** Math.min(attempt, 10));
}

/** End the conversation: what goes on in the network is dropped, and late events of it no longer count. */
export function endSession(turn: Turn, link: EngineState["link"]): void {
  const wasBusy = ["authenticating", "exchanging", "opening", "live"].includes(turn.state.link);
  set(turn, {
    link,
    session: turn.state.session + 1,
    run: undefined,
    batch: undefined,
    wanted: [],
    ...noWants,
    isPulling: false,
    isAskedAgain: false,
    receipts: new Map(),
    round: freshRound,
  });
  for (const name of ["retry", "poll", "answer"] as const) emit(turn, { kind: "clear-timer", name });
  if (wasBusy) emit(turn, { kind: "disconnect" });
}

/**
 * End the conversation because of a failure, and try again later. Who was revoked may have been let in again; an address
 * where another server answers than before may be the right one's again.
 */
export function fail(turn: Turn, code: CofferErrorCode, retryAfterMs = 0): void {
  const isRevoked = code === "access/revoked";
  const isDenied = isRevoked || code === "access/denied";
  endSession(turn, isDenied ? "denied" : "waiting");
  set(turn, { error: code, idleRounds: 0, attempt: turn.state.attempt + 1 });
  emit(turn, { kind: "cycle-ended", code });
  if (turn.state.config.mode === "once") return;
  const isRare = isDenied || code.startsWith("protocol/");
  const isFirst = turn.state.attempt === 1;
  const deniedMs = isRevoked ? (isFirst ? revokedSoonMs : revokedMs) : rareSpreadMs;
  const spreadMs = isRare ? deniedMs : backoffMs(turn.state.attempt - 1);
  emit(turn, {
    kind: "set-timer",
    name: "retry",
    minMs: Math.max(isRevoked && !isFirst ? revokedMs : 0, Math.min(retryAfterMs, retryAfterLimitMs)),
    spreadMs,
  });
}

/** The server shows no way on: say what it owes. */
export function giveUp(turn: Turn): void {
  const { round, receipts } = turn.state;
  const owed = [...receipts.keys()];
  const common = { dbId: undefined, head: round.tenantHead, known: undefined };
  if (owed.length > 0) raise(turn, { kind: "withheld", commitHashes: owed, ...common });
  else if (round.tenantHead !== undefined && !round.isComplete)
    raise(turn, { kind: "fork", commitHashes: [], ...common });
  fail(turn, "protocol/malformed");
}

/** What a link shows of this state. */
export function statusOf(state: EngineState): SyncStatus {
  let pendingPull = 0;
  for (const [dbId, size] of state.shownSizes)
    pendingPull += Math.max(0, size - (state.databases.get(dbId)?.size ?? 0));
  return {
    phase: phaseOf(state),
    pendingPush: Math.max(0, state.lastPosition - state.outbox.position),
    pendingPull,
    verifiedCompleteAtMs: state.verifiedCompleteAtMs,
    error: state.error,
  };
}

/** Whether a link shows the same. */
export function isSameStatus(a: SyncStatus, b: SyncStatus): boolean {
  return (
    a.phase === b.phase &&
    a.pendingPush === b.pendingPush &&
    a.pendingPull === b.pendingPull &&
    a.verifiedCompleteAtMs === b.verifiedCompleteAtMs &&
    a.error === b.error
  );
}

function phaseOf(state: EngineState): SyncStatus["phase"] {
  switch (state.link) {
    case "stopped":
    case "offline":
    case "waiting":
      return "offline";
    case "authenticating":
      return "connecting";
    case "exchanging":
      return "syncing";
    case "opening":
    case "resting":
    case "live":
      return "live";
    case "denied":
      return "denied";
  }
}
