/** Who is here: members, their safety numbers, inviting, revoking. */
import { useSignal } from "@preact/signals";
import type { Member } from "cofferdb";
import { ErrorNote } from "../parts/error-note.tsx";
import { PasswordField } from "../parts/field.tsx";
import { Icon } from "../parts/icon.tsx";
import { MemberBadge } from "../parts/member-badge.tsx";
import { SafetyNumber } from "../parts/safety-number.tsx";
import { useAction } from "../state/action.ts";
import { notify } from "../state/activity.ts";
import type { Space } from "../state/space.ts";
import { shortId } from "../text/format.ts";
import { Invite } from "./invite.tsx";

/** The members of the space. */
export function People({ space }: { readonly space: Space }) {
  const isInviting = useSignal(false);
  const users = space.tenant.directory.users.value ?? [];
  const canInvite = space.tenant.adminUser.value !== undefined;
  return (
    <section class="page" aria-labelledby="people-title">
      <header class="page-head">
        <h1 id="people-title">People</h1>
        {canInvite ? (
          <button
            type="button"
            class={isInviting.value ? "button" : "button button-main"}
            aria-expanded={isInviting.value}
            onClick={() => (isInviting.value = !isInviting.value)}
          >
            <Icon name={isInviting.value ? "close" : "plus"} />
            {isInviting.value ? "Close the invitation" : "Invite someone"}
          </button>
        ) : null}
      </header>
      {canInvite ? null : (
        <p class="hint">Inviting and revoking is done on a device that holds the space's admin keys.</p>
      )}
      {isInviting.value ? <Invite space={space} /> : null}
      <ul class="plain members">
        {users.map((user) => (
          <MemberLine key={user.key} space={space} user={user} />
        ))}
      </ul>
    </section>
  );
}

function MemberLine({ space, user }: { readonly space: Space; readonly user: Member }) {
  const number = useSignal<string | undefined>(undefined);
  const isRevoking = useSignal(false);
  const name = user.userName ?? "Name not known yet";
  const show = useAction(async () => {
    number.value = number.peek() === undefined ? await space.tenant.safetyNumber(user.key) : undefined;
  });
  const roles = [user.self ? "you" : "", user.isAdmin ? "admin" : "", user.revoked ? "revoked" : ""].filter(
    (role) => role !== "",
  );
  const canRevoke =
    space.tenant.adminUser.value !== undefined && !user.self && !user.isAdmin && !user.revoked;
  return (
    <li class={user.revoked ? "member member-revoked" : "member"} data-testid="member">
      <div class="member-head">
        <MemberBadge userKey={user.key} name={name} />
        <div class="member-name">
          <strong>{name}</strong>
          {roles.map((role) => (
            <span key={role} class="role">
              {role}
            </span>
          ))}
          <span class="code muted">{shortId(user.key)}</span>
        </div>
        <button
          type="button"
          class="button"
          aria-expanded={number.value !== undefined}
          onClick={() => show.run()}
        >
          <Icon name="shield" />
          Safety number
        </button>
        {canRevoke ? (
          <button
            type="button"
            class="button button-plain"
            aria-expanded={isRevoking.value}
            onClick={() => (isRevoking.value = !isRevoking.value)}
          >
            Revoke…
          </button>
        ) : null}
      </div>
      <ErrorNote error={show.error} />
      {number.value === undefined ? null : (
        <SafetyNumber number={number.value} who={user.self ? "yourself" : name} />
      )}
      {isRevoking.value ? (
        <Revoke space={space} user={user} onDone={() => (isRevoking.value = false)} />
      ) : null}
    </li>
  );
}

function Revoke({
  space,
  user,
  onDone,
}: {
  readonly space: Space;
  readonly user: Member;
  readonly onDone: () => void;
}) {
  const adminPassword = useSignal("");
  const revoke = useAction(async () => {
    const adminUser = space.tenant.adminUser.peek();
    if (adminUser === undefined) return;
    await space.tenant.directory.revokeUser(user.key, { adminUser, adminPassword: adminPassword.value });
    notify(`${user.userName ?? "The member"} can no longer write or fetch anything new.`);
    onDone();
  });
  return (
    <form
      class="form note note-warn"
      onSubmit={(event) => {
        event.preventDefault();
        revoke.run();
      }}
    >
      <p>
        What {user.userName ?? "this member"} has on their devices stays there; nothing new will reach them.
      </p>
      <PasswordField label="Admin password" value={adminPassword} autocomplete="off" required />
      <ErrorNote error={revoke.error} />
      <div class="actions">
        <button type="submit" class="button button-bad" disabled={revoke.isBusy.value}>
          Revoke
        </button>
      </div>
    </form>
  );
}
