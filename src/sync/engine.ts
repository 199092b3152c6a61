/**
 * The sync engine of one tenant and one remote: a pure function from state and event to state and effects.
 *
 * ```
 *              start, online                     nothing left           opened
 *   stopped ──► authenticating ──► exchanging ────────────► opening ──────────► live
 *                    ▲  ▲  401, once │  │  ▲                   │ no live           │
 *                    │  └────────────┘  │  └──── poll ──── resting                 │
 *               retry│                  │ failure                                  │ failure
 *                    └───────────── waiting ◄──────────────────────────────────────┘      403 ──► denied
 * ```
 * `denied` ends when it is asked for; it is also tried again within a minute, by a user who was revoked within seconds and then
 * within ten minutes.
 *
 * Invariants
 * - N1 what is stored was proven: a run of COMMITS ends in a signed head whose root is the frontier's
 * - N2 commits and the state that vouches for them are in one `store` effect
 * - N3 within an epoch a database's size never shrinks
 * - N4 the outbox moves only over records that were acknowledged, refused, or need no push
 * - N5 three rounds without progress end the conversation with `protocol/malformed`
 */
import { assert, type CofferErrorCode } from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import {
  closeBatch,
  hasPush,
  onAck,
  onNeed,
  pushFrames,
  readOutbox,
  takeRecords,
  tryAgain,
} from "./engine-push.ts";
import { onAudited, onCommits, onHead, onTenantHead } from "./engine-pull.ts";
import type { Effect, EngineEvent, EngineState, JudgedFrame } from "./engine-types.ts";
import { helloFrame, pullFrame } from "./engine-frames.ts";
import { askForRepair, noteRepaired, settleLeaves } from "./engine-repair.ts";
import { syncLimits, type Frame } from "./messages.ts";
import {
  emit,
  endSession,
  fail,
  freshRound,
  giveUp,
  isSameStatus,
  set,
  setRound,
  statusOf,
  wholeOutbox,
  type Turn,
} from "./turn.ts";

export { createEngineState } from "./turn.ts";

const pushBytes = 2 * 1024 * 1024;
const idleRoundLimit = 3;
const answerTimeoutMs = 20_000;
const pollMs = 15_000;
const heartbeatMs = 25_000;

/** Decide what an event changes and what is to be done. Pure: hashing is all it asks for. */
export function step(
  crypto: Pick<Verifier, "sha256">,
  state: EngineState,
  event: EngineEvent,
): { readonly state: EngineState; readonly effects: readonly Effect[] } {
  const turn: Turn = { crypto, state: { ...state, nowMs: event.nowMs }, effects: [] };
  if (!("session" in event) || event.session === state.session) decide(turn, event);
  const status = statusOf(turn.state);
  if (!isSameStatus(status, statusOf(state))) emit(turn, { kind: "status", status });
  assertInvariants(state, turn.state);
  return { state: turn.state, effects: turn.effects };
}

function assertInvariants(before: EngineState, after: EngineState): void {
  if (!before.isLoaded || !after.isLoaded) return;
  for (const [dbId, database] of after.databases) {
    const earlier = before.databases.get(dbId);
    const isShorter = earlier?.epoch === database.epoch && database.size < earlier.size;
    assert(!isShorter, "N3: sizes never shrink");
  }
}

