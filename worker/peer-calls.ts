/** The calls about peers: the page holds the channel, its bytes come and go as they are. */
import { CofferError } from "../src/std/index.ts";
import type { TenantSession } from "../src/tenant/index.ts";
import type { WorkerApi } from "./api.ts";
import type { WorkerHost } from "./host.ts";
import { readNatural } from "./page-messages.ts";

type PeerCalls = Pick<WorkerApi, "openPeer" | "tellPeer" | "syncPeer" | "closePeer">;

/** Answer the calls about peers. */
export function peerCalls(host: WorkerHost): PeerCalls {
  return {
    async openPeer(tenantId, subscription) {
      const session = host.tenant(tenantId);
      session.links.peers.open(readNatural(subscription, "subscription"));
      host.watched.set(subscription, session);
    },

    async tellPeer(subscription, message) {
      if (message !== null && !(message instanceof Uint8Array))
        throw new CofferError("input/invalid", { at: "message" });
      requireSession(host, subscription).links.peers.take(subscription, message);
    },

    async syncPeer(subscription) {
      await requireSession(host, subscription).links.peers.sync(subscription);
    },

    async closePeer(subscription) {
      host.watched.get(subscription)?.links.peers.close(subscription);
      host.watched.delete(subscription);
    },
  };
}

/** Whose peer it is. @throws `input/unknown-id` for one of another worker's life */
function requireSession(host: WorkerHost, subscription: number): TenantSession {
  const session = host.watched.get(subscription);
  if (session === undefined) throw new CofferError("input/unknown-id", { what: "peer" });
  return session;
}
