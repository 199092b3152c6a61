/**
 * The outbox: what of the device log is still to be pushed, what was sent, what its ACK said.
 *
 * ```
 *   position ──────────┐        batch            │ through          lastPosition
 *   acknowledged …     │ sent, waiting for ACK   │ to be read next …
 * ```
 * The position moves over what was accepted or refused for good, in order, and over nothing else. What the server cannot judge yet holds
 * nothing else up:
 *
 * ```
 *   position                                 ahead
 *   │ put off … accepted … put off … accepted │ to be read next …
 * ```
 * Where something was put off is remembered for as long as the log stays loaded, and only that is read and sent again: one batch each time the
 * outbox timer runs, the next one at once while nothing is put off again, and after the last one the timer once more. It waits longer each
 * time until one of them is settled. Where too many wait, what follows waits too. A position kept in the store says nothing of what lies
 * between: once loaded again, what lies behind the first that waits is sent once more, and the server has it.
 *
 * What a revoked author wrote can be judged from the cut's heads backwards. A server names what it needs first with NEED: that and its past
 * are pushed aside, newest first, wherever they lie in the log, and then the outbox goes on where it was. What is pushed aside may have been
 * acknowledged long ago: that it is refused now is no news of it, or a server could have what it dropped counted as refused. What never was
 * acknowledged lies before the outbox still, and is refused there.
 */
import { entryLimits } from "../entry/index.ts";
import type { EngineEvent, EngineState, OutboxRecord, PushBatch } from "./engine-types.ts";
import type { Frame, PushResult } from "./messages.ts";
import { syncLimits } from "./messages.ts";
import { backoffMs, emit, noWants, set, setRound, type Turn } from "./turn.ts";

type AckFrame = Extract<Frame, { type: "ack" }>;
type NeedFrame = Extract<Frame, { type: "need" }>;

const refusedLimit = 1024;
/** What a sized commit costs beside its bytes. */
const itemBytes = 4;
/** what a server may have wanted until the outbox timer runs, how often, and how many batches may be sent of that */
const wantedLimit = 1024;
const wantedRoundLimit = 16;
const asideLimit = 256;
/** eight bytes each */
const putOffLimit = 65_536;
/** of what was put off, looked at in one go */
const triedCount = 512;

/** Whether there is something in the log that should be pushed now. */
export function hasPush(state: EngineState): boolean {
  if (state.isHeld) return false;
  const isRead = !isTryingAgain(state) && readThrough(state) >= state.lastPosition;
  if (state.wanted.length === 0 && isRead) return false;
  // What the server proves to have needs no push: it is asked first.
  if (state.canRepair && state.asLeaves.size > 0) return false;
  // An audit compares what was acknowledged before: until it is done nothing new may be.
  return [...state.databases.values()].every((database) => database.audit === undefined);
}

/** Whether what was put off comes before what was never sent. */
function isTryingAgain({ isDue, putOff }: EngineState): boolean {
  return isDue && putOff.length > 0;
}

/** Where the log is read on: everything before is settled, or put off. */
function readThrough({ ahead, outbox }: EngineState): number {
  return Math.max(ahead, outbox.position);
}

/** What was put off and is tried now. */
function dueNow({ putOff, retryAfter }: EngineState): readonly number[] {
  const rest = putOff.filter((position) => position > retryAfter);
  return (rest.length > 0 ? rest : putOff).slice(0, triedCount);
}

/** Ask for the next records of the log, for some that were put off, or for the past of what is wanted. */
export function readOutbox(turn: Turn, maxBytes: number): void {
  const { outbox, wanted } = turn.state;
  const next = { after: readThrough(turn.state), everythingThrough: outbox.everythingThrough, maxBytes };
  const again = isTryingAgain(turn.state) && { at: dueNow(turn.state) };
  emit(turn, { kind: "read-outbox", ...next, ...(wanted.length > 0 ? { wanted } : again) });
}

