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
  /** Link with the peer at the other end of a channel that the page holds. */
  openPeer(tenantId: string, subscription: number): Promise<void>;
  /** What came on the channel; `null`: it closed. */
  tellPeer(subscription: number, message: Uint8Array | null): Promise<void>;
  /** Resolves when a round that began after the call is over. */
  syncPeer(subscription: number): Promise<void>;
  closePeer(subscription: number): Promise<void>;
}
