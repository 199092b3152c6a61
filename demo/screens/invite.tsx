/** Inviting: a request is looked at, approved, and answered. */
import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { Busy } from "../parts/busy.tsx";
import { CopyBox } from "../parts/copy-box.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Field, PasswordField, PasteField } from "../parts/field.tsx";
import { SafetyNumber } from "../parts/safety-number.tsx";
import { useAction } from "../state/action.ts";
import { theCoffer } from "../state/coffer.ts";
import { linkTo, useIncoming } from "../state/incoming.ts";
import type { Space } from "../state/space.ts";

interface Asking {
  readonly userName: string;
  readonly safetyNumber: string;
}

interface Answer {
  readonly response: string;
  readonly sharePassword: string;
}

/** The steps of an invitation, each below the one before. */
export function Invite({ space: { tenant } }: { readonly space: Space }) {
  const request = useSignal("");
  const asking = useSignal<Asking | undefined>(undefined);
  const password = useSignal("");
  const deviceName = useSignal("");
  const answer = useSignal<Answer | undefined>(undefined);
  useIncoming("join-request", request);
  const inspect = useAction(async () => {
    const text = request.peek();
    const found = await tenant.inspectJoinRequest(text.trim());
    if (request.peek() === text) asking.value = found;
  });
  useSignalEffect(() => {
    const isWhole = /^\s*(?:https?:\S+#)?mdb:\/\/join-request\/\S{40,}\s*$/.test(request.value);
    asking.value = undefined;
    answer.value = undefined;
    if (isWhole) inspect.run();
    else inspect.clear();
  });
  /** the member who asks with a further device: nobody else may have the same name */
  const owner = useComputed(() =>
    tenant.directory.users.value?.find(
      ({ isAdmin, revoked, userName }) => !isAdmin && !revoked && userName === asking.value?.userName,
    ),
  );
  /** one's own device needs no admin */
  const isOwn = useComputed(() => owner.value?.self === true);
  const canApprove = useComputed(() => isOwn.value || tenant.adminUser.value !== undefined);
  const approve = useAction(async () => {
    const sharePassword = await theCoffer().createSharePassword();
    const serverUrl = tenant.links.peek()[0]?.url;
    const all = serverUrl === undefined ? { sharePassword } : { sharePassword, serverUrl };
    const text = request.value.trim();
    const name = deviceName.peek().trim();
    const adminUser = tenant.adminUser.peek();
    const known = owner.peek();
    if (isOwn.peek()) {
      const response = await tenant.approveDevice(text, { ...all, name, password: password.value });
      answer.value = { response, sharePassword };
    } else if (adminUser !== undefined) {
      const proven = { ...all, adminUser, adminPassword: password.value };
      const response = await (known === undefined
        ? tenant.approveJoinRequest(text, proven)
        : tenant.approveDevice(text, { ...proven, user: known.key, name }));
      answer.value = { response, sharePassword };
    }
  });
  return (
    <form
      class="form panel"
      aria-label="Invitation"
      onSubmit={(event) => {
        event.preventDefault();
        if (asking.value === undefined) inspect.run();
        else approve.run();
      }}
    >
      <PasteField
        label="Join request"
        value={request}
        placeholder="mdb://join-request/…"
        hint="Whoever comes chooses “Join a space” on the new device and sends you this text."
      />
      <ErrorNote error={inspect.error} />
      {asking.value === undefined ? null : (
        <>
          <p>
            <strong data-testid="request-name">{asking.value.userName}</strong>{" "}
            {owner.value === undefined
              ? "asks to join."
              : "is a member already: this links a further device, with keys of its own and the same role."}
          </p>
          <SafetyNumber number={asking.value.safetyNumber} who={asking.value.userName} />
          {owner.value === undefined ? null : (
            <Field
              label="Name of the device"
              value={deviceName}
              placeholder="Phone"
              autocomplete="off"
              required
            />
          )}
          {canApprove.value ? null : (
            <p class="hint">
              Only a device that holds the space's admin keys lets others in. Your own devices you link here.
            </p>
          )}
          {canApprove.value ? (
            <PasswordField
              label={isOwn.value ? "Your password" : "Admin password"}
              value={password}
              autocomplete="off"
              required
            />
          ) : null}
          {tenant.links.value.length > 0 ? null : (
            <p class="hint">
              This space has no server yet. Publish it on the Sync page first, and the newcomer's device
              connects by itself.
            </p>
          )}
          <ErrorNote error={approve.error} />
          {approve.isBusy.value ? (
            <Busy
              what="Sealing the invitation."
              why={`${isOwn.value ? "Your" : "The admin"} key is unlocked, and the answer is sealed for this one request.`}
            />
          ) : null}
          {answer.value === undefined ? (
            <div class="actions">
              <button
                type="submit"
                class="button button-main"
                disabled={approve.isBusy.value || !canApprove.value}
              >
                {owner.value === undefined
                  ? `Approve ${asking.value.userName}`
                  : `Link the device to ${asking.value.userName}`}
              </button>
            </div>
          ) : (
            <AnswerBoxes answer={answer.value} />
          )}
        </>
      )}
    </form>
  );
}

function AnswerBoxes({ answer }: { readonly answer: Answer }) {
  return (
    <>
      <CopyBox
        label="Join response"
        text={answer.response}
        testId="join-response"
        link={linkTo(answer.response)}
      />
      <CopyBox label="Share password" text={answer.sharePassword} testId="share-password" />
      <p class="hint">
        Send the response any way you like, and tell the share password by another one. It takes both, and the
        newcomer's own key, to join. The answer is good for a week.
      </p>
    </>
  );
}
