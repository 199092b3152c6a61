/** The part of the contract that is about who is here. */
import type { Peer } from "../src/page/types.ts";

/** Who is here now, but for this presence itself. */
export interface PresenceEvent {
  readonly kind: "presence";
  readonly subscription: number;
  readonly peers: readonly Peer[];
}

/** Somebody said something to everybody. */
export interface BroadcastEvent {
  readonly kind: "broadcast";
  readonly subscription: number;
  readonly name: string;
  readonly value: unknown;
  readonly from: Omit<Peer, "state">;
}

/** The calls about who is here. */
export interface PresenceCalls {
  /** Listen in a database, as one presence. @throws `access/locked` */
  openPresence(database: number, subscription: number): Promise<void>;
  /** @throws `input/invalid` for what is no JSON, `input/too-large` over 2,048 bytes */
  setPresence(subscription: number, state: unknown): Promise<void>;
  broadcast(subscription: number, name: string, value: unknown): Promise<void>;
  closePresence(subscription: number): Promise<void>;
}
