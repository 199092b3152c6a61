/** Keys of their own for some films: who holds which, making, handing on, taking, renewing, sealing anew. */
import { useSignal } from "@preact/signals";
import type { KeyGrant } from "cofferdb";
import { useId } from "preact/hooks";
import { AdminForm } from "../parts/admin-form.tsx";
import { Busy, ProgressBar } from "../parts/busy.tsx";
import { CopyBox } from "../parts/copy-box.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Field, PasswordField, PasteField } from "../parts/field.tsx";
import { Icon } from "../parts/icon.tsx";
import { MemberChecks } from "../parts/member-checks.tsx";
import { createFilm } from "../film/film.ts";
import { useAction } from "../state/action.ts";
import { notify, whileSaving } from "../state/activity.ts";
import { theCoffer } from "../state/coffer.ts";
import { linkTo, useIncoming } from "../state/incoming.ts";
import { useOpened } from "../state/opened.ts";
import { docHref, goTo } from "../state/route.ts";
import { memberName, type Space } from "../state/space.ts";
import { formatCount } from "../text/format.ts";

/** The tenant's own key, which every member holds. */
const commonKey = "default";

/** All keys that this device holds. */
export function Keys({ space }: { readonly space: Space }) {
  const grants = space.tenant.keys.grants.value ?? [];
  return (
    <section class="page" aria-labelledby="keys-title">
      <header class="page-head">
        <h1 id="keys-title">Keys</h1>
      </header>
      <p class="hint">
        Films are sealed under the space's own key, which every member holds. Under a key of its own, a film
        can be read only by those who hold that key: not by other members, not by the server.
      </p>
      <ul class="plain members" data-testid="keys">
        {grants.map((grant) => (
          <KeyLine key={grant.name} space={space} grant={grant} />
        ))}
      </ul>
      <NewKey space={space} />
      <TakeKey space={space} />
      {space.tenant.adminUser.value === undefined ? null : <FilmForSome space={space} />}
    </section>
  );
}

function KeyLine({ space, grant }: { readonly space: Space; readonly grant: KeyGrant }) {
  const { tenant, db } = space;
  const opened = useOpened<"share" | "grant" | "rotate" | "reseal">();
  const part = opened.part.value;
  const isCommon = grant.name === commonKey;
  const isAdmin = tenant.adminUser.value !== undefined;
  const create = useAction(async () => {
    const doc = await whileSaving(db.createEncryptedDocument(grant.name, createFilm("")));
    goTo(docHref(doc.id));
    doc.dispose();
  });
  const name = isCommon ? "The space's own key" : grant.name;
  return (
    <li class="member" data-testid="key" aria-label={name}>
      <div class="member-head">
        <Icon name="key" />
        <div class="member-name">
          <strong>{name}</strong>
          <span class="muted">{describeHolders(grant)}</span>
        </div>
        {isCommon ? null : (
          <>
            <button
              type="button"
              class="button"
              aria-label={`New film under ${name}`}
              disabled={create.isBusy.value}
              onClick={() => create.run()}
            >
              <Icon name="plus" />
              New film
            </button>
            <button type="button" class="button" {...opened.button("share")}>
              Share…
            </button>
          </>
        )}
        {isAdmin && !isCommon ? (
          <button type="button" class="button" {...opened.button("grant")}>
            Grant…
          </button>
        ) : null}
        {grant.epoch > 1 ? (
          <button type="button" class="button" {...opened.button("reseal")}>
            Seal anew…
          </button>
        ) : null}
        {isAdmin ? (
          <button type="button" class="button button-plain" {...opened.button("rotate")}>
            Renew…
          </button>
        ) : null}
      </div>
      <ErrorNote error={create.error} />
      {part === "share" ? <ShareKey space={space} name={grant.name} /> : null}
      {part === "reseal" ? <Reseal space={space} name={grant.name} /> : null}
      {part === "grant" ? <GrantKey space={space} grant={grant} onDone={opened.close} /> : null}
      {part === "rotate" ? <RotateKey space={space} name={grant.name} onDone={opened.close} /> : null}
    </li>
  );
}

