/** Bringing a space back from its file. */
import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { Busy } from "../parts/busy.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { PasswordField } from "../parts/field.tsx";
import { FormPage } from "../parts/form-page.tsx";
import { Icon } from "../parts/icon.tsx";
import { useAction } from "../state/action.ts";
import { theCoffer } from "../state/coffer.ts";
import { describeRestored } from "../text/describe-restored.ts";
import { formatBytes } from "../text/format.ts";

/** The form that takes a backup in; afterwards the space is on the first screen, and opens with its own password. */
export function RestoreBackup({ onBack }: { readonly onBack: () => void }) {
  const fileId = useId();
  const file = useSignal<File | undefined>(undefined);
  const password = useSignal("");
  const progress = useSignal("");
  const done = useSignal<string | undefined>(undefined);
  const restore = useAction(async () => {
    const chosen = file.peek();
    if (chosen === undefined) return;
    progress.value = "";
    const report = await theCoffer().importBackup(chosen, {
      password: password.value,
      onProgress({ sizeBytes }) {
        progress.value = `${formatBytes(sizeBytes)} of ${formatBytes(chosen.size)}`;
      },
    });
    done.value = describeRestored(report);
  });
  const unlock = useRef<HTMLButtonElement>(null);
  useEffect(() => unlock.current?.focus(), [done.value]);
  return (
    <FormPage title="Restore from a file" onBack={onBack}>
      {done.value !== undefined ? (
        <div class="form" data-testid="restored">
          <p class="all-good">
            <Icon name="check" />
            {done.value}
          </p>
          <div class="actions">
            <button ref={unlock} type="button" class="button button-main" onClick={onBack}>
              Unlock it
            </button>
          </div>
        </div>
      ) : (
        <form
          class="form"
          onSubmit={(event) => {
            event.preventDefault();
            restore.run();
          }}
        >
          <p class="hint">
            What is on this device already stays. If reading breaks off, choose the same file again.
          </p>
          <div class="field">
            <label for={fileId}>Backup file</label>
            <input
              id={fileId}
              type="file"
              accept=".coffer"
              required
              onChange={(event) => (file.value = event.currentTarget.files?.[0])}
            />
          </div>
          <PasswordField label="Password of the file" value={password} autocomplete="off" required />
          <ErrorNote error={restore.error} />
          {restore.isBusy.value ? <Busy what="Reading and verifying." why={progress.value} /> : null}
          <div class="actions">
            <button type="submit" class="button button-main" disabled={restore.isBusy.value}>
              Restore
            </button>
          </div>
        </form>
      )}
    </FormPage>
  );
}
