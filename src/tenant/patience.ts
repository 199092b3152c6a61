/** How long what is being opened waits for what is about to come. */
import type { Env, Release } from "../std/index.ts";
import type { TenantCore } from "./core.ts";
import type { FirstRowsKeeper } from "./first-rows.ts";
import type { Serial } from "./serial.ts";

const firstRowsWithinMs = 50;
/** Where a view was open last, its page loads more of itself before it asks for it again. */
const firstViewsWithinMs = 500;

/** Loading everything takes the thread for itself: a page that is about to ask for its first rows comes first, if it does so soon. */
export function soonTold({ serial, world: { env } }: TenantCore, firstRows: FirstRowsKeeper): Promise<void> {
  const askedBefore = serial.askedCount;
  const endMs = env.monotonicMs() + (firstRows.views.isEmpty ? firstRowsWithinMs : firstViewsWithinMs);
  return new Promise((resolve) => {
    let release: Release;
    const look = (): void => {
      // Whoever waits in the queue waits for what is to be loaded.
      if (serial.askedCount > askedBefore || env.monotonicMs() >= endMs) resolve();
      else release = env.setTimer(firstRowsWithinMs, look);
    };
    release = env.setTimer(firstRowsWithinMs, look);
    void firstRows.told.then(() => {
      release();
      resolve();
    });
  });
}

/** Wait for something, and at most so long. It fails as that does. */
export async function waitAtMost(
  env: Pick<Env, "setTimer">,
  promise: Promise<void>,
  limitMs: number,
): Promise<void> {
  let release: Release = () => undefined;
  const timeUp = new Promise<void>((resolve) => {
    release = env.setTimer(limitMs, resolve);
  });
  try {
    await Promise.race([promise, timeUp]);
  } finally {
    release();
  }
}

const calmMs = 30;
const calmWithinMs = 1_000;

/** Wait until nobody has asked for anything for a moment: what nobody waits for delays nobody then. It waits for a while at most. */
export async function whenCalm(
  env: Pick<Env, "setTimer">,
  serial: Pick<Serial, "askedCount">,
): Promise<void> {
  for (let waitedMs = 0; waitedMs < calmWithinMs; waitedMs += calmMs) {
    const { askedCount } = serial;
    await new Promise<void>((resolve) => env.setTimer(calmMs, resolve));
    if (serial.askedCount === askedCount) return;
  }
}
