/** A password to choose: how strong it is, in plain words, while it is typed. */
import { useSignal, useSignalEffect, type Signal } from "@preact/signals";
import { coffer } from "../state/coffer.ts";
import { PasswordField } from "./field.tsx";

interface Strength {
  readonly score: 0 | 1 | 2 | 3 | 4;
  readonly hint: string;
}

/** A password field with a meter of four steps and the words for it. */
export function NewPasswordField({
  label,
  value,
  hint,
}: {
  label: string;
  value: Signal<string>;
  hint: string;
}) {
  const strength = useSignal<Strength | undefined>(undefined);
  useSignalEffect(() => {
    const password = value.value;
    let isStale = false;
    if (password === "") strength.value = undefined;
    else {
      coffer.value?.checkPassword(password).then(
        (found) => {
          if (!isStale) strength.value = found;
        },
        () => undefined,
      );
    }
    return () => {
      isStale = true;
    };
  });
  const { score = 0, hint: words = "" } = strength.value ?? {};
  const meter = (
    <>
      {hint}
      <span class="meter" data-score={score} aria-hidden="true">
        <i />
        <i />
        <i />
        <i />
      </span>
      <span class="strength" data-testid="strength">
        {words}
      </span>
    </>
  );
  return <PasswordField label={label} value={value} hint={meter} autocomplete="new-password" required />;
}
