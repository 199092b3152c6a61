/** What the page says of peers. */
import type { PeerChannel } from "../std/index.ts";
import type { PeerStatus } from "../sync/index.ts";

export type { PeerStatus } from "../sync/index.ts";

/**
 * The way to another device: a message port whose other end is there; a data channel of WebRTC, ordered and reliable, open or connecting;
 * or whatever else carries bytes in order, as a {@link PeerChannel}.
 */
export type PeerWay = MessagePort | RTCDataChannel | PeerChannel;

export interface PeerOptions {
  /** hears each change */
  readonly onStatus?: (status: PeerStatus) => void;
  /**
   * What of files goes over this link, in both directions: everything, which is the default; `"on-demand"`, only what is read or pinned on
   * either side, and nothing by itself; `false`, nothing. Each side says so for itself, and the stricter one rules.
   */
  readonly attachments?: boolean | "on-demand";
}

/** Who is at the other end. */
export interface PeerDevice {
  /** the key of the device, and of the user: of a user's first device they are the same */
  readonly device: string;
  readonly user: string;
}

/** A link with another device, without a server. */
export interface PeerConnection {
  /** which member's device it is, where that was shown: by an offer and its answer. Whoever a channel leads to is its maker's to know */
  readonly peer: PeerDevice | undefined;
  /** as it is now */
  readonly status: PeerStatus;
  /** Resolves when both have what either had. @throws why the link closed */
  sync(): Promise<void>;
  /** Close the link and its way. */
  disconnect(): Promise<void>;
}

export interface PeerCallOptions extends PeerOptions {
  /** Servers of STUN or TURN, where devices are not on one network, as browsers take them. Default: none, so nobody else is asked. */
  readonly rtc?:
    | {
        readonly iceServers?: {
          readonly urls: string | string[];
          readonly username?: string;
          readonly credential?: string;
        }[];
        /** `relay`: over a server of TURN only, which hides this device's addresses from the other */
        readonly iceTransportPolicy?: "all" | "relay";
      }
    | undefined;
}

/** The one half of a call by texts. It waits for ten minutes. */
export interface PeerOffer {
  /** for the other device, on whatever way: it tells nobody but members anything */
  readonly text: string;
  /**
   * Take the other's answer. A text that is refused leaves the offer as it is.
   *
   * @throws input/… for another text, access/… for who is no member or no more, entry/forged, net/… when no way leads there
   */
  accept(answer: string): Promise<PeerConnection>;
  /** Wait no longer. */
  cancel(): void;
}

/** The other half. */
export interface PeerAnswer {
  /** for the device that made the offer */
  readonly text: string;
  /** who made the offer */
  readonly peer: PeerDevice;
  /** Resolves once the other has taken the answer. @throws net/timeout after ten minutes, net/failed, aborted */
  readonly connected: Promise<PeerConnection>;
  cancel(): void;
}

/** Being there for other devices of the tenant, over its servers' blind mailbox. */
export interface PeerMeeting {
  /** those it is linked with now */
  readonly peers: readonly PeerConnection[];
  /** Be there no more; links that are open stay. */
  leave(): Promise<void>;
}

/** Links with other devices of a tenant, beside its servers or without any. */
export interface PeerCalls {
  /** Link with the device at the other end of a way, both ways and for as long as it is open, with no server between. */
  connectPeer(way: PeerWay, options?: PeerOptions): Promise<PeerConnection>;
  /** Begin to connect with another device by two texts that people carry over: make the first. */
  offerPeer(options?: PeerCallOptions): Promise<PeerOffer>;
  /**
   * Answer the offer of another device.
   *
   * @throws input/too-large, input/invalid, input/expired after ten minutes, input/used for one that was answered here; access/denied for
   *   one of nobody in this tenant, access/revoked; entry/forged; access/locked; key/missing; input/unknown-id in a browser without WebRTC
   */
  answerPeer(offer: string, options?: PeerCallOptions): Promise<PeerAnswer>;
  /**
   * Connect by itself with every other device that meets too: they find each other over the tenant's servers, and need none once they are
   * linked. A link that breaks is tried again while both are there.
   *
   * @throws access/locked, input/unknown-id in a browser without WebRTC
   */
  meetPeers(
    options?: PeerCallOptions & {
      /** hears each new link */
      readonly onPeer?: (peer: PeerConnection) => void;
    },
  ): Promise<PeerMeeting>;
}
