/** Joining a space: a request goes out, an answer comes back, and a share password comes by another way. */
import { useSignal, type Signal } from "@preact/signals";
import type { Identity } from "cofferdb";
import { useEffect } from "preact/hooks";
import { Busy } from "../parts/busy.tsx";
import { CopyBox } from "../parts/copy-box.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Field, PasswordField, PasteField } from "../parts/field.tsx";
import { FormPage } from "../parts/form-page.tsx";
import { NewPasswordField } from "../parts/new-password.tsx";
import { useAction } from "../state/action.ts";
import { theCoffer } from "../state/coffer.ts";
import { linkTo, useIncoming } from "../state/incoming.ts";
import { enterSpace } from "../state/space.ts";
import { formatMoment } from "../text/format.ts";
import { welcomeNumber } from "../state/welcome-number.ts";

/** An identity that waits for an answer. After a reload only its key is known, and the request is not shown again. */
interface Waiting {
  readonly user: Identity;
  readonly request: string | undefined;
  readonly sinceMs: number;
}

/** The two steps of joining. */
export function JoinSpace({ onBack }: { readonly onBack: () => void }) {
  const waiting = useSignal<Waiting | undefined>(undefined);
  const password = useSignal("");
  useEffect(() => {
    const find = async (): Promise<void> => {
      const newest = (await theCoffer().pendingIdentities()).toSorted(
        (a, b) => b.createdAtMs - a.createdAtMs,
      )[0];
      if (newest === undefined || waiting.peek() !== undefined) return;
      waiting.value = {
        user: { userName: "", key: newest.key },
        request: undefined,
        sinceMs: newest.createdAtMs,
      };
    };
    find().catch(() => undefined);
  }, []);
  return (
    <FormPage title="Join a space" onBack={onBack}>
      {waiting.value === undefined ? (
        <Ask waiting={waiting} password={password} />
      ) : (
        <Answer waiting={waiting.value} password={password} onRestart={() => (waiting.value = undefined)} />
      )}
    </FormPage>
  );
}

function Ask({ waiting, password }: { waiting: Signal<Waiting | undefined>; password: Signal<string> }) {
  const userName = useSignal("");
  const ask = useAction(async () => {
    const user = await theCoffer().createUserId(userName.value.trim(), password.value);
    waiting.value = { user, request: await theCoffer().createJoinRequest(user), sinceMs: Date.now() };
  });
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        ask.run();
      }}
    >
      <p class="lead">
        First make your own keys on this device. The request holds only the public ones, so you may send it
        any way you like.
      </p>
      <Field
        label="Your name"
        value={userName}
        placeholder="Grace Hopper"
        autocomplete="name"
        hint="For a further device of your own, the name that you have in the space."
        autofocus
        required
      />
      <NewPasswordField
        label="Your password"
        value={password}
        hint="It unlocks the space on this device and never leaves it."
      />
      <ErrorNote error={ask.error} />
      {ask.isBusy.value ? (
        <Busy
          what="Making your keys."
          why="The password is stretched with a lot of memory, so that guessing it stays costly."
        />
      ) : null}
      <div class="actions">
        <button type="submit" class="button button-main" disabled={ask.isBusy.value}>
          Make a join request
        </button>
      </div>
    </form>
  );
}

interface AnswerProps {
  readonly waiting: Waiting;
  readonly password: Signal<string>;
  readonly onRestart: () => void;
}

function Answer({ waiting, password, onRestart }: AnswerProps) {
  const response = useSignal("");
  const sharePassword = useSignal("");
  // After a reload the password must be typed again; the field then stays, however often joining is tried.
  const isAsked = useSignal(password.peek() === "").value;
  useIncoming("join-response", response);
  const join = useAction(async () => {
    const { tenant } = await theCoffer().joinTenant(response.value.trim(), {
      user: waiting.user,
      password: password.value,
      sharePassword: sharePassword.value.trim(),
    });
    welcomeNumber.value = await tenant.safetyNumber();
    await enterSpace(tenant);
  });
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        join.run();
      }}
    >
      {waiting.request === undefined ? (
        <p class="note">
          You made a join request at {formatMoment(waiting.sinceMs, Date.now())}. When the answer is here,
          paste it below.
        </p>
      ) : (
        <section class="join-step">
          <h2>1. Send this request</h2>
          <CopyBox
            label="Join request"
            text={waiting.request}
            testId="join-request"
            link={linkTo(waiting.request)}
          />
        </section>
      )}
      <section class="join-step">
        <h2>{waiting.request === undefined ? "Paste the answer" : "2. Paste the answer"}</h2>
        <PasteField label="Join response" value={response} placeholder="mdb://join-response/…" />
        <Field
          label="Share password"
          value={sharePassword}
          autocomplete="off"
          hint="It comes by another way than the answer: on the phone, or on paper."
          required
        />
        {isAsked ? (
          <PasswordField label="Your password" value={password} autocomplete="current-password" required />
        ) : null}
        <ErrorNote error={join.error} />
        {join.isBusy.value ? (
          <Busy
            what="Joining."
            why="The invitation is opened with your key and the share password, and checked."
          />
        ) : null}
        <div class="actions">
          <button type="submit" class="button button-main" disabled={join.isBusy.value}>
            Join the space
          </button>
          <button type="button" class="button button-plain" onClick={onRestart}>
            Make a new request
          </button>
        </div>
      </section>
    </form>
  );
}
