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
  /** Call the worker. After what stores something there is something to keep, so that the browser is asked to keep it. */
  call<T>(run: WorkerCall<T>, does?: "stores"): Promise<T>;
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

/** What is opened again in a new worker, or says that it cannot be. */
export interface Restorable {
  restore(call: RestoreCall, database: number): Promise<void>;
  fail(error: CofferError): void;
}

/**
 * Restore one thing: let it fail by itself, but stop all of it when the worker died again.
 *
 * @returns whether it lacks the tenant's keys
 */
export async function restoreOne(one: Restorable, call: RestoreCall, database = 0): Promise<boolean> {
  try {
    await one.restore(call, database);
    return false;
  } catch (cause) {
    const error = toCofferError(cause);
    if (error.code === "worker/restarted") throw error;
    one.fail(error);
    return error.code === "access/locked";
  }
}
