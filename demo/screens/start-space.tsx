/** Starting a space: two names and two passwords. */
import { useSignal } from "@preact/signals";
import { Busy } from "../parts/busy.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Field } from "../parts/field.tsx";
import { FormPage } from "../parts/form-page.tsx";
import { NewPasswordField } from "../parts/new-password.tsx";
import { useAction } from "../state/action.ts";
import { theCoffer } from "../state/coffer.ts";
import { enterSpace } from "../state/space.ts";

/** The form that starts a space. */
export function StartSpace({ onBack }: { readonly onBack: () => void }) {
  const spaceName = useSignal("");
  const userName = useSignal("");
  const userPassword = useSignal("");
  const adminPassword = useSignal("");
  const start = useAction(async () => {
    const person = userName.value.trim();
    const { tenant } = await theCoffer().createTenant({
      tenantId: spaceName.value.trim(),
      adminName: `${person} (admin)`,
      adminPassword: adminPassword.value,
      userName: person,
      userPassword: userPassword.value,
    });
    await enterSpace(tenant);
  });
  return (
    <FormPage title="Start a space" onBack={onBack}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          start.run();
        }}
      >
        <Field label="Name of the space" value={spaceName} placeholder="Film club" autofocus required />
        <Field
          label="Your name"
          value={userName}
          placeholder="Ada Lovelace"
          autocomplete="name"
          hint="Only members of the space can read it."
          required
        />
        <NewPasswordField
          label="Your password"
          value={userPassword}
          hint="Nobody can recover it for you, so keep it well."
        />
        <NewPasswordField
          label="Admin password"
          value={adminPassword}
          hint="A second one, for inviting and revoking people: whoever learns your daily password still cannot let anybody in."
        />
        <ErrorNote error={start.error} />
        {start.isBusy.value ? (
          <Busy
            what="Deriving your keys."
            why="Two passwords are stretched with a lot of memory, on purpose: guessing them must cost a thief this much, each time."
          />
        ) : null}
        <div class="actions">
          <button type="submit" class="button button-main" disabled={start.isBusy.value}>
            Start the space
          </button>
        </div>
      </form>
    </FormPage>
  );
}
