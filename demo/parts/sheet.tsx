/** A sheet that lies over the page: it closes by its button, by Escape, and by a press beside it. */
import { useSignal, type Signal } from "@preact/signals";
import type { ComponentChildren, RefObject } from "preact";
import { useId, useRef } from "preact/hooks";
import { Icon } from "./icon.tsx";

/** Opens and closes a sheet. */
export interface SheetRef {
  readonly dialog: RefObject<HTMLDialogElement | null>;
  readonly isOpen: Signal<boolean>;
  open(): void;
  close(): void;
}

/** Make the handle of a sheet. */
export function useSheet(): SheetRef {
  const dialog = useRef<HTMLDialogElement>(null);
  const isOpen = useSignal(false);
  return {
    dialog,
    isOpen,
    open: () => {
      isOpen.value = true;
      dialog.current?.showModal();
    },
    close: () => dialog.current?.close(),
  };
}

interface SheetProps {
  readonly sheet: SheetRef;
  readonly title: string;
  readonly testId: string;
  readonly children: ComponentChildren;
}

/** Show what is in a sheet, while it is open. */
export function Sheet({ sheet, title, testId, children }: SheetProps) {
  const id = useId();
  const { dialog, isOpen, close } = sheet;
  return (
    <dialog
      ref={dialog}
      class="sheet"
      aria-labelledby={id}
      data-testid={testId}
      onClose={() => (isOpen.value = false)}
      onClick={(event) => event.target === dialog.current && close()}
    >
      <div class="sheet-body">
        <div class="sheet-head">
          <h2 id={id}>{title}</h2>
          <button type="button" class="button-icon" aria-label="Close" onClick={close}>
            <Icon name="close" />
          </button>
        </div>
        {isOpen.value ? children : null}
      </div>
    </dialog>
  );
}
