/** Asking for what opens a space: its password, a passkey, or a recovery code. */
import { useSignal } from "@preact/signals";
import type { KeySlot, UnlockWay } from "cofferdb";
import type { ComponentChildren } from "preact";
import { Busy } from "./busy.tsx";
import { ErrorNote } from "./error-note.tsx";
import { Field, PasswordField } from "./field.tsx";
import { Icon } from "./icon.tsx";
import { useAction } from "../state/action.ts";

interface UnlockFormProps {
  readonly unlock: (way: UnlockWay) => Promise<void>;
  /** what opens it here */
  readonly ways: readonly KeySlot["kind"][];
  /** what stands between the password and the buttons */
  readonly options?: ComponentChildren;
  /** further buttons beside the one that unlocks */
  readonly actions: ComponentChildren;
  /** what stands below the buttons */
  readonly children?: ComponentChildren;
}

/** Show the field, what goes on, and what went wrong; what was typed stays. */
export function UnlockForm({ unlock, ways, options, actions, children }: UnlockFormProps) {
  const password = useSignal("");
  const code = useSignal("");
  const isByCode = useSignal(false);
  const action = useAction(async () =>
    unlock(isByCode.value ? { recoveryCode: code.value } : { password: password.value }),
  );
  const byPasskey = useAction(async () => unlock({ passkey: true }));
  const isBusy = action.isBusy.value || byPasskey.isBusy.value;
  const turn = (): void => {
    isByCode.value = !isByCode.value;
    action.clear();
    byPasskey.clear();
  };
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        byPasskey.clear();
        action.run();
      }}
    >
      {isByCode.value ? (
        <Field
          label="Your recovery code"
          value={code}
          autocomplete="off"
          placeholder="0000-0000-0000-0000-0000-0000-0000-0000"
          hint="Eight groups of four, as you wrote them down. Dashes and case do not matter."
          autofocus
          required
        />
      ) : (
        <PasswordField
          label="Your password"
          value={password}
          autocomplete="current-password"
          autofocus
          required
        />
      )}
      {options}
      <ErrorNote error={action.error} />
      <ErrorNote error={byPasskey.error} />
      {action.isBusy.value ? (
        <Busy what="Unlocking." why="Your keys are derived from it; that takes a moment." />
      ) : null}
      <div class="actions">
        <button type="submit" class="button button-main" disabled={isBusy}>
          Unlock
        </button>
        {ways.includes("passkey") ? (
          <button
            type="button"
            class="button"
            disabled={isBusy}
            onClick={() => {
              action.clear();
              byPasskey.run();
            }}
          >
            <Icon name="key" />
            Use a passkey
          </button>
        ) : null}
        {ways.includes("recovery-code") ? (
          <button type="button" class="button button-plain" disabled={isBusy} onClick={turn}>
            {isByCode.value ? "Use the password" : "Use a recovery code"}
          </button>
        ) : null}
        {actions}
      </div>
      {children}
    </form>
  );
}
