/** Waiting on a page: for signals, for frames, for time. */
import { effect } from "@preact/signals-core";

/** Wait until a condition over signals holds. */
export async function until(condition: () => boolean, what: string, limitMs = 60_000): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error(`${what}: not within ${limitMs} ms`)), limitMs);
  const stop = effect(() => {
    if (condition()) resolve();
  });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    stop();
  }
}

/** Resolves after what was put into the page has been painted. */
export function painted(): Promise<void> {
  return new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve, 0));
  });
}

/** Wait for some time. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