/**
 * Take records that were read: they are the next batch. When there were none to push, the position passes them.
 *
 * @returns whether there is a batch now, or more of the log to read first
 */
export function takeRecords(
  turn: Turn,
  { records, through, hasConfirmed, wanted }: Extract<EngineEvent, { kind: "outbox" }>,
): "batch" | "nothing" | "more" {
  const isAside = wanted !== undefined;
  const isAgain = !isAside && isTryingAgain(turn.state);
  const after = readThrough(turn.state);
  if (isAside) set(turn, { wanted, asideCount: turn.state.asideCount + 1 });
  if (isAgain) passUnsent(turn, through, records);
  if (records.length > 0) {
    const fresh = { settled: new Map(), wanted: [], putOffBy: undefined, isHeld: false } as const;
    set(turn, { batch: { ...fresh, records, after, through, isAside, isAgain } });
    return "batch";
  }
  if (isAgain) endTry(turn, through);
  else if (!isAside && through <= after) set(turn, { lastPosition: after }); // shorter than was heard
  else if (!isAside) {
    set(turn, { ahead: through });
    // That these are there is known in this conversation only; what came from the remote is told by its origin, always.
    if (turn.state.putOff.length === 0) moveTo(turn, through, hasConfirmed);
  }
  return hasPush(turn.state) ? "more" : "nothing";
}

/** Of what was put off, what needs no push any more, or can have none, is settled. */
function passUnsent(turn: Turn, through: number, records: readonly OutboxRecord[]): void {
  const sent = new Set(records.map(({ position }) => position));
  const passed = dueNow(turn.state).filter((position) => position <= through && !sent.has(position));
  settle(turn, new Set(passed), readThrough(turn.state), []);
}

/**
 * The PUSH frames of a batch: the directory's commits first, as few frames as hold them, since a server judges those of a frame together;
 * each other frame within the size that senders aim at.
 */
export function pushFrames(state: EngineState): readonly Frame[] {
  const { batch, config } = state;
  if (batch === undefined) return [];
  const isDirectory = (record: OutboxRecord): boolean => record.dbId === config.directoryDbId;
  const ordered = [
    ...batch.records.filter(isDirectory),
    ...batch.records.filter((record) => !isDirectory(record)),
  ];
  const frames: { type: "push"; dbId: OutboxRecord["dbId"]; commits: Uint8Array[] }[] = [];
  let sizeBytes = 0;
  for (const { dbId, bytes } of ordered) {
    const last = frames.at(-1);
    const grownBytes = sizeBytes + bytes.length + itemBytes;
    const maxBytes = dbId === config.directoryDbId ? entryLimits.commitBytes : syncLimits.frameTargetBytes;
    const isFull = grownBytes > maxBytes || last?.commits.length === syncLimits.commitsPerFrame;
    if (last === undefined || last.dbId !== dbId || isFull) {
      frames.push({ type: "push", dbId, commits: [bytes] });
      sizeBytes = bytes.length + itemBytes;
    } else {
      last.commits.push(bytes);
      sizeBytes = grownBytes;
    }
  }
  return frames;
}

/** Take an ACK. Results for what was not sent are ignored. */
export function onAck(turn: Turn, ack: AckFrame): void {
  const { batch, config, wasHeld } = turn.state;
  if (batch === undefined) return;
  const recordsByHash = new Map(batch.records.map((record) => [record.commitHash, record]));
  // What the directory lacks below a commit stands before it in the log: it was refused, and so is what stands on it.
  const isStuck = wasHeld && ack.dbId === config.directoryDbId;
  const settled = new Map(batch.settled);
  let { isHeld, putOffBy } = batch;
  for (const result of ack.results) {
    const record = recordsByHash.get(result.commitHash);
    if (record?.dbId !== ack.dbId || settled.has(result.commitHash)) continue;
    const status = isStuck && result.code === "directory/behind" ? "refused" : result.status;
    settled.set(result.commitHash, status);
    if (status === "accepted") expectReceipt(turn, record, result.seq);
    if (status === "retry") {
      putOffBy ??= result.code ?? "net/failed";
      // Where there is no room there is none for the next one; and the directory is a line.
      isHeld ||= result.code !== "directory/behind" || ack.dbId === config.directoryDbId;
    }
    if (status === "refused" && !batch.isAside) refuse(turn, record, result);
  }
  set(turn, { batch: { ...batch, settled, putOffBy, isHeld } });
  if (settled.size >= recordsByHash.size) closeBatch(turn);
}

