/**
 * Background sync for an application's service worker: `installCofferSync(self)` in its script.
 *
 * | event | when | what happens |
 * |---|---|---|
 * | `sync` tagged `coffer-sync` | the page wrote something, and there is a network now, with or without a page | one cycle; failing it makes the browser try again |
 * | `periodicsync` tagged `coffer-sync` | now and then, where the browser allows it | one cycle |
 * | `push` | the server has news; the message itself is empty and ignored | one cycle, then a notification unless a page is seen |
 * | `message` `{ type: "coffer-sync" }` | a page asks, where the browser has none of the others | one cycle |
 *
 * It moves sealed commits. It holds no content key, decrypts nothing and merges nothing; it works while every vault is locked.
 */
import { createWebVerifier } from "../src/crypto/index.ts";
import { createSystemEnv } from "../src/std/index.ts";
import { createOpenOnlyStorage, withNewJournal } from "../src/store/index.ts";
import { createHttpTransport } from "../src/sync/index.ts";
import { isWorthRetrying, syncTenants, type LinkOutcome, type SyncWorld } from "./sync-tenants.ts";

export { installCofferFiles } from "./files.ts";

/** The tag of background sync, and the type of the message that asks for it. */
export const syncTag = "coffer-sync";

interface SyncEvent extends ExtendableEvent {
  readonly tag: string;
  readonly lastChance?: boolean;
}

/**
 * What users are told when the server wakes the application and no page of it is seen. Browsers demand that something is shown; without
 * this they show a text of their own. The application answers `notificationclick` by itself.
 */
export interface SyncNotification extends NotificationOptions {
  readonly title: string;
}

/** Listen for everything that can wake this service worker for sync. */
export function installCofferSync(
  scope: ServiceWorkerGlobalScope,
  options: { readonly name?: string; readonly notification?: SyncNotification } = {},
): void {
  const env = createSystemEnv();
  const world: SyncWorld = {
    env,
    crypto: createWebVerifier(env),
    storage: withNewJournal(createOpenOnlyStorage(env)),
    scope: options.name ?? "coffer",
    openTransport: (url) => ({ http: createHttpTransport(env, url), live: undefined }),
  };
  const run = singleFlight(() => syncTenants(world));
  const onSync = (event: Event): void => {
    const sync = event as SyncEvent;
    if (sync.tag === syncTag) sync.waitUntil(run().then(failIfUnfinished));
  };
  scope.addEventListener("sync", onSync);
  scope.addEventListener("periodicsync", onSync);
  const { notification } = options;
  scope.addEventListener("push", (event) =>
    event.waitUntil(run().then(() => notification && notify(scope, notification))),
  );
  scope.addEventListener("message", (event) => {
    if (isSyncMessage(event.data)) event.waitUntil(run());
  });
}

/** Tell the user that there may be news, unless a page is before them. What the news is this thread cannot read. */
async function notify(
  { clients, registration }: ServiceWorkerGlobalScope,
  { title, ...options }: SyncNotification,
): Promise<void> {
  const pages = await clients.matchAll({ type: "window" });
  if (pages.some(({ visibilityState }) => visibilityState === "visible")) return;
  await registration.showNotification(title, { tag: syncTag, ...options });
}

/** A rejected `sync` event is what makes the browser try again. */
function failIfUnfinished(outcomes: readonly LinkOutcome[]): void {
  const unfinished = outcomes.find(isWorthRetrying);
  if (unfinished !== undefined) throw new Error(unfinished);
}

function isSyncMessage(data: unknown): boolean {
  return typeof data === "object" && data !== null && "type" in data && data.type === syncTag;
}

/** Run one at a time: calls while one runs share the next run, which sees what they are about. */
function singleFlight<T>(run: () => Promise<T>): () => Promise<T> {
  let current: Promise<T> | undefined;
  let next: Promise<T> | undefined;
  return () => {
    if (current === undefined) {
      current = run().finally(() => {
        current = undefined;
      });
      return current;
    }
    const after = current;
    next ??= after
      .then(
        () => undefined,
        () => undefined,
      )
      .then(() => {
        next = undefined;
        current = run().finally(() => {
          current = undefined;
        });
        return current;
      });
    return next;
  };
}
