/** Keys and people: founding and unlocking through the public API, and what grows with members in a worker of its own. */
import { openCoffer } from "cofferdb";
import { askWorker } from "./ask.ts";
import { watchMainThread, type MainThreadReport } from "./main-thread.ts";
import type { PeopleAnswer, PeopleQuestion } from "./people-worker.ts";
import { foundTenant, removeSession, userPassword } from "./session.ts";

/** Found a tenant while the main thread is watched; then lock it and unlock it with its password. */
export async function measureFounding({
  cofferName,
}: {
  cofferName: string;
}): Promise<MainThreadReport & { createMs: number; unlockMs: number }> {
  // The worker's start is no part of founding.
  const warm = await openCoffer({ name: `${cofferName}-warm` });
  await warm.close();
  const watch = watchMainThread();
  const startMs = performance.now();
  const session = await foundTenant(cofferName);
  const createMs = performance.now() - startMs;
  const report = await watch.end();
  await session.tenant.lock();
  const lockedMs = performance.now();
  await session.tenant.unlock({ password: userPassword });
  const unlockMs = performance.now() - lockedMs;
  await removeSession(session);
  return { ...report, createMs, unlockMs };
}

/** Ask the worker of this workload. */
export async function askPeople(question: PeopleQuestion): Promise<PeopleAnswer> {
  return askWorker("/bench/people-worker.js", question);
}
