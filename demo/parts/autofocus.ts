/** Where the caret goes when a screen appears. */
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** Focus an element once, when it appears. */
export function useAutofocus<E extends HTMLElement>(isWanted: boolean): RefObject<E | null> {
  const ref = useRef<E>(null);
  useEffect(() => {
    if (isWanted) ref.current?.focus();
  }, []);
  return ref;
}
