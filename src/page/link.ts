/** Links to servers on the page. */
import { signal } from "@preact/signals-core";
import { CofferError } from "../std/index.ts";
import type { Session } from "./session.ts";
import type { LinkStatus, ServerLink } from "./types.ts";

/** The handle of a link with the way to tell it its status. */
export interface LinkCore {
  readonly link: ServerLink;
  hear(status: LinkStatus): void;
}

const unconnected: LinkStatus = {
  phase: "connecting",
  pendingPush: 0,
  pendingPull: 0,
  verifiedCompleteAtMs: undefined,
  error: undefined,
  sentBytes: 0,
  receivedBytes: 0,
};

/** Make a link's handle; it has no resource of its own, so it needs no disposal. */
export function createLink(session: Session, tenantId: string, url: string): LinkCore {
  const status = signal(unconnected);
  return {
    link: {
      url,
      status,
      sync: async () => session.call((api) => api.sync(tenantId, url)),
      disconnect: async () => session.call((api) => api.disconnect(tenantId, url)),
    },
    hear(now) {
      status.value = now;
    },
  };
}

/**
 * Bring a server's URL into canonical form, so that one server is one link. @throws input/invalid unless it
 * is http or https
 */
export function canonicalUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "") {
    throw new CofferError("input/invalid", {
      message: "A server's address begins with https://",
    });
  }
  url.hash = "";
  url.search = "";
  return url.href.replace(/\/+$/, "");
}
