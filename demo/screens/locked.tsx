/** The locked window: nothing of the space is on it. */
import { useSignal } from "@preact/signals";
import { Busy } from "../parts/busy.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { PasswordField } from "../parts/field.tsx";
import { Icon } from "../parts/icon.tsx";
import { StatePill } from "../parts/state-pill.tsx";
import { useAction } from "../state/action.ts";
import { leaveSpace, type Space } from "../state/space.ts";
import { shortId } from "../text/format.ts";

/** Ask for the password; the address is kept, so that unlocking leads back to the same place. */
export function Locked({ space }: { readonly space: Space }) {
  const password = useSignal("");
  const unlock = useAction(async () => {
    await space.tenant.unlock({ password: password.value });
  });
  return (
    <main class="locked" data-testid="locked">
      <div class="locked-mark">
        <Icon name="lock" />
      </div>
      <h1>Locked</h1>
      <p class="muted">
        Space <span class="code">{shortId(space.tenant.id)}</span>. What is sealed already is still being sent
        and received.
      </p>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          unlock.run();
        }}
      >
        <PasswordField
          label="Your password"
          value={password}
          autocomplete="current-password"
          autofocus
          required
        />
        <ErrorNote error={unlock.error} />
        {unlock.isBusy.value ? (
          <Busy what="Unlocking." why="Your keys are derived from the password; that takes a moment." />
        ) : null}
        <div class="actions">
          <button type="submit" class="button button-main" disabled={unlock.isBusy.value}>
            Unlock
          </button>
          <button type="button" class="button button-plain" onClick={leaveSpace}>
            Other spaces
          </button>
        </div>
      </form>
      <StatePill />
    </main>
  );
}
