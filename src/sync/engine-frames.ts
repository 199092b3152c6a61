/**
 * The frames an engine asks with.
 */
import type { DbId } from "../std/index.ts";
import { protocolVersion, syncLimits, type Frame, type LogCursor } from "./messages.ts";
import { set, setRound, type Turn } from "./turn.ts";

/** What one round may bring down. */
export const pullBytes = 4 * 1024 * 1024;

/** Say who speaks. */
export function helloFrame(turn: Turn): Frame {
  return { type: "hello", version: protocolVersion, replicaId: turn.state.config.replicaId };
}

/** Ask for everything after what is here; or, where own commits were lost, for those databases whole. */
export function pullFrame(turn: Turn): Frame {
  const { databases, needsFull, config, canRepair } = turn.state;
  const isFull = needsFull.size > 0;
  const all = [...databases.values()].filter(({ dbId }) => !isFull || needsFull.has(dbId));
  const ordered = all.sort(
    (a, b) => Number(b.dbId === config.directoryDbId) - Number(a.dbId === config.directoryDbId),
  );
  const asLeaves = canRepair && !isFull ? turn.state.asLeaves : new Set<DbId>();
  const cursors: LogCursor[] = ordered.map(({ dbId, epoch, size }) => ({
    dbId,
    epoch,
    seq: size,
    ...(asLeaves.has(dbId) && { isLeaves: true }),
  }));
  for (const dbId of asLeaves)
    if (!databases.has(dbId)) cursors.push({ dbId, epoch: 0, seq: 0, isLeaves: true });
  // A database that was lost from its very start has no state yet: it is asked for from there.
  for (const dbId of needsFull) if (!databases.has(dbId)) cursors.push({ dbId, epoch: 0, seq: 0 });
  set(turn, { isPulling: true });
  setRound(turn, { full: needsFull });
  return {
    type: "pull",
    allDatabases: !isFull,
    full: isFull,
    cursors: cursors.slice(0, syncLimits.databasesPerTenant),
    maxBytes: pullBytes,
  };
}
