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
}

/** A link with another device, without a server. */
export interface PeerConnection {
  /** as it is now */
  readonly status: PeerStatus;
  /** Resolves when both have what either had. @throws why the link closed */
  sync(): Promise<void>;
  /** Close the link and its way. */
  disconnect(): Promise<void>;
}
