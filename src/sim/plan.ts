/** Which faults a seed has, and how strong they are: each seed has some of them only, so that rare ones meet. */
import type { Random } from "./pcg32.ts";
import type { Weather } from "./sim-network.ts";

/** What a story may contain, and how much of it. */
export interface Plan {
  readonly operationCount: number;
  readonly gapMs: number;
  readonly weather: Weather;
  /** how likely a write is refused, or stored and then denied */
  readonly diskFailure: number;
  readonly allows: {
    readonly crash: boolean;
    readonly powerLoss: boolean;
    readonly lock: boolean;
    readonly offline: boolean;
    readonly tabs: boolean;
    readonly serverRestart: boolean;
    readonly serverLoss: boolean;
    readonly clockJump: boolean;
    readonly revocation: boolean;
    readonly deletion: boolean;
    /** undo, branches, bulk edits, readers of what changed */
    readonly lines: boolean;
    readonly purge: boolean;
  };
}

/** Draw which faults this seed has, and how strong they are. */
export function drawPlan(random: Random, operationCount: number): Plan {
  const some = (most: number): number => (random.chance(0.5) ? random.fraction() * most : 0);
  return {
    operationCount,
    gapMs: random.pick([5, 40, 200, 1500]),
    weather: {
      latencyMs: random.pick([2, 40, 400]),
      lost: some(0.3),
      deaf: some(0.3),
      cut: some(0.3),
      doubled: some(0.4),
      refused: some(0.3),
      hangUp: some(0.2),
    },
    diskFailure: random.chance(0.25) ? random.fraction() * 0.1 : 0,
    allows: {
      crash: random.chance(0.6),
      powerLoss: random.chance(0.4),
      lock: random.chance(0.5),
      offline: random.chance(0.6),
      tabs: random.chance(0.5),
      serverRestart: random.chance(0.3),
      serverLoss: random.chance(0.15),
      clockJump: random.chance(0.3),
      revocation: random.chance(0.2),
      deletion: random.chance(0.6),
      lines: random.chance(0.7),
      purge: random.chance(0.3),
    },
  };
}
