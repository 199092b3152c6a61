/** Work that its caller may give up. */
import { CofferError, type ErrorDetails } from "../std/index.ts";

/** Go on only while the signal has not fired. @throws aborted */
export function throwIfAborted(signal: AbortSignal | undefined, details: ErrorDetails = {}): void {
  if (signal?.aborted === true) throw new CofferError("aborted", details, { cause: signal.reason });
}

/** Wait for work, but no longer than the signal allows; the work itself goes on. @throws aborted */
export async function unlessAborted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (signal === undefined) return work;
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(new CofferError("aborted", {}, { cause: signal.reason }));
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
