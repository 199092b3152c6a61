/** Sync and storage: the server, what travels, and what this device keeps. */
import { useSignal } from "@preact/signals";
import type { ServerLink, Tenant } from "cofferdb";
import { Busy } from "../parts/busy.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { lazily } from "../parts/lazily.tsx";
import { Field, PasswordField } from "../parts/field.tsx";
import { SyncFacts } from "../parts/sync-facts.tsx";
import { useAction } from "../state/action.ts";
import { BackupPanel, StoragePanel } from "./backup.tsx";
import { FilesPanel } from "./kept-files.tsx";
import { coffer } from "../state/coffer.ts";
import type { Space } from "../state/space.ts";
import { noteWoken, wokenBy } from "../state/woken.ts";
import { formatCount, shortId } from "../text/format.ts";

const Nearby = lazily(async () => (await import("./nearby.tsx")).Nearby, {
  className: "panel",
  label: "Connect a device nearby",
  words: "Opening…",
});

const ByFile = lazily(async () => (await import("./by-file.tsx")).ByFile, {
  className: "panel",
  label: "Changes as a file",
  words: "Opening…",
});

/** The page behind the pill. */
export function Sync({ space }: { readonly space: Space }) {
  const links = space.tenant.links.value;
  return (
    <section class="page" aria-labelledby="sync-title">
      <header class="page-head">
        <h1 id="sync-title">Sync and storage</h1>
      </header>
      <SyncFacts />
      {links.map((link) => (
        <LinkActions key={link.url} link={link} tenant={space.tenant} />
      ))}
      {links.length > 0 ? null : space.tenant.adminUser.value === undefined ? (
        <Connect space={space} />
      ) : (
        <Publish space={space} />
      )}
      <Nearby tenant={space.tenant} />
      <ByFile tenant={space.tenant} />
      <StoragePanel />
      <FilesPanel space={space} />
      <BackupPanel space={space} />
      <UnderTheHood space={space} />
    </section>
  );
}

function LinkActions({ link, tenant }: { readonly link: ServerLink; readonly tenant: Tenant }) {
  const sync = useAction(async () => link.sync());
  const disconnect = useAction(async () => {
    await link.disconnect();
    noteWoken(link.url, false);
  });
  const isWoken = wokenBy.value.includes(link.url);
  const wake = useAction(async () => {
    await tenant.setWebPush(link.url, !isWoken);
    noteWoken(link.url, !isWoken);
  });
  return (
    <div class="form panel" data-testid="link">
      <p class="hint">
        {isWoken
          ? "When there is news and this app is closed, the server has the browser fetch it. The message itself is empty."
          : "A server can have this browser fetch news while the app is closed."}
      </p>
      <div class="actions">
        <button type="button" class="button" disabled={sync.isBusy.value} onClick={() => sync.run()}>
          {sync.isBusy.value ? "Syncing…" : "Sync now"}
        </button>
        <button type="button" class="button" disabled={wake.isBusy.value} onClick={() => wake.run()}>
          {isWoken ? "Stop waking this device" : "Wake this device for news"}
        </button>
        <button
          type="button"
          class="button button-plain"
          disabled={disconnect.isBusy.value}
          onClick={() => disconnect.run()}
        >
          Disconnect from this server
        </button>
      </div>
      <ErrorNote error={sync.error} />
      <ErrorNote error={wake.error} />
      <ErrorNote error={disconnect.error} />
    </div>
  );
}

function Publish({ space: { tenant } }: { readonly space: Space }) {
  const url = useSignal(location.origin);
  const adminPassword = useSignal("");
  const publish = useAction(async () => {
    const adminUser = tenant.adminUser.peek();
    if (adminUser === undefined) return;
    await tenant.publishToServer(url.value.trim(), { adminUser, adminPassword: adminPassword.value });
    await tenant.connectToServer(url.value.trim());
  });
  return (
    <form
      class="form panel"
      aria-labelledby="publish-title"
      onSubmit={(event) => {
        event.preventDefault();
        publish.run();
      }}
    >
      <h2 id="publish-title">Publish to a server</h2>
      <p class="hint">
        A server lets your devices and your people meet. It keeps sealed commits and passes them on; it never
        has a key to read them.
      </p>
      <Field label="Server address" value={url} autocomplete="url" required />
      <PasswordField label="Admin password" value={adminPassword} autocomplete="off" required />
      <ErrorNote error={publish.error} />
      {publish.isBusy.value ? (
        <Busy
          what="Publishing."
          why="The server is told who may write to this space, signed by the admin key."
        />
      ) : null}
      <div class="actions">
        <button type="submit" class="button button-main" disabled={publish.isBusy.value}>
          Publish and connect
        </button>
      </div>
    </form>
  );
}

function Connect({ space: { tenant } }: { readonly space: Space }) {
  const url = useSignal(location.origin);
  const connect = useAction(async () => {
    await tenant.connectToServer(url.value.trim());
  });
  return (
    <form
      class="form panel"
      aria-labelledby="connect-title"
      onSubmit={(event) => {
        event.preventDefault();
        connect.run();
      }}
    >
      <h2 id="connect-title">Connect to a server</h2>
      <Field
        label="Server address"
        value={url}
        autocomplete="url"
        hint="The one that this space was published to."
        required
      />
      <ErrorNote error={connect.error} />
      <div class="actions">
        <button type="submit" class="button button-main" disabled={connect.isBusy.value}>
          Connect
        </button>
      </div>
    </form>
  );
}

function UnderTheHood({ space: { tenant, db } }: { readonly space: Space }) {
  const { worker, serviceWorker } = coffer.value?.status.value ?? {};
  const { unjudgedCount, sealedCount, pendingPushCount } = tenant.status.value;
  const background = {
    none: "not registered",
    registering: "being registered",
    active: "active: the app starts without a network",
    failed: "could not be registered",
  };
  return (
    <section aria-labelledby="hood-title">
      <h2 id="hood-title">Under the hood</h2>
      <dl class="facts">
        <div>
          <dt>Space</dt>
          <dd class="code">{shortId(tenant.id)}</dd>
        </div>
        <div>
          <dt>Documents</dt>
          <dd>{formatCount(db.status.value.documentCount)}</dd>
        </div>
        <div>
          <dt>Commits</dt>
          <dd>
            {formatCount(pendingPushCount)} waiting to be sent, {formatCount(unjudgedCount)} waiting to be
            verified
            {sealedCount > 0 ? `, ${formatCount(sealedCount)} sealed for others` : ""}
          </dd>
        </div>
        <div>
          <dt>Database worker</dt>
          <dd>{worker}</dd>
        </div>
        <div>
          <dt>Service worker</dt>
          <dd>{background[serviceWorker ?? "none"]}</dd>
        </div>
      </dl>
    </section>
  );
}
