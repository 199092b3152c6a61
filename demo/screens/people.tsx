/** Who is here: members, their safety numbers, roles and devices, inviting, revoking; groups. */
import { useSignal, useSignalEffect } from "@preact/signals";
import type { Member } from "cofferdb";
import { AdminForm } from "../parts/admin-form.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Icon } from "../parts/icon.tsx";
import { lazily } from "../parts/lazily.tsx";
import { MemberBadge } from "../parts/member-badge.tsx";
import { SafetyNumber } from "../parts/safety-number.tsx";
import { databaseName } from "../film/film.ts";
import { useAction } from "../state/action.ts";
import { notify } from "../state/activity.ts";
import { incoming } from "../state/incoming.ts";
import { useOpened } from "../state/opened.ts";
import type { Space } from "../state/space.ts";
import { shortId } from "../text/format.ts";
import { givenRole } from "../text/roles.ts";
import { Invite } from "./invite.tsx";

const RoleForm = lazily(async () => (await import("./role-form.tsx")).RoleForm, {
  className: "panel",
  label: "Role",
  words: "Opening the roles…",
});

const Groups = lazily(async () => (await import("./groups.tsx")).Groups, {
  className: "groups",
  label: "Groups",
  words: "Opening the groups…",
});

/** The members of the space. */
export function People({ space }: { readonly space: Space }) {
  const isInviting = useSignal(false);
  useSignalEffect(() => {
    if (incoming.value?.kind === "join-request") isInviting.value = true;
  });
  const users = space.tenant.directory.users.value ?? [];
  const canInvite = space.tenant.adminUser.value !== undefined;
  return (
    <section class="page" aria-labelledby="people-title">
      <header class="page-head">
        <h1 id="people-title">People</h1>
        <button
          type="button"
          class={isInviting.value ? "button" : "button button-main"}
          aria-expanded={isInviting.value}
          onClick={() => (isInviting.value = !isInviting.value)}
        >
          <Icon name={isInviting.value ? "close" : "plus"} />
          {isInviting.value ? "Close the invitation" : canInvite ? "Invite someone" : "Link a device"}
        </button>
      </header>
      {canInvite ? null : (
        <p class="hint">
          Inviting others and revoking is done on a device that holds the space's admin keys.
        </p>
      )}
      {isInviting.value ? <Invite space={space} /> : null}
      <ul class="plain members">
        {users.map((user) => (
          <MemberLine key={user.key} space={space} user={user} />
        ))}
      </ul>
      <Groups space={space} />
    </section>
  );
}

function MemberLine({ space, user }: { readonly space: Space; readonly user: Member }) {
  const { tenant } = space;
  const number = useSignal<string | undefined>(undefined);
  const name = user.userName ?? "Name not known yet";
  const show = useAction(async () => {
    number.value = await tenant.safetyNumber(user.key);
  });
  const opened = useOpened<"number" | "role" | "revoke" | "regrant">((part) => {
    if (part === "number") show.run();
  });
  const part = opened.part.value;
  const role = givenRole(tenant.directory.roles.value, { database: databaseName, user: user.key });
  const marks = [
    user.self ? "you" : "",
    user.isAdmin ? "admin" : "",
    user.revoked ? "revoked" : (role ?? ""),
  ].filter((mark) => mark !== "");
  const canDecide = tenant.adminUser.value !== undefined && !user.isAdmin;
  const canChange = canDecide && !user.revoked;
  return (
    <li class={user.revoked ? "member member-revoked" : "member"} data-testid="member">
      <div class="member-head">
        <MemberBadge userKey={user.key} name={name} />
        <div class="member-name">
          <strong>{name}</strong>
          {marks.map((mark) => (
            <span key={mark} class="role">
              {mark}
            </span>
          ))}
          <span class="code muted">{shortId(user.key)}</span>
        </div>
        <button type="button" class="button" {...opened.button("number")}>
          <Icon name="shield" />
          Safety number
        </button>
        {canChange ? (
          <button type="button" class="button" {...opened.button("role")}>
            Role…
          </button>
        ) : null}
        {canDecide && user.revoked ? (
          <button type="button" class="button" {...opened.button("regrant")}>
            Let in again…
          </button>
        ) : null}
        {canChange && !user.self ? (
          <button type="button" class="button button-plain" {...opened.button("revoke")}>
            Revoke…
          </button>
        ) : null}
      </div>
      <DeviceList space={space} user={user} />
      <ErrorNote error={show.error} />
      {part === "number" && number.value !== undefined ? (
        <SafetyNumber number={number.value} who={user.self ? "yourself" : name} />
      ) : null}
      {part === "role" ? (
        <RoleForm space={space} holder={{ user: user.key }} who={name} role={role} onDone={opened.close} />
      ) : null}
      {part === "regrant" ? <Regrant space={space} user={user} onDone={opened.close} /> : null}
      {part === "revoke" ? <Revoke space={space} user={user} onDone={opened.close} /> : null}
    </li>
  );
}

