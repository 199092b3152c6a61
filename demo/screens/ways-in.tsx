/** What opens this space on this device: passwords, passkeys, recovery codes; and when it locks by itself. */
import { useSignal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { KeySlot, Tenant } from "cofferdb";
import { useEffect, useId } from "preact/hooks";
import { Busy } from "../parts/busy.tsx";
import { CopyBox } from "../parts/copy-box.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { PasswordField } from "../parts/field.tsx";
import { Icon, type IconName } from "../parts/icon.tsx";
import { NewPasswordField } from "../parts/new-password.tsx";
import { useAction, type Action } from "../state/action.ts";
import { notify } from "../state/activity.ts";
import { autoLockChoices, autoLockMinutes, chooseAutoLock } from "../state/auto-lock.ts";
import type { Space } from "../state/space.ts";
import { formatMoment } from "../text/format.ts";

const kinds: Record<KeySlot["kind"], { readonly words: string; readonly icon: IconName }> = {
  password: { words: "Password", icon: "lock" },
  passkey: { words: "Passkey", icon: "key" },
  "recovery-code": { words: "Recovery code", icon: "copy" },
};

/** The ways in, and what can be done with them. */
export function WaysIn({ space: { tenant } }: { readonly space: Space }) {
  const slots = useSignal<readonly KeySlot[]>([]);
  const look = async (): Promise<void> => {
    slots.value = await tenant.getKeySlots();
  };
  useEffect(() => {
    look().catch(() => undefined);
  }, [tenant]);
  return (
    <>
      <WaysPanel tenant={tenant} slots={slots} look={look} />
      <PasswordPanel tenant={tenant} look={look} />
      <AutoLockPanel />
    </>
  );
}

interface WaysProps {
  readonly tenant: Tenant;
  readonly slots: ReadonlySignal<readonly KeySlot[]>;
  readonly look: () => Promise<void>;
}

function WaysPanel({ tenant, slots, look }: WaysProps) {
  const password = useSignal("");
  const code = useSignal<string | undefined>(undefined);
  const proof = (): { password: string } => ({ password: password.peek() });
  const addPasskey = useAction(async () => {
    await tenant.addKeySlot({ passkey: true }, proof());
    await look();
    notify("The passkey opens this space on this device now.");
  });
  const makeCode = useAction(async () => {
    const { recoveryCode } = await tenant.addKeySlot({ recoveryCode: true }, proof());
    code.value = recoveryCode;
    await look();
  });
  const remove = useAction(async (id: string) => {
    await tenant.removeKeySlot(id, proof());
    await look();
    notify("It opens nothing any more.");
  });
  const actions = [addPasskey, makeCode, remove];
  const isBusy = actions.some((action) => action.isBusy.value);
  const only = (action: Action<[]>) => (): void => {
    for (const other of actions) other.clear();
    action.run();
  };
  const isAsked = password.value === "";
  return (
    <section class="panel form" aria-labelledby="ways-title" data-testid="ways">
      <h2 id="ways-title">Ways to unlock</h2>
      <p class="hint">Each of them opens everything on this device. Another device has its own.</p>
      <SlotList
        slots={slots.value}
        isHeld={isBusy || isAsked}
        onRemove={(id) => {
          for (const other of actions) other.clear();
          remove.run(id);
        }}
      />
      {code.value === undefined ? null : <NewCode code={code} text={code.value} />}
      <PasswordField
        label="Your password"
        value={password}
        autocomplete="current-password"
        hint="Asked for before anything here is added or removed."
      />
      {actions.map((action, index) => (
        <ErrorNote key={index} error={action.error} />
      ))}
      {isBusy ? (
        <Busy what="Sealing your keys." why="The password is checked first; that takes a moment." />
      ) : null}
      <div class="actions">
        {"PublicKeyCredential" in window ? (
          <button type="button" class="button" disabled={isBusy || isAsked} onClick={only(addPasskey)}>
            <Icon name="key" />
            Add a passkey
          </button>
        ) : null}
        <button type="button" class="button" disabled={isBusy || isAsked} onClick={only(makeCode)}>
          <Icon name="plus" />
          Make a recovery code
        </button>
      </div>
    </section>
  );
}

interface SlotListProps {
  readonly slots: readonly KeySlot[];
  /** nothing can be removed just now */
  readonly isHeld: boolean;
  readonly onRemove: (id: string) => void;
}

function SlotList({ slots, isHeld, onRemove }: SlotListProps) {
  return (
    <ul class="plain ways">
      {slots.map(({ id, kind, addedAtMs }) => (
        <li key={id} class="way">
          <Icon name={kinds[kind].icon} />
          <span>
            <strong>{kinds[kind].words}</strong>
            <span class="muted"> added {formatMoment(addedAtMs, Date.now())}</span>
          </span>
          {kind === "password" ? null : (
            <button
              type="button"
              class="button button-plain"
              aria-label={`Remove this ${kinds[kind].words.toLowerCase()}`}
              disabled={isHeld}
              onClick={() => onRemove(id)}
            >
              Remove
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}

function NewCode({ code, text }: { readonly code: Signal<string | undefined>; readonly text: string }) {
  return (
    <div class="note note-warn new-code">
      <p>Write this down now and keep it on paper, apart from this device. It is shown this once.</p>
      <CopyBox label="Recovery code" text={text} testId="recovery-code" />
      <div class="actions">
        <button type="button" class="button" onClick={() => (code.value = undefined)}>
          I have written it down
        </button>
      </div>
    </div>
  );
}

function PasswordPanel({ tenant, look }: Omit<WaysProps, "slots">) {
  const password = useSignal("");
  const newPassword = useSignal("");
  const change = useAction(async () => {
    await tenant.changePassword(newPassword.value, { password: password.value });
    password.value = "";
    newPassword.value = "";
    await look();
    notify("From now on the new password opens this space on this device.");
  });
  return (
    <form
      class="panel form"
      aria-labelledby="password-title"
      onSubmit={(event) => {
        event.preventDefault();
        change.run();
      }}
    >
      <h2 id="password-title">Change your password</h2>
      <PasswordField label="Password now" value={password} autocomplete="current-password" required />
      <NewPasswordField
        label="New password"
        value={newPassword}
        hint="For this device. Backups that you saved keep the one they were saved with."
      />
      <ErrorNote error={change.error} />
      {change.isBusy.value ? (
        <Busy what="Changing it." why="Both are stretched with a lot of memory, on purpose." />
      ) : null}
      <div class="actions">
        <button type="submit" class="button button-main" disabled={change.isBusy.value}>
          Change it
        </button>
      </div>
    </form>
  );
}

function AutoLockPanel() {
  const id = useId();
  return (
    <section class="panel form" aria-labelledby="auto-lock-title">
      <h2 id="auto-lock-title">Lock by itself</h2>
      <div class="field">
        <label for={id}>When nobody has touched it</label>
        <select
          id={id}
          value={String(autoLockMinutes.value)}
          onChange={(event) => chooseAutoLock(Number(event.currentTarget.value))}
        >
          {autoLockChoices.map((minutes) => (
            <option key={minutes} value={String(minutes)}>
              {describeChoice(minutes)}
            </option>
          ))}
        </select>
        <div class="hint">In all tabs at once. Whoever asked to stay signed in is asked again then.</div>
      </div>
    </section>
  );
}

function describeChoice(minutes: number): string {
  if (minutes === 0) return "Never";
  if (minutes === 60) return "For an hour";
  return minutes === 1 ? "For a minute" : `For ${minutes} minutes`;
}
