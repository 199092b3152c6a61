/** Presence as an application sees it. */
import type { ReadonlySignal } from "@preact/signals-core";
import type { Release } from "../std/index.ts";

/** Somebody who is here: one tab or window of a member, and what it shows of itself. */
export interface Peer {
  /** this presence, for as long as it lasts */
  readonly id: string;
  /** the key of the device, and of the user: of a user's first device they are the same */
  readonly device: string;
  readonly user: string;
  /** what the other shows: plain JSON, as the other's application wrote it */
  readonly state: unknown;
}

/** Who is here, and what they say for the moment. Kept nowhere, and sealed on its way as documents are. */
export interface Presence {
  /** the others, in the order in which they came; who falls silent is gone after 45 seconds */
  readonly peers: ReadonlySignal<readonly Peer[]>;
  /**
   * Be here, and show this: plain JSON of at most 2,048 bytes, such as a cursor, or that one types. `undefined`: be here no
   * longer. Calls in quick succession are sent as one.
   */
  set(state: unknown): Promise<void>;
  /** Say something to everybody who listens now: plain JSON of at most 2,048 bytes, under a name of at most 64. */
  broadcast(name: string, value: unknown): Promise<void>;
  /** Hear what others say under a name. */
  onBroadcast(name: string, listener: (value: unknown, from: Omit<Peer, "state">) => void): Release;
  /** Say goodbye. */
  dispose(): void;
  [Symbol.dispose](): void;
}