function decide(turn: Turn, event: EngineEvent): void {
  switch (event.kind) {
    case "start":
      if (turn.state.link === "stopped") begin(turn);
      return;
    case "stop":
      stop(turn);
      return;
    case "sync":
      syncNow(turn);
      return;
    case "online":
      onOnline(turn, event.isOnline);
      return;
    case "loaded":
      set(turn, {
        isLoaded: true,
        databases: new Map(event.databases.map((database) => [database.dbId, database])),
      });
      set(turn, {
        asLeaves: new Set(event.unproven),
        needsRepair: new Set(event.lacking.filter((dbId) => !turn.state.repaired.has(dbId))),
        outbox: event.outbox,
        ...wholeOutbox,
        lastPosition: Math.max(event.lastPosition, turn.state.lastPosition),
      });
      if (turn.state.link === "authenticating") proceed(turn);
      return;
    case "appended":
      set(turn, { lastPosition: Math.max(event.lastPosition, turn.state.lastPosition) });
      kick(turn);
      return;
    case "outbox":
      onOutbox(turn, event);
      return;
    case "stored":
      onStored(turn, event.positions);
      return;
    case "store-failed":
      set(turn, { isLoaded: false });
      fail(turn, event.code);
      return;
    case "audited":
      onAudited(turn, event.dbId, event.missing);
      return;
    case "timer":
      onTimer(turn, event.name);
      return;
    case "authenticated":
      set(turn, { token: event.token, canRepair: event.canRepair });
      proceed(turn);
      return;
    case "failed":
      onFailed(turn, event.code, event.retryAfterMs);
      return;
    case "answered":
      endRound(turn);
      return;
    case "repaired":
      noteRepaired(turn, event.receivedCount);
      return beginExchange(turn);
    case "opened":
      set(turn, { link: "live" });
      sendPull(turn, true);
      return;
    case "frame":
      onFrame(turn, event.frame);
  }
}

function begin(turn: Turn): void {
  set(turn, { hasTriedAgain: false, attempt: 0, error: undefined });
  if (turn.state.isOnline) connect(turn);
  else {
    endSession(turn, "offline");
    // What is to be sent can be told without a network.
    if (!turn.state.isLoaded) emit(turn, { kind: "load" });
    emit(turn, { kind: "cycle-ended", code: "net/offline" });
  }
}

function stop(turn: Turn): void {
  if (turn.state.link === "stopped") return;
  endSession(turn, "stopped");
  emit(turn, { kind: "clear-timer", name: "outbox" });
  set(turn, { putOffBy: undefined, isLoaded: false, token: undefined });
  emit(turn, { kind: "cycle-ended", code: "aborted" });
}

function syncNow(turn: Turn): void {
  const { link, isPulling } = turn.state;
  if (link === "live") {
    if (isPulling) set(turn, { isAskedAgain: true });
    else sendPull(turn);
  } else if (link === "exchanging") set(turn, { isAskedAgain: true });
  else if (["waiting", "resting", "denied", "opening", "offline"].includes(link)) begin(turn);
}

function onOnline(turn: Turn, isOnline: boolean): void {
  set(turn, { isOnline });
  const { link } = turn.state;
  if (link === "stopped") return;
  if (isOnline && (link === "offline" || link === "waiting")) begin(turn);
  if (!isOnline && link !== "offline" && link !== "denied") {
    endSession(turn, "offline");
    emit(turn, { kind: "cycle-ended", code: "net/offline" });
  }
}

/** Begin a conversation from its start. */
function connect(turn: Turn): void {
  endSession(turn, "authenticating");
  if (turn.state.isLoaded) proceed(turn);
  else emit(turn, { kind: "load" });
}

/** Go on with the conversation as far as is known who asks. */
function proceed(turn: Turn): void {
  if (turn.state.token === undefined) emit(turn, { kind: "authenticate", session: turn.state.session });
  else beginExchange(turn);
}

function beginExchange(turn: Turn): void {
  set(turn, { link: "exchanging", round: freshRound, run: undefined });
  if (hasPush(turn.state)) readOutbox(turn, pushBytes);
  else sendExchange(turn);
}

function sendExchange(turn: Turn): void {
  const { session, token } = turn.state;
  if (token === undefined) return;
  const frames: readonly Frame[] = [helloFrame(turn), ...pushFrames(turn.state), pullFrame(turn)];
  set(turn, { isAskedAgain: false });
  emit(turn, { kind: "exchange", session, token, frames });
}

