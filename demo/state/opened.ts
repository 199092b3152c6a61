/** Which of several parts below a line is open: one at a time, opened and closed by their buttons. */
import { useSignal, type ReadonlySignal } from "@preact/signals";

/** What is open, and what the buttons do. */
export interface Opened<Part extends string> {
  readonly part: ReadonlySignal<Part | undefined>;
  close(): void;
  /** what the button of a part carries */
  button(part: Part): { readonly "aria-expanded": boolean; readonly onClick: () => void };
}

/** Nothing is open at first. `onOpen` hears what is opened. */
export function useOpened<Part extends string>(onOpen?: (part: Part) => void): Opened<Part> {
  const opened = useSignal<Part | undefined>(undefined);
  return {
    part: opened,
    close: () => (opened.value = undefined),
    button: (part) => ({
      "aria-expanded": opened.value === part,
      onClick: () => {
        const isOpening = opened.peek() !== part;
        opened.value = isOpening ? part : undefined;
        if (isOpening) onOpen?.(part);
      },
    }),
  };
}
