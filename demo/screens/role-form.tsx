/** Giving a role: what it would have refused is said before it is given. */
import { useSignal, useSignalEffect } from "@preact/signals";
import type { DryRun, Role, RoleChange, RoleHolder } from "cofferdb";
import { useId } from "preact/hooks";
import { AdminForm } from "../parts/admin-form.tsx";
import { databaseName } from "../film/film.ts";
import { notify } from "../state/activity.ts";
import type { Space } from "../state/space.ts";
import { describeDryRun, roleWords } from "../text/roles.ts";

interface RoleFormProps {
  readonly space: Space;
  /** whose role it is */
  readonly holder: Omit<RoleHolder, "database">;
  /** as the sentence about it begins */
  readonly who: string;
  /** what it is now; undefined where nothing is said */
  readonly role: Role | undefined;
  readonly onDone: () => void;
}

const roles: readonly Role[] = ["reader", "author", "editor", "manager"];

/** Choose a role, see what it means, give it. */
export function RoleForm({ space, holder, who, role, onDone }: RoleFormProps) {
  const { directory } = space.tenant;
  const id = useId();
  const chosen = useSignal<Role | "">(role ?? "");
  const dryRun = useSignal<DryRun | undefined>(undefined);
  const change = (): RoleChange => ({
    ...holder,
    database: databaseName,
    role: chosen.peek() === "" ? undefined : (chosen.peek() as Role),
  });
  useSignalEffect(() => {
    let isStale = chosen.value === (role ?? "");
    dryRun.value = undefined;
    if (!isStale)
      directory.dryRun([change()]).then(
        (found) => {
          if (!isStale) dryRun.value = found;
        },
        () => undefined,
      );
    return () => {
      isStale = true;
    };
  });
  const isEveryone = holder.user === undefined && holder.group === undefined;
  return (
    <AdminForm
      tenant={space.tenant}
      verb="Give this role"
      isHeld={chosen.value === (role ?? "")}
      work={async (proof) => {
        await directory.setRoles([change()], proof);
        notify(`${who}: ${chosen.peek() === "" ? "no role of their own" : chosen.peek()}.`);
        onDone();
      }}
    >
      <div class="field">
        <label for={id}>Role in the library</label>
        <select
          id={id}
          value={chosen.value}
          onChange={(event) => (chosen.value = event.currentTarget.value as Role | "")}
        >
          <option value="">{isEveryone ? "Nothing said: manager" : "As everyone"}</option>
          {roles.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
        <div class="hint">{roleWords(chosen.value === "" ? undefined : chosen.value, isEveryone)}</div>
      </div>
      {dryRun.value === undefined ? null : (
        <p class="muted" role="status" data-testid="dry-run">
          {describeDryRun(dryRun.value)}
        </p>
      )}
    </AdminForm>
  );
}
