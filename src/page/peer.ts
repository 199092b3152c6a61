/** Peers on the page: it holds the way to the other device, and passes bytes on between that and the worker. */
import { openDataChannel, openPortChannel, toCofferError, type PeerChannel } from "../std/index.ts";
import type { PeerConnection, PeerDevice, PeerOptions, PeerStatus, PeerWay } from "./peer-types.ts";
import { inBackground, runCallers, type Session } from "./session.ts";

/** Whose peers they are. */
export interface PeerPlace {
  readonly id: string;
  readonly session: Session;
}

const unconnected: PeerStatus = {
  phase: "connecting",
  sentCommits: 0,
  receivedCommits: 0,
  sentBytes: 0,
  receivedBytes: 0,
  error: undefined,
};

/** Link a tenant with the device at the other end of a way. */
export async function connectPeer(
  tenant: PeerPlace,
  way: PeerWay,
  options: PeerOptions = {},
): Promise<PeerConnection> {
  return linkPeer(tenant, way, options, undefined);
}

/** Link with a device that has shown whose it is: the link ends when that is no member any more. */
export async function linkPeer(
  { id, session }: PeerPlace,
  way: PeerWay,
  { attachments, onStatus }: PeerOptions,
  peer: PeerDevice | undefined,
): Promise<PeerConnection> {
  const channel = runCallers(() => channelOf(way));
  const subscription = session.nextNumber();
  let status = unconnected;
  const show = (next: PeerStatus): void => {
    if (status.phase === "closed") return;
    status = next;
    if (next.phase === "closed") {
      stopListening();
      // The last it has to say is on its way before.
      channel.close();
      inBackground(session.call((api) => api.closePeer(subscription)));
    }
    if (onStatus !== undefined) runCallers(() => onStatus(next));
  };
  const stopListening = session.listen(subscription, (event) => {
    if (event.kind !== "peer") return;
    if ("message" in event) channel.post(new Uint8Array(event.message));
    else show(event.status);
  });
  const fail = (cause: unknown): void =>
    show({ ...status, phase: "closed", error: toCofferError(cause).code });
  const tell = (message: Uint8Array | null): void => {
    // A copy: the carrier may use its memory again, and of a view the whole would be sent.
    const own = message === null ? null : message.slice();
    session.call((api) => api.tellPeer(subscription, own)).catch(fail);
  };
  try {
    await session.call((api) => api.openPeer(id, subscription, peer?.device, attachments));
  } catch (cause) {
    fail(cause);
    throw cause;
  }
  channel.onClose(() => tell(null));
  channel.onMessage(tell);
  return {
    peer,
    get status() {
      return status;
    },
    sync: async () => session.call((api) => api.syncPeer(subscription), "stores"),
    async disconnect() {
      await session.call((api) => api.closePeer(subscription)).catch(fail);
      show({ ...status, phase: "closed" });
    },
  };
}

function channelOf(way: PeerWay): PeerChannel {
  if ("postMessage" in way) return openPortChannel(way);
  return "bufferedAmount" in way ? openDataChannel(way) : way;
}
