/**
 * How far another server has a log of this one, and what follows from that. Kept for each (other server's key, tenant, database).
 *
 * | field | bytes |
 * |---|---|
 * | version | u8, 1 |
 * | epoch | varint: of the log here |
 * | farEpoch | varint: of the tenant's directory there, which every server that begins anew raises |
 * | seq | varint: everything before is there, or was refused there for good |
 * | everythingThrough | varint: before this, what it has is not known from its acknowledgements: it is asked, see forward-compare.ts, and what it brought here itself and lost is sent too |
 * | lacking | varint count (at most 1024), each varint, rising: commits before `seq` that went without ciphertexts and may still get them |
 *
 * ```
 *            acknowledged │ sent again after a crash
 *   0 ────────────────── seq ───────────────────── size
 *        ^ lacking: sent once more when it is filled here
 * ```
 * The place moves over what was acknowledged, or what the other server has when the two compare, and over nothing else. Another epoch on
 * either side, or a log that is shorter than its place, begins again from 0; a log of few commits is sent uncompared: what is there is
 * acknowledged as being there. Where more than 1024 commits lack ciphertexts, the earliest are
 * forgotten: whoever has them whole brings them.
 */
import { ByteReader, ByteWriter, type DbId } from "../../src/std/index.ts";
import type { PushResult } from "../../src/sync/index.ts";
import { nextIn, type SeqRanges } from "./seq-ranges.ts";
import type { LogState } from "./storage.ts";

/** How far another server has a log. */
export interface ForwardPlace {
  readonly epoch: number;
  readonly farEpoch: number;
  readonly seq: number;
  readonly everythingThrough: number;
  readonly lacking: readonly number[];
}

const version = 1;
const maxLacking = 1024;

/** Write a place. */
export function encodeForwardPlace(place: ForwardPlace): Uint8Array<ArrayBuffer> {
  const { epoch, everythingThrough, farEpoch, lacking, seq } = place;
  const writer = new ByteWriter().u8(version).varint(epoch).varint(farEpoch).varint(seq);
  writer.varint(everythingThrough).varint(lacking.length);
  for (const one of lacking) writer.varint(one);
  return writer.toBytes();
}

/** Read a place; `undefined` for anything else, and then the log is forwarded from its start. */
export function decodeForwardPlace(bytes: Uint8Array): ForwardPlace | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version) return undefined;
  const [epoch, farEpoch, seq] = [reader.varint(), reader.varint(), reader.varint()];
  const everythingThrough = reader.varint();
  const count = reader.varint(maxLacking);
  const lacking: number[] = [];
  while (lacking.length < count && reader.error === undefined) lacking.push(reader.varint());
  return reader.finish() ? { epoch, farEpoch, seq, everythingThrough, lacking } : undefined;
}

/** Where forwarding of a log goes on. */
export function placeOf(log: LogState, known: ForwardPlace | undefined, farEpoch: number): ForwardPlace {
  const isGood =
    known !== undefined && known.epoch === log.epoch && known.farEpoch === farEpoch && known.seq <= log.size;
  if (isGood) return known;
  return { epoch: log.epoch, farEpoch, seq: 0, everythingThrough: log.size, lacking: [] };
}

/** So few commits are sent without asking first. */
const fewestCompared = 4;

/** Whether it must be asked what the other server has. */
export function isUnknown({ everythingThrough, seq }: ForwardPlace): boolean {
  return everythingThrough - seq > fewestCompared;
}

/** Move a place over what the other server has, as the two found when they compared. */
export function passPresent(place: ForwardPlace, lacking: SeqRanges): ForwardPlace {
  const { everythingThrough, seq } = place;
  if (seq >= everythingThrough) return place;
  const next = nextIn(lacking, seq)?.from ?? everythingThrough;
  return next === seq ? place : { ...place, seq: Math.min(next, everythingThrough) };
}

/** A commit whose turn came. */
export interface ForwardedCommit {
  readonly seq: number;
  /** it lacks ciphertexts that may still come */
  readonly isLacking: boolean;
  /** what the other server said; `present` when it brought the commit itself, and nothing was sent */
  readonly said: PushResult | "present" | undefined;
}

/**
 * Where a log stands after an answer.
 *
 * @param commits those from the place on, in order, and of earlier ones those that were sent once more
 * @param isDirectory a refused commit of the directory is not passed: it may be part of a line whose merge comes behind it
 */
export function settle(
  place: ForwardPlace,
  commits: readonly ForwardedCommit[],
  isDirectory: boolean,
): ForwardPlace {
  let { seq } = place;
  const lacking = new Set(place.lacking);
  for (const { isLacking, said, seq: at } of commits) {
    if (said === undefined || !isSettled(said, isDirectory)) continue;
    if (at > seq) break;
    if (at === seq) seq++;
    if (isLacking) lacking.add(at);
    else lacking.delete(at);
  }
  return { ...place, seq, lacking: [...lacking].sort((a, b) => a - b).slice(-maxLacking) };
}

function isSettled(said: PushResult | "present", isDirectory: boolean): boolean {
  if (said === "present" || said.status === "accepted") return true;
  return said.status === "refused" && !isDirectory;
}

/** A log that has something to forward, and where that begins. */
export interface OwedLog {
  readonly dbId: DbId;
  readonly size: number;
  readonly place: ForwardPlace;
  /** what the other server lacks of it, where they compared: before `everythingThrough` nothing else is sent */
  readonly lacking?: SeqRanges | undefined;
}

/** What is owed of a tenant: its directory alone while that is behind, since the far server judges by it. */
export function owedLogs(
  logs: readonly OwedLog[],
  directoryDbId: DbId,
  hasFilled: (dbId: DbId) => boolean,
): readonly OwedLog[] {
  const owed = logs.filter(({ dbId, place, size }) => place.seq < size || hasFilled(dbId));
  const directory = owed.filter(({ dbId }) => dbId === directoryDbId);
  return directory.length > 0 ? directory : owed;
}
