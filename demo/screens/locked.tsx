/** The locked window: nothing of the space is on it. */
import { Icon } from "../parts/icon.tsx";
import { StatePill } from "../parts/state-pill.tsx";
import { UnlockForm } from "../parts/unlock-form.tsx";
import { leaveSpace, type Space } from "../state/space.ts";
import { shortId } from "../text/format.ts";

/** Ask for the password; the address is kept, so that unlocking leads back to the same place. */
export function Locked({ space }: { readonly space: Space }) {
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
      <UnlockForm
        unlock={async (password) => space.tenant.unlock({ password })}
        actions={
          <button type="button" class="button button-plain" onClick={leaveSpace}>
            Other spaces
          </button>
        }
      />
      <StatePill />
    </main>
  );
}
