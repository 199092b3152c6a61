/** A ready-made service worker that does background sync and nothing else: register it as it is. */
import { installCofferSync } from "./service-worker.ts";

declare const self: ServiceWorkerGlobalScope;

installCofferSync(self);
self.addEventListener("install", (event) => event.waitUntil(self.skipWaiting()));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
