/** What page and worker say to each other about peers. */
import type { Tenant } from "../src/page/types.ts";

/** For a peer's channel, or about its link. */
export type PeerEvent =
  | { readonly kind: "peer"; readonly subscription: number; readonly message: Uint8Array }
  | {
      readonly kind: "peer";
      readonly subscription: number;
      readonly status: Awaited<ReturnType<Tenant["connectPeer"]>>["status"];
    };

/** The calls about peers. */
export interface PeerCalls {
  /**
   * Link with the peer at the other end of a channel that the page holds; with `device`, for as long as that is a member's. `attachments`:
   * what of files goes over it; left out, all.
   */
  openPeer(
    tenantId: string,
    subscription: number,
    device?: string,
    attachments?: boolean | "on-demand",
  ): Promise<void>;
  /** What came on the channel; `null`: it closed. */
  tellPeer(subscription: number, message: Uint8Array | null): Promise<void>;
  /** Resolves when a round that began after the call is over. */
  syncPeer(subscription: number): Promise<void>;
  closePeer(subscription: number): Promise<void>;
  /** Write an offer, or with `to` the answer to one, as text. `signal`: JSON, which the page reads again. */
  writePeerWord(
    tenantId: string,
    signal: unknown,
    to?: string,
  ): Promise<{ readonly id: string; readonly text: string }>;
  /** Read an offer, or with `to` the answer to that one. @throws `input/…`, `access/…`, `entry/forged`, `key/missing` */
  readPeerWord(tenantId: string, text: string, to?: string): Promise<PeerWordMessage>;
  /** Be there for the tenant's other devices: a presence of its own, see presence-api.ts. @throws `access/locked` */
  openMeeting(tenantId: string, subscription: number): Promise<void>;
}

/** What an offer or an answer says, and which member's device said it. */
export interface PeerWordMessage {
  readonly id: string;
  readonly signal: unknown;
  readonly device: string;
  readonly user: string;
}
