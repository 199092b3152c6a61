/** The one place that always says how things stand, and what is behind it. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { pillState } from "../state/activity.ts";
import { StorageFact, SyncFacts } from "./sync-facts.tsx";
import { Icon } from "./icon.tsx";
import { useSteady } from "./steady.ts";

/** The pill; pressing it opens the facts. */
export function StatePill() {
  const dialog = useRef<HTMLDialogElement>(null);
  const isOpen = useSignal(false);
  const { kind, text, tone } = useSteady(pillState).value;
  const [first, ...rest] = text.split(" complete at ");
  const close = (): void => dialog.current?.close();
  return (
    <>
      <button
        type="button"
        class={`pill pill-${tone}`}
        data-testid="state-pill"
        data-state={kind}
        aria-haspopup="dialog"
        aria-label={`State: ${text}. Show details`}
        onClick={() => {
          isOpen.value = true;
          dialog.current?.showModal();
        }}
      >
        <i class="dot" aria-hidden="true" />
        <span>
          {first}
          {rest.map((time) => (
            <span key="time">
              <span class="pill-rest"> complete at</span> {time}
            </span>
          ))}
        </span>
      </button>
      <dialog
        ref={dialog}
        class="sheet"
        aria-labelledby="state-title"
        data-testid="state-details"
        onClose={() => (isOpen.value = false)}
        onClick={(event) => event.target === dialog.current && close()}
      >
        <div class="sheet-body">
          <div class="sheet-head">
            <h2 id="state-title">How things stand</h2>
            <button type="button" class="button-icon" aria-label="Close" onClick={close}>
              <Icon name="close" />
            </button>
          </div>
          {isOpen.value ? (
            <SyncFacts>
              <StorageFact />
            </SyncFacts>
          ) : null}
          <a class="button" href="#/sync" onClick={close}>
            Sync and storage
          </a>
        </div>
      </dialog>
    </>
  );
}
