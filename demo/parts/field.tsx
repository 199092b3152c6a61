/** Labelled inputs of the forms. */
import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { useAutofocus } from "./autofocus.ts";
import { Icon } from "./icon.tsx";

interface FieldProps {
  readonly label: string;
  readonly value: Signal<string>;
  readonly hint?: ComponentChildren;
  readonly placeholder?: string;
  readonly autocomplete?: "off" | "name" | "url" | "current-password" | "new-password";
  readonly autofocus?: boolean;
  readonly required?: boolean;
}

/** A line of text with its label above and an explanation below. */
export function Field({ label, value, hint, autofocus = false, ...rest }: FieldProps) {
  const id = useId();
  const ref = useAutofocus<HTMLInputElement>(autofocus);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        ref={ref}
        type="text"
        value={value.value}
        onInput={(event) => (value.value = event.currentTarget.value)}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        spellcheck={false}
        {...rest}
      />
      {hint === undefined ? null : (
        <div id={`${id}-hint`} class="hint">
          {hint}
        </div>
      )}
    </div>
  );
}

/** A password with a button that shows it; `hint` may speak of its strength. */
export function PasswordField({ label, value, hint, autofocus = false, ...rest }: FieldProps) {
  const id = useId();
  const ref = useAutofocus<HTMLInputElement>(autofocus);
  const isShown = useSignal(false);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="input-group">
        <input
          id={id}
          ref={ref}
          {...({ type: isShown.value ? "text" : "password" } as { type: "password" })}
          value={value.value}
          onInput={(event) => (value.value = event.currentTarget.value)}
          aria-describedby={hint === undefined ? undefined : `${id}-hint`}
          autocapitalize="none"
          spellcheck={false}
          {...rest}
        />
        <button
          type="button"
          class="button-icon"
          aria-pressed={isShown.value}
          aria-label={`Show: ${label}`}
          onClick={() => (isShown.value = !isShown.value)}
        >
          <Icon name="eye" />
        </button>
      </div>
      {hint === undefined ? null : (
        <div id={`${id}-hint`} class="hint" aria-live="polite">
          {hint}
        </div>
      )}
    </div>
  );
}

/** A long text to paste into, such as a join request. */
export function PasteField({ label, value, hint, placeholder }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        class="code"
        rows={4}
        value={value.value}
        onInput={(event) => (value.value = event.currentTarget.value)}
        placeholder={placeholder}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        autocapitalize="none"
        spellcheck={false}
      />
      {hint === undefined ? null : (
        <div id={`${id}-hint`} class="hint">
          {hint}
        </div>
      )}
    </div>
  );
}
