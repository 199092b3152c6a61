/** One thing that a button or a form does: busy while it runs, and its error stays in place until the next try. */
import { useSignal, type ReadonlySignal } from "@preact/signals";
import { useRef } from "preact/hooks";

/** A running or resting action. */
export interface Action<A extends unknown[]> {
  readonly isBusy: ReadonlySignal<boolean>;
  readonly error: ReadonlySignal<unknown>;
  run(...args: A): void;
  clear(): void;
}

/** Make an action of a component. While it runs, further calls do nothing. */
export function useAction<A extends unknown[]>(work: (...args: A) => Promise<void>): Action<A> {
  const isBusy = useSignal(false);
  const error = useSignal<unknown>(undefined);
  const newest = useRef(work);
  newest.current = work;
  return {
    isBusy,
    error,
    clear() {
      error.value = undefined;
    },
    run(...args) {
      if (isBusy.peek()) return;
      isBusy.value = true;
      error.value = undefined;
      newest
        .current(...args)
        .catch((cause: unknown) => {
          error.value = cause;
        })
        .finally(() => {
          isBusy.value = false;
        });
    },
  };
}
