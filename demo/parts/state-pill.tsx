/** The one place that always says how things stand, and what is behind it. */
import { pillState } from "../state/activity.ts";
import { Sheet, useSheet } from "./sheet.tsx";
import { useSteady } from "./steady.ts";
import { StorageFact, SyncFacts } from "./sync-facts.tsx";

/** The pill; pressing it opens the facts. */
export function StatePill() {
  const sheet = useSheet();
  const { kind, text, tone } = useSteady(pillState).value;
  const [first, ...rest] = text.split(" complete at ");
  return (
    <>
      <button
        type="button"
        class={`pill pill-${tone}`}
        data-testid="state-pill"
        data-state={kind}
        aria-haspopup="dialog"
        aria-label={`State: ${text}. Show details`}
        onClick={sheet.open}
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
      <Sheet sheet={sheet} title="How things stand" testId="state-details">
        <SyncFacts>
          <StorageFact />
        </SyncFacts>
        <a class="button" href="#/sync" onClick={sheet.close}>
          Sync and storage
        </a>
      </Sheet>
    </>
  );
}
