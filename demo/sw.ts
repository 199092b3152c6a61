/**
 * The demo's service worker: keeps the application's files, so that it starts without a network, and lets CofferDB send and receive
 * sealed commits in the background.
 */
import { installCofferFiles, installCofferSync } from "cofferdb/service-worker";
import { cleanupOutdatedCaches, getCacheKeyForURL, matchPrecache, precache } from "workbox-precaching";
import type { PrecacheEntry } from "workbox-precaching";

declare const self: ServiceWorkerGlobalScope & { readonly __WB_MANIFEST: (string | PrecacheEntry)[] };

const shellUrl = "index.html";

precache(self.__WB_MANIFEST);
cleanupOutdatedCaches();

// Before the files of the application: an address of a user's file is none of them, whatever asks for it.
installCofferFiles(self);

/** What `workbox-window` says when the user takes a newer version. */
self.addEventListener("message", (event) => {
  if ((event.data as { type?: unknown } | null)?.type === "SKIP_WAITING") event.waitUntil(self.skipWaiting());
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  // Every page of this application is the same file: where the user is stands behind the `#`.
  const url = request.mode === "navigate" ? shellUrl : request.url;
  if (getCacheKeyForURL(url) === undefined) return;
  event.respondWith(matchPrecache(url).then((kept) => kept ?? fetch(request)));
});

installCofferSync(self, {
  notification: {
    title: "CofferDB",
    body: "There may be something new in your spaces.",
    icon: "icons/icon-192.png",
  },
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(showPage());
});

/** The page that is open, or one. */
async function showPage(): Promise<void> {
  const [page] = await self.clients.matchAll({ type: "window" });
  await (page === undefined ? self.clients.openWindow("./") : page.focus());
}
