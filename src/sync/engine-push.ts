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
 *   position        retryAfter        ahead
 *   │ put off … accepted … put off │ to be read next …     one batch of what was put off each time the outbox timer runs
 * ```
 * What a revoked author wrote can be judged from the cut's heads backwards. A server names what it needs first with NEED: that and its past
 * are pushed aside, newest first, wherever they lie in the log, and then the outbox goes on where it was. What is pushed aside may have been
 * acknowledged long ago: that it is refused now is no news of it, or a server could have what it dropped counted as refused. What never was
 * acknowledged lies before the outbox still, and is refused there.
 */
import type { CommitHash } from "../std/index.ts";
import { entryLimits } from "../entry/index.ts";
import type { EngineEvent, EngineState, OutboxRecord, PushBatch } from "./engine-types.ts";
import type { Frame, PushResult } from "./messages.ts";
import { syncLimits } from "./messages.ts";
import { backoffMs, emit, set, setRound, type Turn } from "./turn.ts";

type AckFrame = Extract<Frame, { type: "ack" }>;
type NeedFrame = Extract<Frame, { type: "need" }>;

const refusedLimit = 1024;
/** What a sized commit costs beside its bytes. */
const itemBytes = 4;
/** what a server may have wanted until the outbox timer runs */
const wantedLimit = 1024;

/** Whether there is something in the log that should be pushed now. */
export function hasPush(state: EngineState): boolean {
  if (state.wanted.length === 0 && readFrom(state) >= state.lastPosition) return false;
  // What the server proves to have needs no push: it is asked first.
  if (state.canRepair && state.asLeaves.size > 0) return false;
  // An audit compares what was acknowledged before: until it is done nothing new may be.
  return [...state.databases.values()].every((database) => database.audit === undefined);
}

/** Where the log is read on. */
function readFrom({ ahead, outbox, putOffBy, retryAfter }: EngineState): number {
  return Math.max(outbox.position, putOffBy === undefined ? retryAfter : ahead);
}

/** Ask for the next records of the log, or for the past of what is wanted. */
export function readOutbox(turn: Turn, maxBytes: number): void {
  const { outbox, wanted } = turn.state;
  const next = { after: readFrom(turn.state), everythingThrough: outbox.everythingThrough, maxBytes };
  emit(turn, { kind: "read-outbox", ...next, ...(wanted.length > 0 && { wanted }) });
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
  const after = readFrom(turn.state);
  const isAside = wanted !== undefined;
  if (isAside) set(turn, { wanted });
  if (records.length > 0) {
    const fresh = { settled: new Map(), wanted: [], putOffBy: undefined, isHeld: false } as const;
    set(turn, { batch: { ...fresh, records, after, through, isAside } });
    return "batch";
  }
  const { ahead, lastPosition, outbox, putOffBy } = turn.state;
  if (isAside) return after < lastPosition ? "more" : "nothing";
  if (through <= after) {
    // The log is shorter than was heard: there is nothing to wait for.
    set(turn, { lastPosition: after, retryAfter: 0 });
    return "nothing";
  }
  if (after <= outbox.position) {
    const next = { ...outbox, position: through };
    set(turn, { outbox: next });
    // That these are there is known in this conversation only; what came from the remote is told by its origin, always.
    if (hasConfirmed) emit(turn, { kind: "store", records: [], databases: [], outbox: next });
  } else if (putOffBy === undefined) set(turn, { retryAfter: through < ahead ? through : 0 });
  else set(turn, { ahead: through });
  return readFrom(turn.state) < lastPosition ? "more" : "nothing";
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
 * End a batch: the position moves up to its first record that is not settled for good. What the server put off waits for the
 * outbox timer, or first for what is wanted; what it did not answer at all is simply sent again.
 */
export function closeBatch(turn: Turn): void {
  const { batch, everWanted, outbox } = turn.state;
  if (batch === undefined) return;
  set(turn, { batch: undefined });
  const wanted = batch.isAside ? [] : batch.wanted.filter((hash) => !everWanted.has(hash));
  if (batch.isAside) endAside(turn, batch);
  else if (batch.after <= outbox.position) movePosition(turn, Math.max(outbox.position, positionOf(batch)));
  if (wanted.length > 0 && everWanted.size < wantedLimit)
    set(turn, { wanted, everWanted: new Set([...everWanted, ...wanted]) });
  else if (!batch.isAside || batch.isHeld) goOn(turn, batch);
}

/** The past of what was wanted goes on while the server takes of it. */
function endAside(turn: Turn, { isHeld, settled }: PushBatch): void {
  const isTaken = [...settled.values()].includes("accepted");
  if (isTaken) setRound(turn, { hasProgress: true });
  if (!isTaken || isHeld) set(turn, { wanted: [] });
}

function movePosition(turn: Turn, position: number): void {
  const { outbox } = turn.state;
  if (position === outbox.position) return;
  const next = { ...outbox, position };
  set(turn, { outbox: next });
  setRound(turn, { hasProgress: true });
  emit(turn, { kind: "store", records: [], databases: [], outbox: next });
}

/** Go on behind what was put off, or wait with everything. */
function goOn(turn: Turn, batch: PushBatch): void {
  const { ahead, outbox, outboxAttempt, putOffBy: waitsFor, wasHeld } = turn.state;
  const { isHeld, putOffBy, settled, through } = batch;
  const next = Math.max(ahead, through);
  const isAhead = waitsFor !== undefined;
  if (next > ahead && settled.size > 0) setRound(turn, { hasProgress: true });
  set(turn, {
    putOffBy: putOffBy ?? waitsFor,
    wasHeld: isHeld || (wasHeld && putOffBy !== undefined),
    ahead: isHeld ? Infinity : outbox.position >= next ? 0 : next,
    outboxAttempt: isAhead ? outboxAttempt : putOffBy === undefined ? 0 : outboxAttempt + 1,
    ...(!isAhead && { retryAfter: through < next && !isHeld ? through : 0 }),
  });
  if (putOffBy !== undefined && !isAhead)
    emit(turn, { kind: "set-timer", name: "outbox", minMs: 0, spreadMs: backoffMs(outboxAttempt) });
}

function positionOf(batch: PushBatch): number {
  const isFinal = (hash: CommitHash): boolean => {
    const status = batch.settled.get(hash);
    return status === "accepted" || status === "refused";
  };
  const first = batch.records.find((record) => !isFinal(record.commitHash));
  return first === undefined ? batch.through : first.position - 1;
}