/** The devices of a member who has more than one. */
function DeviceList({ space: { tenant }, user }: { readonly space: Space; readonly user: Member }) {
  const revoking = useSignal<string | undefined>(undefined);
  const devices = (tenant.devices.value ?? []).filter((device) => device.user === user.key);
  if (devices.length < 2) return null;
  // The last one goes with its user.
  const isLeft = devices.filter(({ revoked }) => !revoked).length > 1;
  return (
    <ul class="plain devices" aria-label={`Devices of ${user.userName ?? "this member"}`}>
      {devices.map((device) => {
        const name = device.name ?? "First device";
        return (
          <li key={device.key} class="form" data-testid="device">
            <div class="member-head">
              <div class="member-name">
                <span class={device.revoked ? "revoked" : ""}>{name}</span>
                {device.self ? <span class="role">this one</span> : null}
                {device.revoked ? <span class="role">revoked</span> : null}
                <span class="code muted">{shortId(device.key)}</span>
              </div>
              {tenant.adminUser.value !== undefined && isLeft && !device.revoked ? (
                <button
                  type="button"
                  class="button button-plain"
                  aria-expanded={revoking.value === device.key}
                  aria-label={`Revoke ${name}…`}
                  onClick={() => (revoking.value = revoking.peek() === device.key ? undefined : device.key)}
                >
                  Revoke…
                </button>
              ) : null}
            </div>
            {revoking.value === device.key ? (
              <AdminForm
                tenant={tenant}
                verb="Revoke this device"
                isGrave
                work={async (proof) => {
                  await tenant.revokeDevice(device.key, proof);
                  notify(`“${name}” can no longer write or fetch anything new.`);
                  revoking.value = undefined;
                }}
              >
                <p>What is on it stays there; nothing new will reach it. Other devices go on.</p>
              </AdminForm>
            ) : null}
          </li>
        );
      })}
    </ul>
  );
}

interface MemberFormProps {
  readonly space: Space;
  readonly user: Member;
  readonly onDone: () => void;
}

function Regrant({ space: { tenant }, user, onDone }: MemberFormProps) {
  return (
    <AdminForm
      tenant={tenant}
      verb="Let in again"
      work={async (proof) => {
        await tenant.directory.regrantUser(user.key, proof);
        notify(`${user.userName ?? "The member"} belongs to the space again.`);
        onDone();
      }}
    >
      <p>
        {user.userName ?? "This member"} gets the space's key, and what they write from now on counts. What
        they wrote while they were revoked does not.
      </p>
    </AdminForm>
  );
}

function Revoke({ space: { tenant }, user, onDone }: MemberFormProps) {
  const isWiped = useSignal(false);
  const name = user.userName ?? "The member";
  return (
    <AdminForm
      tenant={tenant}
      verb="Revoke"
      isGrave
      work={async (proof) => {
        await tenant.directory.revokeUser(user.key, { ...proof, wipe: isWiped.peek() });
        notify(
          isWiped.peek()
            ? `${name} is revoked, and their devices erase the space when they hear of it.`
            : `${name} can no longer write or fetch anything new.`,
        );
        onDone();
      }}
    >
      <p>
        What {user.userName ?? "this member"} has on their devices stays there; nothing new will reach them.
      </p>
      <label class="check">
        <input
          type="checkbox"
          checked={isWiped.value}
          onChange={(event) => (isWiped.value = event.currentTarget.checked)}
        />
        <span>
          Have their devices erase it
          <span class="hint">
            They do when they next reach a server. Nothing can force a device that was tampered with.
          </span>
        </span>
      </label>
    </AdminForm>
  );
}