/** Take a NEED: the ACK after it puts off what waits for that. */
export function onNeed(turn: Turn, { commits }: NeedFrame): void {
  const { batch } = turn.state;
  if (batch !== undefined)
    set(turn, { batch: { ...batch, wanted: [...batch.wanted, ...commits].slice(0, wantedLimit) } });
}

/** Remember where an accepted commit must show up, unless the proven log has passed that place already. */
function expectReceipt(turn: Turn, record: OutboxRecord, seq: number): void {
  const provenSize = turn.state.databases.get(record.dbId)?.size ?? 0;
  if (seq < provenSize) return;
  set(turn, { receipts: new Map(turn.state.receipts).set(record.commitHash, { dbId: record.dbId, seq }) });
}

function refuse(turn: Turn, record: OutboxRecord, result: PushResult): void {
  const { outbox } = turn.state;
  const refused = [...outbox.refused.filter((hash) => hash !== record.commitHash), record.commitHash].slice(
    -refusedLimit,
  );
  set(turn, { outbox: { ...outbox, refused } });
  if (!record.isOwn) return;
  emit(turn, { kind: "quarantine", commitHash: record.commitHash, code: result.code ?? "access/denied" });
}

/**
 * End a batch: the position moves up to the first record that is not settled for good. What the server put off waits for the
 * outbox timer, or first for what is wanted; what it did not answer at all is simply sent again.
 */
export function closeBatch(turn: Turn): void {
  const { asideCount, batch, everWanted, wantedRounds } = turn.state;
  if (batch === undefined) return;
  set(turn, { batch: undefined });
  const wanted = batch.isAside ? [] : batch.wanted.filter((hash) => !everWanted.has(hash));
  const mayWant = everWanted.size < wantedLimit && wantedRounds < wantedRoundLimit && asideCount < asideLimit;
  const waits = wanted.length > 0 && mayWant;
  settleBatch(turn, batch, waits);
  if (batch.isAside) endAside(turn, batch);
  if (waits)
    set(turn, {
      wanted,
      everWanted: new Set([...everWanted, ...wanted]),
      wantedRounds: wantedRounds + 1,
    });
  else if (!batch.isAside || batch.isHeld) goOn(turn, batch);
}

/** The past of what was wanted goes on while the server takes of it. */
function endAside(turn: Turn, { isHeld, settled }: PushBatch): void {
  const isTaken = [...settled.values()].includes("accepted");
  if (isTaken) setRound(turn, { hasProgress: true });
  if (!isTaken || isHeld || turn.state.asideCount >= asideLimit) set(turn, { wanted: [] });
}

/** Take what a batch has shown: what is settled, and, of what was read for the first time, what is put off until it is tried again. */
function settleBatch(turn: Turn, batch: PushBatch, waits: boolean): void {
  const settled = new Set(
    batch.records.filter((record) => isFinal(batch, record)).map((one) => one.position),
  );
  const before = readThrough(turn.state);
  // In an epoch that began meanwhile everything is sent from its start.
  const isNext = !batch.isAside && !batch.isAgain && batch.after === before;
  if (!isNext) return settle(turn, settled, before, []);
  const through = waits ? throughFirst(batch, (record) => !isFinal(batch, record)) : answeredThrough(batch);
  const putOff = batch.records
    .filter((record) => record.position <= through && !isFinal(batch, record))
    .map(({ position }) => position);
  const room = putOffLimit - turn.state.putOff.length;
  const over = putOff[room];
  if (over !== undefined) set(turn, { isHeld: true });
  settle(turn, settled, over === undefined ? through : over - 1, putOff.slice(0, room));
}

