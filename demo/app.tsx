/** Decides which screen is shown. */
import { computed, useSignalEffect } from "@preact/signals";
import { ErrorText } from "./parts/error-note.tsx";
import { lazily } from "./parts/lazily.tsx";
import { Document } from "./screens/document.tsx";
import { Library } from "./screens/library.tsx";
import { Locked } from "./screens/locked.tsx";
import { People } from "./screens/people.tsx";
import { Safety } from "./screens/safety.tsx";
import { Shell } from "./screens/shell.tsx";
import { Starting } from "./screens/starting.tsx";
import { Sync } from "./screens/sync.tsx";
import { Welcome } from "./screens/welcome.tsx";
import { forgetNotices, notify } from "./state/activity.ts";
import { coffer, startCoffer, startError } from "./state/coffer.ts";
import { route } from "./state/route.ts";
import { takeUpdate } from "./state/update.ts";
import { isLocked, leaveSpace, space, spaceName, type Space } from "./state/space.ts";
import { describeRoom } from "./text/pill.ts";

const roomWarning = computed(() => describeRoom(coffer.value?.status.value.storage.room ?? "unknown"));

const Views = lazily(async () => (await import("./view/view-page.tsx")).ViewPage, {
  className: "library",
  label: "View",
  words: "Opening the view…",
});

const Keys = lazily(async () => (await import("./screens/keys.tsx")).Keys, {
  className: "page",
  label: "Keys",
  words: "Opening the keys…",
});

/** The whole application. */
export function App() {
  useSignalEffect(() => {
    document.title = spaceName.value === undefined ? "CofferDB" : `${spaceName.value} – CofferDB`;
  });
  useSignalEffect(() => {
    if (roomWarning.value !== undefined) notify(roomWarning.value);
  });
  useSignalEffect(() => {
    const { alarms, status } = space.value?.tenant ?? {};
    const isWiped = alarms?.value.some(({ kind }) => kind === "wiped") === true;
    if (isWiped || status?.value.phase === "closed") {
      leaveSpace();
      forgetNotices();
    }
    if (isWiped) notify("The admin of the space had it erased from this device.");
  });
  return (
    <>
      <WorkerBanner />
      <UpdateBanner />
      <Screen />
    </>
  );
}

function Screen() {
  if (startError.value !== undefined) return <StartFailed error={startError.value} />;
  if (coffer.value === undefined) return <Starting />;
  if (space.value === undefined) return <Welcome />;
  if (isLocked.value) return <Locked space={space.value} />;
  return (
    <Shell space={space.value}>
      <Place space={space.value} />
    </Shell>
  );
}

function Place({ space: open }: { readonly space: Space }) {
  const here = route.value;
  if (here.place === "people") return <People space={open} />;
  if (here.place === "keys") return <Keys space={open} />;
  if (here.place === "sync") return <Sync space={open} />;
  if (here.place === "safety") return <Safety space={open} />;
  const isView = here.place === "views";
  return (
    <div class={here.docId === undefined ? "split" : "split split-open"}>
      <h1 class="visually-hidden">{isView ? "Views" : "Library"}</h1>
      {isView ? (
        <Views space={open} viewId={here.viewId} docId={here.docId} />
      ) : (
        <Library space={open} docId={here.docId} />
      )}
      {here.docId === undefined ? null : <Document key={here.docId} space={open} id={here.docId} />}
    </div>
  );
}

function StartFailed({ error }: { readonly error: unknown }) {
  return (
    <main class="form-page">
      <h1>It did not start</h1>
      <ErrorText error={error} />
      <div class="actions">
        <button type="button" class="button button-main" onClick={() => void startCoffer()}>
          Try again
        </button>
      </div>
    </main>
  );
}

function UpdateBanner() {
  const take = takeUpdate.value;
  if (take === undefined) return null;
  return (
    <p class="banner" role="status" data-testid="update-ready">
      A newer version is ready. Starting it locks what is open.{" "}
      <button type="button" class="button" onClick={take}>
        Update now
      </button>
    </p>
  );
}

function WorkerBanner() {
  const worker = coffer.value?.status.value.worker;
  if (worker === "restarting") {
    return (
      <p class="banner" role="status" data-testid="worker-restarting">
        The database is restarting. What you typed stays here; it goes on by itself in a moment.
      </p>
    );
  }
  if (worker !== "failed") return null;
  return (
    <p class="banner banner-bad" role="alert">
      The database has stopped. What was saved stays saved.{" "}
      <button type="button" class="button" onClick={() => location.reload()}>
        Reload the page
      </button>
    </p>
  );
}