function describeHolders({ name, epoch, holders }: KeyGrant): string {
  const who = name === commonKey ? "every member" : holders.map(memberName).sort().join(", ");
  const renewed = epoch === 1 ? "" : `, renewed ${epoch - 1 === 1 ? "once" : `${epoch - 1} times`}`;
  return `held by ${who === "" ? "nobody yet" : who}${renewed}`;
}

function ShareKey({ space, name }: { readonly space: Space; readonly name: string }) {
  const made = useSignal<{ readonly text: string; readonly password: string } | undefined>(undefined);
  const share = useAction(async () => {
    const password = await theCoffer().createSharePassword();
    made.value = { text: await space.tenant.keys.exportKey(name, { password }), password };
  });
  return (
    <div class="form panel">
      <p>
        Whoever has both the text and the password holds the key from then on, and reads all that is sealed
        under it. Only members of this space can use it.
      </p>
      <ErrorNote error={share.error} />
      {share.isBusy.value ? (
        <Busy what="Sealing the key." why="The password is stretched with a lot of memory, on purpose." />
      ) : null}
      {made.value === undefined ? (
        <div class="actions">
          <button
            type="button"
            class="button button-main"
            disabled={share.isBusy.value}
            onClick={() => share.run()}
          >
            Make a text to share
          </button>
        </div>
      ) : (
        <>
          <CopyBox label="Key" text={made.value.text} testId="key-text" link={linkTo(made.value.text)} />
          <CopyBox label="Password of the key" text={made.value.password} testId="key-password" />
          <p class="hint">Send them by two different ways.</p>
        </>
      )}
    </div>
  );
}

interface AdminPartProps {
  readonly space: Space;
  readonly onDone: () => void;
}

function GrantKey({ space, grant, onDone }: AdminPartProps & { readonly grant: KeyGrant }) {
  const { tenant } = space;
  const id = useId();
  const chosen = useSignal("");
  const others = (tenant.directory.users.value ?? []).filter(
    (user) => !user.revoked && !user.isAdmin && !grant.holders.includes(user.key),
  );
  if (others.length === 0) return <p class="hint">Every member holds it already.</p>;
  return (
    <AdminForm
      tenant={tenant}
      verb="Grant the key"
      isHeld={chosen.value === ""}
      work={async (proof) => {
        await tenant.keys.grant(grant.name, { ...proof, users: [chosen.peek()] });
        notify(`${memberName(chosen.peek())} holds “${grant.name}” now.`);
        onDone();
      }}
    >
      <div class="field">
        <label for={id}>Member</label>
        <select id={id} value={chosen.value} onChange={(event) => (chosen.value = event.currentTarget.value)}>
          <option value="">Choose…</option>
          {others.map((user) => (
            <option key={user.key} value={user.key}>
              {memberName(user.key)}
            </option>
          ))}
        </select>
        <div class="hint">What is sealed under it appears on their devices with the next sync.</div>
      </div>
    </AdminForm>
  );
}

function RotateKey({ space, name, onDone }: AdminPartProps & { readonly name: string }) {
  const { tenant } = space;
  return (
    <AdminForm
      tenant={tenant}
      verb="Renew the key"
      work={async (proof) => {
        await tenant.keys.rotate(name, proof);
        notify("New changes are sealed under the new key.");
        onDone();
      }}
    >
      <p>
        From now on changes are sealed under fresh random bits, given to everyone who holds the key now. What
        was written before stays as it is. Revoking a member does this by itself.
      </p>
    </AdminForm>
  );
}