/** Ask on the live connection. */
function sendPull(turn: Turn, isFirst = false): void {
  const { token } = turn.state;
  if (token === undefined) return;
  set(turn, { round: freshRound, isAskedAgain: false });
  const first: readonly Frame[] = isFirst ? [helloFrame(turn), { type: "auth", token }] : [];
  emit(turn, { kind: "send", frames: [...first, pullFrame(turn)] });
  expectAnswer(turn);
}

function expectAnswer(turn: Turn): void {
  emit(turn, { kind: "set-timer", name: "answer", minMs: answerTimeoutMs, spreadMs: 0 });
}

/** Something new is in the log. */
function kick(turn: Turn): void {
  const { link, batch } = turn.state;
  if (!hasPush(turn.state)) return;
  if (link === "resting") connect(turn);
  else if (link === "live" && batch === undefined) readOutbox(turn, syncLimits.frameTargetBytes);
}

function onOutbox(turn: Turn, event: Extract<EngineEvent, { kind: "outbox" }>): void {
  const { link } = turn.state;
  if (link !== "exchanging" && link !== "live") return;
  const taken = takeRecords(turn, event);
  if (taken === "more") return readOutbox(turn, link === "live" ? syncLimits.frameTargetBytes : pushBytes);
  if (link === "exchanging") sendExchange(turn);
  else if (taken === "nothing") settleLive(turn);
  else {
    emit(turn, { kind: "send", frames: pushFrames(turn.state) });
    expectAnswer(turn);
  }
}

/** What this runner stored itself came from the remote: where nothing is waiting before it, the outbox passes it. */
function onStored(turn: Turn, positions: readonly number[]): void {
  const first = positions[0];
  const last = positions.at(-1);
  if (first === undefined || last === undefined) return;
  set(turn, { lastPosition: Math.max(turn.state.lastPosition, last) });
  const { outbox } = turn.state;
  const isNext = first === outbox.position + 1 && last - first === positions.length - 1;
  if (isNext) set(turn, { outbox: { ...outbox, position: last } });
}

function onTimer(turn: Turn, name: Extract<EngineEvent, { kind: "timer" }>["name"]): void {
  const { link, isPulling } = turn.state;
  if (name === "retry" && (link === "waiting" || link === "denied")) connect(turn);
  if (name === "answer" && link === "live") fail(turn, "net/timeout");
  if (name === "poll" && link === "resting") connect(turn);
  if (name === "poll" && link === "live" && !isPulling) sendPull(turn);
  if (name === "outbox") {
    tryAgain(turn);
    kick(turn);
  }
}

function onFailed(turn: Turn, code: CofferErrorCode, retryAfterMs: number): void {
  const { link, hasTriedAgain } = turn.state;
  if (code === "access/unauthenticated" && link !== "authenticating") {
    set(turn, { token: undefined });
    if (!hasTriedAgain) {
      set(turn, { hasTriedAgain: true });
      return connect(turn);
    }
  }
  // Without a live connection everything still works, a little later.
  if (link === "opening" && code.startsWith("net/")) {
    rest(turn);
    // What was written while it was opening has waited for it.
    return kick(turn);
  }
  fail(turn, code, retryAfterMs);
}

function onFrame(turn: Turn, frame: JudgedFrame): void {
  const isProven = frame.type === "head" || frame.type === "ack";
  if (turn.state.run !== undefined && !isProven && frame.type !== "error")
    return fail(turn, "protocol/malformed");
  switch (frame.type) {
    case "commits":
      onCommits(turn, frame);
      break;
    case "head":
      onHead(turn, frame);
      break;
    case "tenant-head":
      onTenantHead(turn, frame);
      break;
    case "ack":
      onAck(turn, frame);
      break;
    case "need":
      onNeed(turn, frame);
      break;
    case "error":
      return onFailed(turn, frame.code, frame.retryAfterMs);
    case "end":
      setRound(turn, { end: frame });
      break;
    case "unexpected":
      return fail(turn, "protocol/malformed");
  }
  if (turn.state.link === "live") followLive(turn, frame);
}

