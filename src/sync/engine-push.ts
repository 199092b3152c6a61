/**
 * The outbox: what of the device log is still to be pushed, what was sent, what its ACK said.
 *
 * ```
 *   position ──────────┐        batch            │ through          lastPosition
 *   acknowledged …     │ sent, waiting for ACK   │ to be read next …
 * ```
 * The position moves over what was accepted or refused for good, in order, and over nothing else.
 */
import type { CommitHash } from "../std/index.ts";
import { entryLimits } from "../entry/index.ts";
import type { EngineEvent, EngineState, OutboxRecord, PushBatch } from "./engine-types.ts";
import type { Frame, PushResult } from "./messages.ts";
import { syncLimits } from "./messages.ts";
import { backoffMs, emit, set, setRound, type Turn } from "./turn.ts";

type AckFrame = Extract<Frame, { type: "ack" }>;

const refusedLimit = 1024;
/** What a sized commit costs beside its bytes. */
const itemBytes = 4;

/** Whether there is something in the log that should be pushed now. */
export function hasPush(state: EngineState): boolean {
  if (state.putOffBy !== undefined || state.outbox.position >= state.lastPosition) return false;
  // What the server proves to have needs no push: it is asked first.
  if (state.canRepair && state.asLeaves.size > 0) return false;
  // An audit compares what was acknowledged before: until it is done nothing new may be.
  return [...state.databases.values()].every((database) => database.audit === undefined);
}

/** Ask for the next records of the log. */
export function readOutbox(turn: Turn, after: number, maxBytes: number): void {
  emit(turn, {
    kind: "read-outbox",
    after,
    everythingThrough: turn.state.outbox.everythingThrough,
    maxBytes,
  });
}

/**
 * Take records that were read: they are the next batch. When there were none to push, the position passes them.
 *
 * @returns whether there is a batch now, or more of the log to read first
 */
export function takeRecords(
  turn: Turn,
  { records, through, hasConfirmed }: Extract<EngineEvent, { kind: "outbox" }>,
): "batch" | "nothing" | "more" {
  if (records.length > 0) {
    set(turn, { batch: { records, through, settled: new Map(), putOffBy: undefined } });
    return "batch";
  }
  const { outbox } = turn.state;
  if (through <= outbox.position) {
    // The log is shorter than was heard: there is nothing to wait for.
    set(turn, { lastPosition: outbox.position });
    return "nothing";
  }
  const next = { ...outbox, position: through };
  set(turn, { outbox: next });
  // That these are there is known in this conversation only; what came from the remote is told by its origin, always.
  if (hasConfirmed) emit(turn, { kind: "store", records: [], databases: [], outbox: next });
  return through < turn.state.lastPosition ? "more" : "nothing";
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
  const { batch, config, outboxAttempt } = turn.state;
  if (batch === undefined) return;
  const recordsByHash = new Map(batch.records.map((record) => [record.commitHash, record]));
  // What the directory lacks below a commit stands before it in the log: it was refused, and so is what stands on it.
  const isStuck = outboxAttempt > 0 && ack.dbId === config.directoryDbId;
  const settled = new Map(batch.settled);
  let { putOffBy } = batch;
  for (const result of ack.results) {
    const record = recordsByHash.get(result.commitHash);
    if (record?.dbId !== ack.dbId || settled.has(result.commitHash)) continue;
    const status = isStuck && result.code === "directory/behind" ? "refused" : result.status;
    settled.set(result.commitHash, status);
    if (status === "accepted") expectReceipt(turn, record, result.seq);
    if (status === "retry") putOffBy ??= result.code ?? "net/failed";
    if (status === "refused") refuse(turn, record, result);
  }
  set(turn, { batch: { ...batch, settled, putOffBy } });
  if (settled.size >= recordsByHash.size) closeBatch(turn);
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
 * outbox timer; what it did not answer at all is simply sent again.
 */
export function closeBatch(turn: Turn): void {
  const { batch, outbox, outboxAttempt } = turn.state;
  if (batch === undefined) return;
  const position = Math.max(outbox.position, positionOf(batch));
  const next = { ...outbox, position };
  const { putOffBy } = batch;
  set(turn, {
    batch: undefined,
    outbox: next,
    putOffBy,
    outboxAttempt: putOffBy === undefined ? 0 : outboxAttempt + 1,
  });
  if (putOffBy !== undefined)
    emit(turn, { kind: "set-timer", name: "outbox", minMs: 0, spreadMs: backoffMs(outboxAttempt) });
  if (position === outbox.position) return;
  setRound(turn, { hasProgress: true });
  emit(turn, { kind: "store", records: [], databases: [], outbox: next });
}

function positionOf(batch: PushBatch): number {
  const isFinal = (hash: CommitHash): boolean => {
    const status = batch.settled.get(hash);
    return status === "accepted" || status === "refused";
  };
  const first = batch.records.find((record) => !isFinal(record.commitHash));
  return first === undefined ? batch.through : first.position - 1;
}