function Reseal({ space: { tenant }, name }: { readonly space: Space; readonly name: string }) {
  const progress = useSignal<{ readonly doneCount: number; readonly totalCount: number } | undefined>(
    undefined,
  );
  const stop = useSignal<AbortController | undefined>(undefined);
  const reseal = useAction(async () => {
    const abort = new AbortController();
    stop.value = abort;
    try {
      const { doneCount, leftOut } = await tenant.keys.reseal(name, {
        signal: abort.signal,
        onProgress: (done) => (progress.value = done),
      });
      notify(
        doneCount === 0 && leftOut.length === 0
          ? "Nothing is left under a former key."
          : `${doneCount === 1 ? "One film is" : `${formatCount(doneCount)} films are`} sealed anew${leftOut.length === 0 ? "." : `; ${formatCount(leftOut.length)} are too large for it.`}`,
      );
    } catch (error) {
      if (!abort.signal.aborted) throw error;
      notify("Stopped. It goes on from there the next time.");
    } finally {
      stop.value = undefined;
      progress.value = undefined;
    }
  });
  return (
    <div class="form panel">
      <p>
        What was written under former keys is written once more under the newest. Who had a former key keeps
        what they could read; what a thief of an old key finds from then on is older.
      </p>
      <ErrorNote error={reseal.error} />
      {progress.value === undefined ? null : (
        <ProgressBar label="Sealing anew" done={progress.value.doneCount} total={progress.value.totalCount} />
      )}
      <div class="actions">
        {stop.value === undefined ? (
          <button type="button" class="button button-main" onClick={() => reseal.run()}>
            Seal anew
          </button>
        ) : (
          <button type="button" class="button" onClick={() => stop.peek()?.abort()}>
            Stop
          </button>
        )}
      </div>
    </div>
  );
}

function NewKey({ space }: { readonly space: Space }) {
  const name = useSignal("");
  const create = useAction(async () => {
    const made = name.peek().trim();
    await space.tenant.keys.createDocEncryptionKey(made);
    name.value = "";
    notify(`The key “${made}” is made. Only you hold it so far.`);
  });
  return (
    <form
      class="form panel"
      aria-labelledby="new-key-title"
      onSubmit={(event) => {
        event.preventDefault();
        create.run();
      }}
    >
      <h2 id="new-key-title">Make a key</h2>
      <Field label="Name of the key" value={name} autocomplete="off" required />
      <ErrorNote error={create.error} />
      <div class="actions">
        <button type="submit" class="button button-main" disabled={create.isBusy.value}>
          Make it
        </button>
      </div>
    </form>
  );
}

function TakeKey({ space }: { readonly space: Space }) {
  const text = useSignal("");
  const password = useSignal("");
  useIncoming("key", text);
  const take = useAction(async () => {
    const name = await space.tenant.keys.importKey(text.peek().trim(), { password: password.peek() });
    text.value = "";
    password.value = "";
    notify(`You hold “${name}” now; what is sealed under it appears in the library.`);
  });
  return (
    <form
      class="form panel"
      aria-labelledby="take-key-title"
      onSubmit={(event) => {
        event.preventDefault();
        take.run();
      }}
    >
      <h2 id="take-key-title">Take a key that a member shares</h2>
      <PasteField label="Key" value={text} placeholder="mdb://key/…" />
      <PasswordField label="Password of the key" value={password} autocomplete="off" required />
      <ErrorNote error={take.error} />
      {take.isBusy.value ? (
        <Busy what="Opening it." why="The password is stretched with a lot of memory, on purpose." />
      ) : null}
      <div class="actions">
        <button
          type="submit"
          class="button button-main"
          disabled={take.isBusy.value || text.value.trim() === ""}
        >
          Take the key
        </button>
      </div>
    </form>
  );
}

/** A film whose key has no name, and is wrapped for each of its readers. */
function FilmForSome({ space: { db, tenant } }: { readonly space: Space }) {
  const chosen = useSignal<ReadonlySet<string>>(new Set());
  const others = (tenant.directory.users.value ?? []).filter(
    (user) => !user.revoked && !user.isAdmin && !user.self,
  );
  if (others.length === 0) return null;
  return (
    <AdminForm
      tenant={tenant}
      verb="Make the film"
      isHeld={chosen.value.size === 0}
      work={async (proof) => {
        const doc = await whileSaving(
          db.createDocumentFor({ users: [...chosen.peek()] }, createFilm(""), proof),
        );
        goTo(docHref(doc.id));
        doc.dispose();
      }}
    >
      <h2>A film for some people</h2>
      <p class="hint">Only you and those whom you choose can read it, each with a key of this one film.</p>
      <MemberChecks legend="Readers" users={others} chosen={chosen} />
    </AdminForm>
  );
}