/** After a frame of the live connection: end the round, push on, or ask for what a head showed to be missing. */
function followLive(turn: Turn, frame: JudgedFrame): void {
  if (frame.type === "end") return endRound(turn);
  if (turn.state.round.isContradicted) return fail(turn, "protocol/malformed");
  if (turn.state.isPulling || turn.state.batch !== undefined) expectAnswer(turn);
  else if (frame.type === "ack") settleLive(turn);
  const needsPull = turn.state.round.needsPull || turn.state.needsFull.size > 0;
  if (needsPull && !turn.state.isPulling && turn.state.run === undefined) sendPull(turn);
}

/** Judge what a round has brought, and decide whether another one follows. */
function endRound(turn: Turn): void {
  const { round, run, link } = turn.state;
  if (link !== "exchanging" && link !== "live") return;
  if (round.end === undefined || run !== undefined) return fail(turn, "net/failed");
  if (link === "exchanging") closeBatch(turn);
  if (round.isContradicted) return fail(turn, "protocol/malformed");
  if (round.full.size > 0 && !round.end.more)
    set(turn, { needsFull: without(turn.state.needsFull, round.full) });
  set(turn, { isPulling: false, hasTriedAgain: false });
  if (round.end.more === false) settleLeaves(turn);
  if (turn.state.canRepair && turn.state.needsRepair.size > 0 && link === "exchanging")
    return askForRepair(turn);
  if (link === "live" || turn.state.round.hasProgress) set(turn, { attempt: 0 });
  if (!needsMore(turn.state)) return turn.state.isAskedAgain ? again(turn) : endCycle(turn);
  const idleRounds = turn.state.round.hasProgress ? 0 : turn.state.idleRounds + 1;
  set(turn, { idleRounds });
  if (idleRounds >= idleRoundLimit) return giveUp(turn);
  again(turn);
}

function again(turn: Turn): void {
  if (turn.state.link === "live") sendPull(turn);
  else beginExchange(turn);
}

function without<T>(all: ReadonlySet<T>, some: ReadonlySet<T>): ReadonlySet<T> {
  return new Set([...all].filter((item) => !some.has(item)));
}

function needsMore(state: EngineState): boolean {
  const { round, link } = state;
  const pulls = round.end?.more === true || round.needsPull || !round.isComplete || state.needsFull.size > 0;
  return pulls || state.receipts.size > 0 || (link === "exchanging" && hasPush(state));
}

/** The cycle is over; what the server put off is tried again later, and is no success until then. */
function reportEnd(turn: Turn): void {
  const { putOffBy } = turn.state;
  set(turn, { error: putOffBy });
  emit(turn, { kind: "cycle-ended", code: putOffBy });
}

/** Nothing is left: rest, or go live. */
function endCycle(turn: Turn): void {
  const { config, link } = turn.state;
  set(turn, { idleRounds: 0 });
  if (link === "live") return settleLive(turn);
  reportEnd(turn);
  if (config.mode === "live" && config.hasLive) {
    endSession(turn, "opening");
    emit(turn, { kind: "open-live", session: turn.state.session });
  } else rest(turn);
}

function rest(turn: Turn): void {
  endSession(turn, "resting");
  set(turn, { attempt: 0 });
  if (turn.state.config.mode === "live")
    emit(turn, { kind: "set-timer", name: "poll", minMs: pollMs, spreadMs: pollMs });
}

/** On a live connection with nothing on its way: the cycle is over, and the next sign of life is asked for later. */
function settleLive(turn: Turn): void {
  const { batch, isPulling } = turn.state;
  if (hasPush(turn.state)) return kick(turn);
  if (isPulling || batch !== undefined) return;
  emit(turn, { kind: "clear-timer", name: "answer" });
  emit(turn, { kind: "set-timer", name: "poll", minMs: heartbeatMs, spreadMs: 0 });
  reportEnd(turn);
}
