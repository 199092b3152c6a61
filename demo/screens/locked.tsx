/** The locked window: nothing of the space is on it. */
import { useSignal } from "@preact/signals";
import type { KeySlot } from "cofferdb";
import { useEffect } from "preact/hooks";
import { Icon } from "../parts/icon.tsx";
import { StatePill } from "../parts/state-pill.tsx";
import { UnlockForm } from "../parts/unlock-form.tsx";
import { leaveSpace, type Space } from "../state/space.ts";
import { shortId } from "../text/format.ts";

/** Ask what opens it; the address is kept, so that unlocking leads back to the same place. */
export function Locked({ space }: { readonly space: Space }) {
  const ways = useSignal<readonly KeySlot["kind"][]>([]);
  useEffect(() => {
    space.tenant.getKeySlots().then(
      (slots) => (ways.value = slots.map(({ kind }) => kind)),
      () => undefined,
    );
  }, [space]);
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
        ways={ways.value}
        unlock={async (way) => space.tenant.unlock(way)}
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
