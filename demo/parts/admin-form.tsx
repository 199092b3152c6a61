/** What only the admin does: a form that asks for the admin's password, and does one thing with it. */
import { useSignal } from "@preact/signals";
import type { AdminOptions, Tenant } from "cofferdb";
import type { ComponentChildren } from "preact";
import { ErrorNote } from "./error-note.tsx";
import { PasswordField } from "./field.tsx";
import { useAction } from "../state/action.ts";

interface AdminFormProps {
  readonly tenant: Tenant;
  /** what its button says */
  readonly verb: string;
  readonly work: (proof: AdminOptions) => Promise<void>;
  /** not everything is filled in yet */
  readonly isHeld?: boolean;
  /** it takes something away */
  readonly isGrave?: boolean;
  readonly children: ComponentChildren;
}

/** Show what is to be done, the password's field and the button; what was typed stays when it fails. */
export function AdminForm({ tenant, verb, work, isHeld, isGrave, children }: AdminFormProps) {
  const adminPassword = useSignal("");
  const action = useAction(async () => {
    const adminUser = tenant.adminUser.peek();
    if (adminUser !== undefined) await work({ adminUser, adminPassword: adminPassword.peek() });
  });
  return (
    <form
      class={isGrave === true ? "form note note-warn" : "form panel"}
      onSubmit={(event) => {
        event.preventDefault();
        action.run();
      }}
    >
      {children}
      <PasswordField label="Admin password" value={adminPassword} autocomplete="off" required />
      <ErrorNote error={action.error} />
      <div class="actions">
        <button
          type="submit"
          class={isGrave === true ? "button button-bad" : "button button-main"}
          disabled={action.isBusy.value || isHeld === true}
        >
          {verb}
        </button>
      </div>
    </form>
  );
}
