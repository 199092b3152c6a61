import type { CofferError, Env } from "../../src/std/index.ts";

/** How long something that failed so often waits: half a second doubled up to a limit, and drawn at random below that. */
export function waitMs(
  { randomFraction }: Pick<Env, "randomFraction">,
  attempt: number,
  limitMs: number,
): number {
  return randomFraction() * Math.min(limitMs, 500 * 2 ** Math.min(attempt, 16));
}

/** How long the other server asks to be left alone, within a limit. */
export function askedWaitMs({ details }: CofferError, limitMs: number): number {
  const { retryAfterMs } = details;
  return typeof retryAfterMs === "number" ? Math.min(retryAfterMs, limitMs) : 0;
}
