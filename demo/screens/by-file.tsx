/** Bringing another device of the space what it lacks as a file, with no server and no connection. */
import { useSignal } from "@preact/signals";
import { useEffect, useId } from "preact/hooks";
import type { Tenant } from "cofferdb";
import { Busy } from "../parts/busy.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Icon } from "../parts/icon.tsx";
import { useAction } from "../state/action.ts";
import { notify } from "../state/activity.ts";
import { saveBlob, saveFile } from "../state/save-file.ts";
import { describeBundle } from "../text/describe-bundle.ts";
import { formatBytes } from "../text/format.ts";

/** more goes along only where the person says so */
const usualFileBytes = 64 * 1024 * 1024;

const dayOf = (moment: Date): string => moment.toISOString().slice(0, 10);

/** The panel: what this device has, what another one lacks, and taking a file in. */
export function ByFile({ tenant }: { readonly tenant: Tenant }) {
  return (
    <section class="panel" aria-labelledby="by-file-title" data-testid="by-file">
      <h2 id="by-file-title">Changes as a file</h2>
      <p class="hint">
        A memory stick does what a network does. What it carries is sealed: nobody without the keys of this
        space can read it.
      </p>
      <TakeIn tenant={tenant} />
      <Save tenant={tenant} />
    </section>
  );
}

function TakeIn({ tenant }: { readonly tenant: Tenant }) {
  const fileId = useId();
  const progress = useSignal("");
  const done = useSignal("");
  const take = useAction(async (file: File) => {
    [progress.value, done.value] = ["", ""];
    const report = await tenant.importBundle(file, {
      onProgress({ sizeBytes }) {
        progress.value = `${formatBytes(sizeBytes)} of ${formatBytes(file.size)}`;
      },
    });
    done.value = describeBundle(report);
  });
  return (
    <div class="form">
      <div class="field">
        <label for={fileId}>Take in a file from another device</label>
        <input
          id={fileId}
          type="file"
          accept=".changes"
          disabled={take.isBusy.value}
          onChange={(event) => {
            const [file] = event.currentTarget.files ?? [];
            event.currentTarget.value = "";
            if (file !== undefined) take.run(file);
          }}
        />
      </div>
      <div role="status" data-testid="taken-in">
        {take.isBusy.value ? <Busy what="Reading and verifying." why={progress.value} /> : null}
        {done.value === "" ? null : (
          <p class="all-good">
            <Icon name="check" />
            {done.value}
          </p>
        )}
      </div>
      <ErrorNote error={take.error} />
    </div>
  );
}

/** How many bytes of attached files the other device lacks, and this one has; 0 until it is known. */
function useAttached(tenant: Tenant, since: File | undefined): number {
  const bytes = useSignal(0);
  const localBytes = tenant.status.value.files?.localBytes;
  useEffect(() => {
    const giveUp = new AbortController();
    const { signal } = giveUp;
    tenant.measureBundle({ files: true, signal, ...(since !== undefined && { since }) }).then(
      ({ fileBytes }) => {
        if (!signal.aborted) bytes.value = fileBytes;
      },
      // A list that is none is told when the file is saved.
      () => undefined,
    );
    return () => giveUp.abort();
  }, [tenant, since, localBytes]);
  return bytes.value;
}

function Save({ tenant }: { readonly tenant: Tenant }) {
  const listId = useId();
  const list = useSignal<File | undefined>(undefined);
  const sizeBytes = useSignal(0);
  const attached = useAttached(tenant, list.value);
  const withFiles = useSignal<boolean | undefined>(undefined);
  // Unless the person said otherwise, what a mail still carries goes along.
  const isWithFiles = withFiles.value ?? attached <= usualFileBytes;
  const save = useAction(async () => {
    sizeBytes.value = 0;
    const since = list.peek();
    const files = withFiles.peek() ?? attached <= usualFileBytes;
    const stream = tenant.exportBundle({ files, ...(since !== undefined && { since }) });
    const name = `space-${dayOf(new Date())}.changes`;
    if (await saveFile(name, stream, (written) => (sizeBytes.value = written)))
      notify(`Saved ${name}, ${formatBytes(sizeBytes.peek())}.`);
  });
  const summarize = useAction(async () => {
    const bytes = await tenant.summarize();
    saveBlob(`space-${dayOf(new Date())}.has`, new Blob([new Uint8Array(bytes)]));
  });
  return (
    <div class="form">
      <div class="field">
        <label for={listId}>What the other device has</label>
        <input
          id={listId}
          type="file"
          accept=".has"
          aria-describedby={`${listId}-hint`}
          onChange={(event) => (list.value = event.currentTarget.files?.[0])}
        />
        <p class="hint" id={`${listId}-hint`}>
          A small list that the other device saves below. Without one the file holds everything.
        </p>
      </div>
      {attached === 0 ? null : (
        <label class="check">
          <input
            type="checkbox"
            checked={isWithFiles}
            disabled={save.isBusy.value}
            onChange={(event) => (withFiles.value = event.currentTarget.checked)}
          />
          <span>
            With attached files, {formatBytes(attached)}
            <span class="hint">As far as they are on this device.</span>
          </span>
        </label>
      )}
      <ErrorNote error={save.error} />
      <ErrorNote error={summarize.error} />
      {save.isBusy.value ? (
        <Busy what="Writing the file." why={sizeBytes.value === 0 ? "" : formatBytes(sizeBytes.value)} />
      ) : null}
      <div class="actions">
        <button type="button" class="button" disabled={save.isBusy.value} onClick={() => save.run()}>
          <Icon name="download" />
          {list.value === undefined ? "Save everything" : "Save what it lacks"}
        </button>
        <button
          type="button"
          class="button"
          disabled={summarize.isBusy.value}
          onClick={() => summarize.run()}
        >
          Save what this device has
        </button>
      </div>
    </div>
  );
}
