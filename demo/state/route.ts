/** Where the user is, as the address says after the `#`: reloading, going back and sharing a place all work. */
import { computed, signal } from "@preact/signals";

/** The places of an open space. */
export type Route =
  | { readonly place: "library"; readonly docId: string | undefined }
  | { readonly place: "people" }
  | { readonly place: "sync" }
  | { readonly place: "safety" };

const hash = signal(location.hash);
addEventListener("hashchange", () => {
  hash.value = location.hash;
});

/** Read a place from an address's hash; what is unknown is the library. */
export function parseRoute(text: string): Route {
  const [place, id] = text.replace(/^#\/?/, "").split("/");
  if (place === "people" || place === "sync" || place === "safety") return { place };
  return { place: "library", docId: place === "library" && id !== undefined && id !== "" ? id : undefined };
}

/** Where the user is. */
export const route = computed(() => parseRoute(hash.value));

/** The address of a document's page. */
export const docHref = (id: string): string => `#/library/${id}`;

/** Go to a place. */
export function goTo(href: string): void {
  location.hash = href;
}
