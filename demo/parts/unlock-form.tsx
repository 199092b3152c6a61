/** Asking for the password of a space. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { Busy } from "./busy.tsx";
import { ErrorNote } from "./error-note.tsx";
import { PasswordField } from "./field.tsx";
import { useAction } from "../state/action.ts";

interface UnlockFormProps {
  readonly unlock: (password: string) => Promise<void>;
  /** what stands between the password and the buttons */
  readonly options?: ComponentChildren;
  /** further buttons beside the one that unlocks */
  readonly actions: ComponentChildren;
  /** what stands below the buttons */
  readonly children?: ComponentChildren;
}

/** Show the field, what goes on, and what went wrong; what was typed stays. */
export function UnlockForm({ unlock, options, actions, children }: UnlockFormProps) {
  const password = useSignal("");
  const action = useAction(async () => unlock(password.value));
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        action.run();
      }}
    >
      <PasswordField
        label="Your password"
        value={password}
        autocomplete="current-password"
        autofocus
        required
      />
      {options}
      <ErrorNote error={action.error} />
      {action.isBusy.value ? (
        <Busy what="Unlocking." why="Your keys are derived from the password; that takes a moment." />
      ) : null}
      <div class="actions">
        <button type="submit" class="button button-main" disabled={action.isBusy.value}>
          Unlock
        </button>
        {actions}
      </div>
      {children}
    </form>
  );
}
