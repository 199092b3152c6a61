/** Storage and backup: what the browser has promised, and a file that brings everything back. */
import { useSignal } from "@preact/signals";
import { Busy } from "../parts/busy.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Icon } from "../parts/icon.tsx";
import { NewPasswordField } from "../parts/new-password.tsx";
import { useAction } from "../state/action.ts";
import { notify } from "../state/activity.ts";
import { coffer, theCoffer } from "../state/coffer.ts";
import { saveFile } from "../state/save-file.ts";
import type { Space } from "../state/space.ts";
import { formatBytes } from "../text/format.ts";
import { describePersistence, describeRoom } from "../text/pill.ts";

/** How much is used, and whether the browser will keep it. */
export function StoragePanel() {
  const storage = coffer.value?.status.value.storage;
  const keep = useAction(async () => {
    const isKept = await theCoffer().keepStorage();
    notify(
      isKept ? "The browser promised to keep the data." : "The browser did not promise it. Save a backup.",
    );
  });
  if (storage === undefined) return null;
  const { usageBytes, quotaBytes, persisted, room } = storage;
  const warning = describeRoom(room);
  return (
    <section class="panel" aria-labelledby="storage-title" data-testid="storage" data-room={room}>
      <h2 id="storage-title">Storage on this device</h2>
      {quotaBytes === 0 ? null : (
        <>
          <meter
            class="bar"
            aria-label="Storage used"
            min={0}
            max={quotaBytes}
            high={quotaBytes * 0.9}
            value={usageBytes}
          />
          <p class="hint">
            {formatBytes(usageBytes)} used of {formatBytes(quotaBytes)} that the browser allows.
          </p>
        </>
      )}
      {warning === undefined ? null : (
        <div class="note note-warn" role="status">
          <Icon name="warning" />
          <p>{warning}</p>
        </div>
      )}
      <p class="hint">{describePersistence(persisted)}</p>
      {persisted === true ? null : (
        <div class="actions">
          <button type="button" class="button" disabled={keep.isBusy.value} onClick={() => keep.run()}>
            Ask the browser to keep it
          </button>
        </div>
      )}
      <ErrorNote error={keep.error} />
    </section>
  );
}

/** Saving a file of the whole space. */
export function BackupPanel({ space: { tenant } }: { readonly space: Space }) {
  const password = useSignal("");
  const hasDocuments = useSignal(true);
  const sizeBytes = useSignal(0);
  const save = useAction(async () => {
    sizeBytes.value = 0;
    const stream = tenant.exportBackup({ password: password.value, documents: hasDocuments.value });
    const day = new Date().toISOString().slice(0, 10);
    const name = `${hasDocuments.peek() ? "backup" : "identity"}-${day}.coffer`;
    const isSaved = await saveFile(name, stream, (done) => (sizeBytes.value = done));
    if (!isSaved) return;
    notify(`Saved ${name}, ${formatBytes(sizeBytes.peek())}.`);
    password.value = "";
  });
  return (
    <form
      class="form panel"
      aria-labelledby="backup-title"
      onSubmit={(event) => {
        event.preventDefault();
        save.run();
      }}
    >
      <h2 id="backup-title">Backup</h2>
      <p class="hint">
        One file with your keys and everything in this space, sealed under a password of its own. With the
        file, its password and your daily password, a new device becomes like this one.
      </p>
      <NewPasswordField
        label="Password of the file"
        value={password}
        hint="Three words or more. Keep it apart from the file."
      />
      <label class="check">
        <input
          type="checkbox"
          checked={hasDocuments.value}
          onChange={(event) => (hasDocuments.value = event.currentTarget.checked)}
        />
        <span>
          With all documents
          <span class="hint">Without them the file is small, and a server gives the rest back.</span>
        </span>
      </label>
      <ErrorNote error={save.error} />
      {save.isBusy.value ? (
        <Busy what="Writing the file." why={sizeBytes.value === 0 ? "" : formatBytes(sizeBytes.value)} />
      ) : null}
      <div class="actions">
        <button type="submit" class="button button-main" disabled={save.isBusy.value}>
          <Icon name="download" />
          Save a backup
        </button>
      </div>
    </form>
  );
}
