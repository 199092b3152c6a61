/** The one CofferDB of this page, and what the browser says about the network. */
import { signal } from "@preact/signals";
import { openCoffer, type Coffer } from "cofferdb";

/** Where the built application has its service worker. */
export const serviceWorkerUrl = "./sw.js";

/** The open CofferDB; undefined while it starts. */
export const coffer = signal<Coffer | undefined>(undefined);

/** What kept it from starting. */
export const startError = signal<unknown>(undefined);

/** Whether the browser has a network at all. */
export const isOnline = signal(navigator.onLine);

for (const kind of ["online", "offline"] as const) {
  addEventListener(kind, () => {
    isOnline.value = navigator.onLine;
  });
}

/** Start CofferDB; the built application registers its service worker, the development server has none. */
export async function startCoffer(): Promise<void> {
  startError.value = undefined;
  try {
    coffer.value = await openCoffer(import.meta.env.PROD ? { serviceWorker: serviceWorkerUrl } : {});
  } catch (error) {
    startError.value = error;
  }
}

/** The open CofferDB, for what runs only after the start. */
export function theCoffer(): Coffer {
  if (coffer.value === undefined) throw new Error("CofferDB has not started yet.");
  return coffer.value;
}
