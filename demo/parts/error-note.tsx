/** Shows an error in the place where it happened: what happened, and what to do. */
import type { ReadonlySignal } from "@preact/signals";
import { explain } from "../text/explain.ts";
import { Icon } from "./icon.tsx";

/** Show an error, if there is one. */
export function ErrorNote({ error }: { readonly error: ReadonlySignal<unknown> }) {
  return (
    <div class="errors" aria-live="assertive">
      {error.value === undefined ? null : <ErrorText error={error.value} />}
    </div>
  );
}

/** The text of an error. */
export function ErrorText({ error }: { readonly error: unknown }) {
  const { what, advice, code } = explain(error);
  return (
    <div class="note note-bad" data-testid="error" data-code={code}>
      <Icon name="warning" />
      <p>
        {what} {advice === undefined ? null : <span class="muted">{advice}</span>}
      </p>
    </div>
  );
}
