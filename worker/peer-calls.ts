/** The calls about peers: the page holds the channel, its bytes come and go as they are. */
import { CofferError, parseId } from "../src/std/index.ts";
import type { PeerAttachments, TenantSession } from "../src/tenant/index.ts";
import type { WorkerHost } from "./host.ts";
import { readNatural, readString } from "./page-messages.ts";
import { readJson } from "./presence-calls.ts";
import type { PeerCalls } from "./peer-api.ts";

/** Answer the calls about peers. */
export function peerCalls(host: WorkerHost): PeerCalls {
  return {
    async openPeer(tenantId, subscription, given, attachments) {
      const session = host.tenant(tenantId);
      const device = given === undefined ? undefined : parseId("AuthorKey", given);
      if (given !== undefined && device === undefined)
        throw new CofferError("input/invalid", { at: "device" });
      const wanted = readAttachments(attachments);
      session.links.peers.open(readNatural(subscription, "subscription"), device, wanted);
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

    async writePeerWord(tenantId, signal, to) {
      const { words } = host.tenant(tenantId).links.peers;
      return words.write(readJson(signal, "signal"), readWord(to));
    },

    async readPeerWord(tenantId, text, to) {
      const { words } = host.tenant(tenantId).links.peers;
      return words.read(readString(text, "text"), readWord(to));
    },

    async openMeeting(tenantId, subscription) {
      const session = host.tenant(tenantId);
      readNatural(subscription, "subscription");
      if (session.core.unlocked === undefined) throw new CofferError("access/locked");
      host.watched.set(subscription, session);
      session.links.presences.open(subscription, { dbId: session.core.directoryDbId });
    },
  };
}

/** Whose peer it is. @throws `input/unknown-id` for one of another worker's life */
function requireSession(host: WorkerHost, subscription: number): TenantSession {
  const session = host.watched.get(subscription);
  if (session === undefined) throw new CofferError("input/unknown-id", { what: "peer" });
  return session;
}

/** What of files goes over a link. */
function readAttachments(given: unknown): PeerAttachments | undefined {
  if (given === undefined || typeof given === "boolean" || given === "on-demand") return given;
  throw new CofferError("input/invalid", { at: "attachments" });
}

/** The name of an offer. */
function readWord(to: unknown): string | undefined {
  return to === undefined ? undefined : readString(to, "to");
}
