/**
 * New versions of the application: a newer service worker waits until the last page of the old version is gone, or until the user takes it.
 * Nothing is reloaded under anyone's hands.
 */
import { signal } from "@preact/signals";
import { Workbox } from "workbox-window";

interface TrustedTypesLike {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): { createScriptURL(url: string): unknown };
}

/** Takes the newer version that is ready; undefined while there is none. */
export const takeUpdate = signal<(() => void) | undefined>(undefined);

/** Watch the service worker at `url`, and offer a newer version once it is ready. */
export function watchForUpdates(url: string): void {
  if (!("serviceWorker" in navigator)) return;
  const workbox = new Workbox(trusted(new URL(url, location.href).href), { updateViaCache: "none" });
  workbox.addEventListener("waiting", () => {
    takeUpdate.value = () => {
      workbox.addEventListener("controlling", () => location.reload());
      workbox.messageSkipWaiting();
    };
  });
  workbox.register().catch(() => undefined);
}

function trusted(url: string): string {
  const types = (globalThis as { trustedTypes?: TrustedTypesLike }).trustedTypes;
  const policy = types?.createPolicy("coffer-demo", { createScriptURL: (own) => own });
  return (policy?.createScriptURL(url) ?? url) as string;
}
