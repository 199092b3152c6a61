/** Links to servers on the page. */
import { computed, type ReadonlySignal } from "@preact/signals-core";
import type { TenantSnapshot } from "../../worker/api.ts";
import type { Session } from "./session.ts";
import type { LinkStatus, ServerLink } from "./types.ts";

const unconnected: LinkStatus = {
  phase: "connecting",
  pendingPush: 0,
  pendingPull: 0,
  verifiedCompleteAtMs: undefined,
  error: undefined,
  sentBytes: 0,
  receivedBytes: 0,
};

/** The tenant that a link belongs to. */
interface Linked {
  readonly id: string;
  readonly session: Session;
  readonly snapshot: ReadonlySignal<TenantSnapshot>;
}

/** Make a link's handle. It has no resource of its own, so it needs no disposal; once it is gone, its status stays the last. */
export function createLink({ id, session, snapshot }: Linked, url: string): ServerLink {
  let last = unconnected;
  return {
    url,
    status: computed(() => (last = snapshot.value.links.find((link) => link.url === url)?.status ?? last)),
    sync: async () => session.call((api) => api.sync(id, url)),
    disconnect: async () => session.call((api) => api.disconnect(id, url)),
  };
}