/** Everything up to a place is settled but for what is put off: so far goes the position. */
function settle(turn: Turn, settled: ReadonlySet<number>, ahead: number, added: readonly number[]): void {
  const { isHeld, outbox, outboxAttempt, putOff, putOffBy } = turn.state;
  const left = putOff.filter((position) => !settled.has(position));
  const hasFewer = left.length < putOff.length;
  if (hasFewer || ahead > readThrough(turn.state)) setRound(turn, { hasProgress: true });
  const all = [...left, ...added];
  set(turn, {
    ahead,
    putOff: all,
    putOffBy: all.length === 0 && !isHeld ? undefined : putOffBy,
    outboxAttempt: hasFewer ? 0 : outboxAttempt,
  });
  const position = (all[0] ?? ahead + 1) - 1;
  if (position !== outbox.position) moveTo(turn, position, true);
}

function moveTo(turn: Turn, position: number, isStored: boolean): void {
  const outbox = { ...turn.state.outbox, position };
  set(turn, { outbox });
  if (isStored) emit(turn, { kind: "store", records: [], databases: [], outbox });
}

/** Go on behind what was put off, or wait with everything. */
function goOn(turn: Turn, batch: PushBatch): void {
  const { isDue, isHeld, wasHeld } = turn.state;
  const isPutOff = batch.putOffBy !== undefined;
  set(turn, {
    isHeld: isHeld || batch.isHeld,
    wasHeld: batch.isHeld || (wasHeld && isPutOff),
  });
  if (turn.state.isHeld || (isPutOff && (batch.isAgain || !isDue))) waitForTimer(turn, batch.putOffBy);
  if (batch.isAgain) endTry(turn, answeredThrough(batch));
}

/** Some of what was put off was tried: after the last one it is the timer's turn. */
function endTry(turn: Turn, through: number): void {
  const { isDue, putOff } = turn.state;
  const isLast = !putOff.some((position) => position > through);
  set(turn, { retryAfter: isLast ? 0 : through });
  if (isLast && isDue && putOff.length > 0) waitForTimer(turn, undefined);
}

function waitForTimer(turn: Turn, code: EngineState["putOffBy"]): void {
  const { isDue, outboxAttempt, putOffBy } = turn.state;
  set(turn, { isDue: false, putOffBy: code ?? putOffBy });
  if (putOffBy !== undefined && !isDue) return;
  set(turn, { outboxAttempt: outboxAttempt + 1 });
  emit(turn, { kind: "set-timer", name: "outbox", minMs: 0, spreadMs: backoffMs(outboxAttempt) });
}

/** The outbox timer ran: what was put off is due, and a server may want anew. */
export function tryAgain(turn: Turn): void {
  const { putOff, putOffBy } = turn.state;
  set(turn, {
    isDue: true,
    isHeld: false,
    putOffBy: putOff.length === 0 ? undefined : putOffBy,
    ...noWants,
  });
}

/** Accepted, or refused. What is refused aside is no news of it: it is met again. */
function isFinal({ isAside, settled }: PushBatch, { commitHash }: OutboxRecord): boolean {
  const status = settled.get(commitHash);
  if (isAside) return status === "accepted";
  return status === "accepted" || status === "refused";
}

/** Up to the first record that was not answered. */
function answeredThrough(batch: PushBatch): number {
  return throughFirst(batch, ({ commitHash }) => !batch.settled.has(commitHash));
}

function throughFirst({ records, through }: PushBatch, isOpen: (record: OutboxRecord) => boolean): number {
  const first = records.find((record) => isOpen(record));
  return first === undefined ? through : first.position - 1;
}
