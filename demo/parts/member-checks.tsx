/** Choosing some of the members. */
import type { Signal } from "@preact/signals";
import type { Member } from "cofferdb";
import { memberName } from "../state/space.ts";

interface MemberChecksProps {
  readonly legend: string;
  readonly users: readonly Member[];
  /** keys of those who are chosen */
  readonly chosen: Signal<ReadonlySet<string>>;
}

/** A box to tick for each of them. */
export function MemberChecks({ legend, users, chosen }: MemberChecksProps) {
  const choose = (key: string, isChosen: boolean): void => {
    const next = new Set(chosen.peek());
    if (isChosen) next.add(key);
    else next.delete(key);
    chosen.value = next;
  };
  return (
    <fieldset class="field">
      <legend>{legend}</legend>
      {users.map(({ key }) => (
        <label key={key} class="check">
          <input
            type="checkbox"
            checked={chosen.value.has(key)}
            onChange={(event) => choose(key, event.currentTarget.checked)}
          />
          <span>{memberName(key)}</span>
        </label>
      ))}
    </fieldset>
  );
}
