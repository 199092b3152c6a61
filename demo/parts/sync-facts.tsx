/** The facts behind the pill: what is pending, which server, what is stored, and what the browser promised. */
import { pillState } from "../state/activity.ts";
import { coffer, isOnline } from "../state/coffer.ts";
import { space } from "../state/space.ts";
import { explainCode } from "../text/explain.ts";
import { formatBytes, formatMoment, formatThings } from "../text/format.ts";
import { describePersistence } from "../text/pill.ts";
import type { ServerLink } from "cofferdb";
import type { ComponentChildren } from "preact";

/** List the facts about sync, and after them what else is put in. */
export function SyncFacts({ children }: { readonly children?: ComponentChildren }) {
  const links = space.value?.tenant.links.value ?? [];
  return (
    <dl class="facts" data-testid="sync-facts">
      <div>
        <dt>Now</dt>
        <dd>{pillState.value.text}</dd>
      </div>
      <div>
        <dt>Network</dt>
        <dd>
          {isOnline.value
            ? "There is a network."
            : "There is no network. You can go on working; everything is kept here."}
        </dd>
      </div>
      {links.length === 0 ? (
        <div>
          <dt>Server</dt>
          <dd>None yet: everything is on this device only.</dd>
        </div>
      ) : (
        links.map((link) => <LinkFacts key={link.url} link={link} />)
      )}
      {children}
    </dl>
  );
}

/** The fact about storage. */
export function StorageFact() {
  const storage = coffer.value?.status.value.storage;
  return (
    <div>
      <dt>Storage</dt>
      <dd>
        {storage === undefined || storage.quotaBytes === 0
          ? "Not measured yet."
          : `${formatBytes(storage.usageBytes)} used of ${formatBytes(storage.quotaBytes)} that the browser allows.`}{" "}
        <span data-testid="persistence">{describePersistence(storage?.persisted)}</span>
      </dd>
    </div>
  );
}

function LinkFacts({ link }: { readonly link: ServerLink }) {
  const { pendingPush, pendingPull, verifiedCompleteAtMs, error, sentBytes, receivedBytes } =
    link.status.value;
  return (
    <>
      <div>
        <dt>Server</dt>
        <dd>
          <span class="code">{link.url}</span>
          {error === undefined ? null : <span class="bad"> {explainCode(error)}</span>}
        </dd>
      </div>
      <div>
        <dt>Pending</dt>
        <dd data-testid="pending">
          {pendingPush + pendingPull === 0
            ? "Nothing to send, nothing to receive."
            : `${formatThings(pendingPush, "commit")} to send, ${pendingPull} to receive.`}
        </dd>
      </div>
      <div>
        <dt>Verified</dt>
        <dd>
          {verifiedCompleteAtMs === undefined
            ? "Not yet compared with the server."
            : `At ${formatMoment(verifiedCompleteAtMs, Date.now())} everything the server has was here, and each signature held.`}
        </dd>
      </div>
      <div>
        <dt>Traffic</dt>
        <dd data-testid="traffic">
          {formatBytes(sentBytes)} sent, {formatBytes(receivedBytes)} received, all of it sealed.
        </dd>
      </div>
    </>
  );
}
