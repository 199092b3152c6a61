/** The spaces on this device. Their names are sealed, so that only an id and two dates can be shown before they are unlocked. */
import { useSignal } from "@preact/signals";
import type { KnownTenant } from "cofferdb";
import { ErrorNote } from "../parts/error-note.tsx";
import { Icon } from "../parts/icon.tsx";
import { UnlockForm } from "../parts/unlock-form.tsx";
import { useAction } from "../state/action.ts";
import { theCoffer } from "../state/coffer.ts";
import { openAs } from "../state/open-held.ts";
import { formatDay, formatMoment, shortId } from "../text/format.ts";

interface KnownSpacesProps {
  readonly tenants: readonly KnownTenant[];
  readonly onChanged: () => void;
}

/** List the spaces, the one opened last first and ready for its password. */
export function KnownSpaces({ tenants, onChanged }: KnownSpacesProps) {
  const byLastOpened = tenants.toSorted((a, b) => b.lastOpenedAtMs - a.lastOpenedAtMs);
  const chosen = useSignal(byLastOpened[0]?.id);
  return (
    <section class="known" aria-labelledby="known-title">
      <h2 id="known-title">On this device</h2>
      <p class="hint">Names are sealed until you unlock, so a space shows only its id and two dates.</p>
      <ul class="plain">
        {byLastOpened.map((tenant) => (
          <li key={tenant.id} class="known-space" data-testid="known-space">
            <button
              type="button"
              class="known-head"
              aria-expanded={chosen.value === tenant.id}
              onClick={() => (chosen.value = tenant.id)}
            >
              <Icon name="lock" />
              <span class="code">{shortId(tenant.id)}</span>
              <span class="muted">
                made {formatDay(tenant.createdAtMs)}, last opened{" "}
                {formatMoment(tenant.lastOpenedAtMs, Date.now())}
              </span>
            </button>
            {chosen.value === tenant.id ? <Unlock tenant={tenant} onChanged={onChanged} /> : null}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Unlock({ tenant, onChanged }: { readonly tenant: KnownTenant; readonly onChanged: () => void }) {
  const isRemoving = useSignal(false);
  const isKept = useSignal(tenant.kept);
  const remove = useAction(async () => {
    await theCoffer().removeTenant(tenant.id);
    onChanged();
  });
  return (
    <UnlockForm
      ways={tenant.ways}
      unlock={async (way) => openAs(tenant.id, { ...way, keepSession: isKept.value })}
      options={
        <label class="check">
          <input
            type="checkbox"
            checked={isKept.value}
            onChange={(event) => (isKept.value = event.currentTarget.checked)}
          />
          <span>Keep me signed in on this device until I lock it</span>
        </label>
      }
      actions={
        <button
          type="button"
          class="button button-plain"
          onClick={() => (isRemoving.value = !isRemoving.value)}
        >
          Forget this space…
        </button>
      }
    >
      {tenant.lost ? (
        <p class="note note-warn" role="status" data-testid="lost">
          The browser has removed what this space kept here. Restore a backup, or unlock and connect to its
          server again: nothing that the server has is lost.
        </p>
      ) : null}
      {isRemoving.value ? (
        <div class="note note-warn">
          <p>
            This removes everything of the space from this device. What no server or other device has is gone
            for good.
          </p>
          <button
            type="button"
            class="button button-bad"
            disabled={remove.isBusy.value}
            onClick={() => remove.run()}
          >
            Remove it from this device
          </button>
        </div>
      ) : null}
      <ErrorNote error={remove.error} />
    </UnlockForm>
  );
}
