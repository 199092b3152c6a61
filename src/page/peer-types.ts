/** What the page says of peers. */
import type { CofferErrorCode, PeerChannel } from "../std/index.ts";

/** How a link with a peer is doing. */
export interface PeerStatus {
  /** `live`: everything was asked when it was last looked; `closed`: for good, a new channel is needed */
  readonly phase: "connecting" | "syncing" | "live" | "closed";
  readonly sentCommits: number;
  readonly receivedCommits: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** why it closed; `undefined` when either side wanted it */
  readonly error: CofferErrorCode | undefined;
}

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
