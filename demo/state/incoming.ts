/** What somebody sent as a link to this page: a request to join, the answer to one, or a key. It is taken out of the address at once. */
import { signal, useSignalEffect, type Signal } from "@preact/signals";

/** A link's text, as far as this page knows what to do with it. */
export interface Incoming {
  readonly kind: "join-request" | "join-response" | "key";
  readonly text: string;
}

/** What came and was not used yet. */
export const incoming = signal<Incoming | undefined>(undefined);

const places = { "join-request": "#/people", "join-response": "#/library", key: "#/keys" } as const;

/** Tell what an address brings behind its `#`. */
export function readIncoming(hash: string): Incoming | undefined {
  const [, text, kind] = /^#(mdb:\/\/(join-request|join-response|key)\/[\w-]+)$/.exec(hash) ?? [];
  return text === undefined ? undefined : { kind: kind as Incoming["kind"], text };
}

/** Put what came of this kind into a field, now and whenever something comes; it is used then. */
export function useIncoming(kind: Incoming["kind"], field: Signal<string>): void {
  useSignalEffect(() => {
    const came = incoming.value;
    if (came?.kind !== kind) return;
    field.value = came.text;
    incoming.value = undefined;
  });
}

/** The same text as a link to this page. */
export const linkTo = (text: string): string => `${location.origin}${location.pathname}#${text}`;

/** Take over what the address brings; neither it nor the history shows it any longer. */
function take(): void {
  const found = readIncoming(location.hash);
  if (found === undefined) return;
  incoming.value = found;
  history.replaceState(null, "", `${location.pathname}${location.search}${places[found.kind]}`);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

/** Watch the address, from the first moment on. */
export function watchIncoming(): void {
  take();
  addEventListener("hashchange", take);
}
