/** Where the user is, as the address says after the `#`: reloading, going back and sharing a place all work. */
import { computed, effect, signal } from "@preact/signals";

/** The places of an open space. */
export type Route =
  | { readonly place: "library"; readonly docId: string | undefined }
  | { readonly place: "views"; readonly viewId: string | undefined; readonly docId: string | undefined }
  | { readonly place: "people" }
  | { readonly place: "keys" }
  | { readonly place: "sync" }
  | { readonly place: "safety" };

const hash = signal(location.hash);
addEventListener("hashchange", () => {
  hash.value = location.hash;
});

/** Stands in an address for the view that is not saved. */
const unsavedView = "films";

/** Read a place from an address's hash; what is unknown is the library. */
export function parseRoute(text: string): Route {
  const [place, id, innerId] = text
    .replace(/^#\/?/, "")
    .split("/")
    .map((part) => (part === "" ? undefined : part));
  if (place === "people" || place === "keys" || place === "sync" || place === "safety") return { place };
  if (place === "views") return { place, viewId: id === unsavedView ? undefined : id, docId: innerId };
  return { place: "library", docId: place === "library" ? id : undefined };
}

/** Where the user is. */
export const route = computed(() => parseRoute(hash.value));

/** The address of a document's page beside the list. */
export const docHref = (id: string): string => `#/library/${id}`;

/** The address of a view, and of a document's page beside it; without an id, of the view that is not saved. */
export const viewHref = (viewId: string | undefined, docId?: string): string =>
  ["#/views", viewId ?? unsavedView, ...(docId === undefined ? [] : [docId])].join("/");

/** The view that was shown last: that is where the way to the views leads. */
export const lastViewHref = signal("#/views");
effect(() => {
  if (route.value.place === "views") lastViewHref.value = viewHref(route.value.viewId);
});

/** Where a document's page leads back to. */
export const listHref = computed(() =>
  route.value.place === "views" ? viewHref(route.value.viewId) : "#/library",
);

/** Go to a place. */
export function goTo(href: string): void {
  location.hash = href;
}
