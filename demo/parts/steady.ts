/** Calm: a value that changes quickly is shown at most a few times a second. */
import { useSignal, useSignalEffect, type ReadonlySignal } from "@preact/signals";

const restMs = 350;

/** Follow a signal, but let every value stand for a moment; the last one always arrives. */
export function useSteady<T>(source: ReadonlySignal<T>): ReadonlySignal<T> {
  const shown = useSignal(source.peek());
  const changedAtMs = useSignal(0);
  useSignalEffect(() => {
    const next = source.value;
    if (next === shown.peek()) return undefined;
    const waitMs = Math.max(0, changedAtMs.peek() + restMs - performance.now());
    const timer = setTimeout(() => {
      changedAtMs.value = performance.now();
      shown.value = next;
    }, waitMs);
    return () => clearTimeout(timer);
  });
  return shown;
}
