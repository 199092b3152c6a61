/** Who wants to hear of an event. */
import type { Release } from "../std/index.ts";

/** A set of listeners, told in the order they came. */
export interface Listeners<Event> {
  add(listener: (event: Event) => void): Release;
  /** Never throws: what a listener throws is reported as an uncaught error, and the others are told. */
  tell(event: Event): void;
}

/** Create an empty set. The same function added twice is told twice; one released while telling is not told any more. */
export function createListeners<Event>(): Listeners<Event> {
  const entries = new Set<{ readonly listener: (event: Event) => void }>();
  return {
    add(listener) {
      const entry = { listener };
      entries.add(entry);
      return () => void entries.delete(entry);
    },
    tell(event) {
      const present = [...entries];
      for (const entry of present) {
        if (!entries.has(entry)) continue;
        try {
          entry.listener(event);
        } catch (cause) {
          queueMicrotask(() => {
            throw cause;
          });
        }
      }
    },
  };
}
