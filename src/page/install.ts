/** Registers the application's service worker, and asks for background sync while something is left to be sent. */
interface SyncRegistration {
  readonly sync?: { register(tag: string): Promise<void> };
}

/**
 * Register a service worker and wait until one is active. A newer one takes over when the last page of the old one is gone.
 *
 * @param url absolute, in the form that the page's policy demands
 * @throws whatever the browser says when the script cannot be registered
 */
export async function installServiceWorker(url: string): Promise<void> {
  const { serviceWorker } = navigator;
  await serviceWorker.register(url, { updateViaCache: "none" });
  await serviceWorker.ready;
}

/**
 * Ask the service worker to send what is left, also after this page is gone. Asked for when the first commit is written, not when the
 * page closes: then it is too late. Where there is no Background Sync, the worker of the next page does the job.
 */
export async function requestSync(): Promise<void> {
  const registration = (await navigator.serviceWorker.ready) as SyncRegistration;
  await registration.sync?.register("coffer-sync");
}

/** Ask the browser to keep this origin's data, and measure the storage again. */
export async function keepStorage(core: {
  measure(): void;
  readonly storage: { keep(): Promise<boolean> };
}): Promise<boolean> {
  core.measure();
  return core.storage.keep();
}
