/** A ready-made service worker for background sync and the addresses of files, and nothing else: register it as it is. */
import { installCofferFiles, installCofferSync } from "./service-worker.ts";

declare const self: ServiceWorkerGlobalScope;

installCofferFiles(self);
installCofferSync(self);
self.addEventListener("install", (event) => event.waitUntil(self.skipWaiting()));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
