/** What the handles of one `openCoffer` have in common: calls, numbers, and who hears which event. */
import type { WorkerEvent } from "../../worker/api.ts";
import { toCofferError, type CofferError, type CofferErrorCode, type Release } from "../std/index.ts";
import type { WorkerCall } from "./supervisor.ts";

/** An event that belongs to one subscription. */
export type SubscriptionEvent = Extract<WorkerEvent, { readonly subscription: number }>;

/** The part of the page that every room of it needs. */
export interface Session {
  readonly isReady: () => boolean;
  ready(): Promise<void>;
  call<T>(run: WorkerCall<T>): Promise<T>;
  /** a number that no other subscription or draft of this page has */
  nextNumber(): number;
  /** hear the events of a subscription from now on */
  listen(subscription: number, listener: (event: SubscriptionEvent) => void): Release;
}

/** Calls the worker in the course of a restoration. */
export type RestoreCall = <T>(run: WorkerCall<T>) => Promise<T>;

/** Run a function of the application; what it throws leaves as a `CofferError` with the cause. */
export function runCallers<T>(run: () => T, code: CofferErrorCode = "input/invalid"): T {
  try {
    return run();
  } catch (cause) {
    throw toCofferError(cause, code);
  }
}

/** Let something end in its own time: nobody waits, and its failure changes nothing for anybody. */
export function inBackground(work: Promise<unknown>): void {
  work.catch(() => undefined);
}

/** While restoring, let one thing fail by itself, but stop all of it when the worker died again. */
export async function restoreOne(
  restore: () => Promise<void>,
  onFailure: (error: CofferError) => void,
): Promise<void> {
  try {
    await restore();
  } catch (cause) {
    const error = toCofferError(cause);
    if (error.code === "worker/restarted") throw error;
    onFailure(error);
  }
}
