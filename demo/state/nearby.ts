/** The devices that this page is linked with directly: links outlive the screen where they were made. */
import { signal } from "@preact/signals";
import type { PeerConnection, PeerStatus } from "cofferdb";

/** One link, and how it is doing. */
export interface NearbyDevice {
  readonly link: PeerConnection;
  readonly phase: PeerStatus["phase"];
}

/** Those that are open, in the order in which they came. */
export const nearby = signal<readonly NearbyDevice[]>([]);

/** Hear how a link is doing, from its beginning. The link itself is known a little later. */
export function watchNearby(): {
  readonly onStatus: (status: PeerStatus) => void;
  readonly keep: (link: PeerConnection) => void;
} {
  let link: PeerConnection | undefined;
  const show = (phase: PeerStatus["phase"]): void => {
    const others = nearby.peek().filter((one) => one.link !== link);
    nearby.value = link === undefined || phase === "closed" ? others : [...others, { link, phase }];
  };
  return {
    onStatus: ({ phase }) => show(phase),
    keep(made) {
      link = made;
      show(made.status.phase);
    },
  };
}
