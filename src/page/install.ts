/** Registers the application's service worker, and asks for background sync while something is left to be sent. */
import type { Signal } from "@preact/signals-core";
import type { TenantSnapshot } from "../../worker/api.ts";
import { inBackground } from "./session.ts";
import type { CofferStatus } from "./types.ts";

interface SyncRegistration {
  readonly sync?: { register(tag: string): Promise<void> };
  readonly periodicSync?: { register(tag: string, options: { readonly minInterval: number }): Promise<void> };
}

const syncTag = "coffer-sync";
/** a wish: the browser decides by how much the application is used */
const periodMs = 6 * 60 * 60 * 1000;

/**
 * Register a service worker, and ask it to send what is left whenever the outbox of a tenant fills, also after this page is gone.
 * Asked for when the first commit is written, not when the page closes: then it is too late. Where there is no Background Sync, the
 * worker of the next page does the job. Where the browser syncs installed applications now and then, it is asked to. A newer service worker takes over when the last page of the old one is gone.
 *
 * @param url absolute, in the form that the page's policy demands
 * @returns hears how each tenant stands
 */
export function followOutbox(
  url: string,
  status: Signal<CofferStatus["serviceWorker"]>,
): (snapshot: TenantSnapshot) => void {
  const { serviceWorker } = navigator;
  const unsent = new Set<string>();
  const requestSync = (): void => {
    const asking = async (): Promise<void> => {
      const registration = (await serviceWorker.ready) as SyncRegistration;
      await registration.sync?.register(syncTag);
    };
    inBackground(asking());
  };
  const install = async (): Promise<void> => {
    await serviceWorker.register(url, { updateViaCache: "none" });
    const { periodicSync } = (await serviceWorker.ready) as SyncRegistration;
    // Granted to installed applications only; the others are as they were.
    periodicSync?.register(syncTag, { minInterval: periodMs }).catch(() => undefined);
  };
  install().then(
    () => {
      status.value = "active";
      if (unsent.size > 0) requestSync();
    },
    () => {
      status.value = "failed";
    },
  );
  return ({ id, status: { pendingPushCount } }) => {
    const isLeft = pendingPushCount > 0;
    if (isLeft && !unsent.has(id) && status.peek() === "active") requestSync();
    if (isLeft) unsent.add(id);
    else unsent.delete(id);
  };
}

/** Ask the browser to keep this origin's data, and measure the storage again. */
export async function keepStorage(core: {
  measure(): void;
  readonly storage: { keep(): Promise<boolean> };
}): Promise<boolean> {
  core.measure();
  return core.storage.keep();
}
