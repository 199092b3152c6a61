import type { Env } from "../../src/std/index.ts";

/** How much one caller may ask: `burst` at once, then `perMinute`. */
export interface Rate {
  readonly perMinute: number;
  readonly burst: number;
}

/** A bounded set of token buckets, one for each name. */
export interface RateLimiter {
  /** Take one. @returns how long to wait; 0 when it was taken */
  take(name: string): number;
}

const maxNames = 50_000;

/** Create a limiter. When too many names are known, the one unused for longest is forgotten. */
export function createRateLimiter(env: Pick<Env, "monotonicMs">, rate: Rate): RateLimiter {
  const buckets = new Map<string, { level: number; atMs: number }>();
  const perMs = rate.perMinute / 60_000;
  return {
    take(name) {
      const nowMs = env.monotonicMs();
      const bucket = buckets.get(name) ?? { level: rate.burst, atMs: nowMs };
      // The order of the map is the order of use.
      buckets.delete(name);
      buckets.set(name, bucket);
      const [oldest] = buckets.keys();
      if (buckets.size > maxNames && oldest !== undefined) buckets.delete(oldest);
      bucket.level = Math.min(rate.burst, bucket.level + (nowMs - bucket.atMs) * perMs);
      bucket.atMs = nowMs;
      if (bucket.level < 1) return Math.ceil((1 - bucket.level) / perMs);
      bucket.level -= 1;
      return 0;
    },
  };
}
