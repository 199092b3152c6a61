/** What everyone may do, and groups: who is in them, and what their members may do. */
import { useSignal } from "@preact/signals";
import type { Group } from "cofferdb";
import { AdminForm } from "../parts/admin-form.tsx";
import { Field } from "../parts/field.tsx";
import { Icon } from "../parts/icon.tsx";
import { MemberChecks } from "../parts/member-checks.tsx";
import { databaseName } from "../film/film.ts";
import { notify } from "../state/activity.ts";
import { useOpened } from "../state/opened.ts";
import { memberName, type Space } from "../state/space.ts";
import { givenRole } from "../text/roles.ts";
import { RoleForm } from "./role-form.tsx";

/** Everyone's role, and the groups of the space. */
export function Groups({ space }: { readonly space: Space }) {
  const { directory, adminUser } = space.tenant;
  const isMaking = useSignal(false);
  const groups = directory.groups.value ?? [];
  const canChange = adminUser.value !== undefined;
  if (groups.length === 0 && !canChange) return null;
  return (
    <section class="groups form" aria-labelledby="groups-title">
      <h2 id="groups-title">Everyone and groups</h2>
      <ul class="plain members">
        <HolderLine space={space} name="Everyone" holder={{}} />
        {groups.map((group) => (
          <HolderLine
            key={group.name}
            space={space}
            name={group.name}
            holder={{ group: group.name }}
            group={group}
          />
        ))}
      </ul>
      {canChange ? (
        <div class="actions">
          <button
            type="button"
            class="button"
            aria-expanded={isMaking.value}
            onClick={() => (isMaking.value = !isMaking.peek())}
          >
            <Icon name={isMaking.value ? "close" : "plus"} />
            {isMaking.value ? "Close the new group" : "New group"}
          </button>
        </div>
      ) : null}
      {isMaking.value ? (
        <GroupForm space={space} group={undefined} onDone={() => (isMaking.value = false)} />
      ) : null}
    </section>
  );
}

interface HolderLineProps {
  readonly space: Space;
  readonly name: string;
  readonly holder: { readonly group?: string };
  /** none for everyone */
  readonly group?: Group;
}

function HolderLine({ space, name, holder, group }: HolderLineProps) {
  const { directory, adminUser } = space.tenant;
  const opened = useOpened<"role" | "members">();
  const part = opened.part.value;
  const role = givenRole(directory.roles.value, { database: databaseName, ...holder });
  return (
    <li class="member" data-testid="group" aria-label={name}>
      <div class="member-head">
        <Icon name="people" />
        <div class="member-name">
          <strong>{name}</strong>
          <span class="role">{role ?? (group === undefined ? "manager" : "no role of its own")}</span>
          {group === undefined ? null : (
            <span class="muted">
              {group.members.length === 0 ? "nobody yet" : group.members.map(memberName).sort().join(", ")}
            </span>
          )}
        </div>
        {adminUser.value === undefined ? null : (
          <>
            {group === undefined ? null : (
              <button type="button" class="button" {...opened.button("members")}>
                Members…
              </button>
            )}
            <button type="button" class="button" {...opened.button("role")}>
              Role…
            </button>
          </>
        )}
      </div>
      {part === "members" ? <GroupForm space={space} group={group} onDone={opened.close} /> : null}
      {part === "role" ? (
        <RoleForm space={space} holder={holder} who={name} role={role} onDone={opened.close} />
      ) : null}
    </li>
  );
}

interface GroupFormProps {
  readonly space: Space;
  /** undefined makes a new one */
  readonly group: Group | undefined;
  readonly onDone: () => void;
}

function GroupForm({ space: { tenant }, group, onDone }: GroupFormProps) {
  const name = useSignal(group?.name ?? "");
  const chosen = useSignal<ReadonlySet<string>>(new Set(group?.users));
  const users = (tenant.directory.users.value ?? []).filter((user) => !user.revoked && !user.isAdmin);
  return (
    <AdminForm
      tenant={tenant}
      verb={group === undefined ? "Make the group" : "Change the group"}
      isHeld={name.value.trim() === ""}
      work={async (proof) => {
        const before = new Set(group?.users);
        await tenant.directory.setGroup(name.peek().trim(), {
          ...proof,
          addUsers: [...chosen.peek()].filter((key) => !before.has(key)),
          removeUsers: [...before].filter((key) => !chosen.peek().has(key)),
        });
        notify(group === undefined ? "The group is made." : "The group is changed.");
        onDone();
      }}
    >
      {group === undefined ? (
        <Field label="Name of the group" value={name} autocomplete="off" required />
      ) : null}
      <MemberChecks legend="Members" users={users} chosen={chosen} />
    </AdminForm>
  );
}
