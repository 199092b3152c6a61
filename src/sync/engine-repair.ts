/**
 * What the engine does about logs that a device and a server both have, and share no proof of.
 */
import { emit, set, type Turn } from "./turn.ts";

/** What came as leaves to its end is proven as any other log; what stopped at a commit that is not here goes on later. */
export function settleLeaves(turn: Turn): void {
  const { asLeaves, round } = turn.state;
  set(turn, { asLeaves: new Set([...asLeaves].filter((dbId) => round.frozen.has(dbId))) });
}

/** Find what is missing here by reconciling sets; then the round is made again. */
export function askForRepair(turn: Turn): void {
  const { session, token, needsRepair, config } = turn.state;
  if (token === undefined) return;
  const dbIds = [...needsRepair].toSorted(
    (a, b) => Number(b === config.directoryDbId) - Number(a === config.directoryDbId),
  );
  emit(turn, { kind: "repair", session, token, dbIds });
}

/** What the server had of what was missing came: a conversation reconciles a database once. */
export function noteRepaired(turn: Turn, receivedCount: number): void {
  const { idleRounds, needsRepair, repaired } = turn.state;
  set(turn, {
    repaired: new Set([...repaired, ...needsRepair]),
    needsRepair: new Set(),
    idleRounds: receivedCount > 0 ? 0 : idleRounds,
  });
}
