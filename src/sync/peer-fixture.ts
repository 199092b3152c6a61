/** What the tests of peers share: devices with stores, and channels that cut, count and lie. */
import { createSystemEnv, type CommitHash, type Env } from "../std/index.ts";
import { createMemoryStorage, type Store } from "../store/index.ts";
import { createDeviceSets } from "./device-sets.ts";
import { encodeFrames } from "./frames.ts";
import type { Frame } from "./messages.ts";
import { createPeerChannels, type PeerChannel } from "../std/index.ts";
import { linkPeer, type PeerLink, type PeerOptions } from "./peer-link.ts";
import type { Fixture } from "./sync-fixture.ts";

const system = createSystemEnv();
/** The real world, but what waits for minutes in it waits for seconds. */
const env: Env = { ...system, setTimer: (afterMs, run) => system.setTimer(Math.min(afterMs, 4000) / 4, run) };

export type Sealed = Awaited<ReturnType<Fixture["seal"]>>;

/** A device that holds commits of a tenant. */
export interface TestDevice {
  readonly store: Store;
  write(...commits: readonly Sealed[]): Promise<void>;
  /** what is in its log, in order of hashes; each as often as it is there */
  hashes(): Promise<readonly CommitHash[]>;
  link(channel: PeerChannel, more?: Partial<PeerOptions>): PeerLink;
}

/** Create a device of the fixture's tenant. */
export async function createDevice(fixture: Fixture): Promise<TestDevice> {
  const { crypto, tenantId } = fixture;
  const store = await createMemoryStorage(env).openStore("tenant");
  const sets = createDeviceSets(store, tenantId);
  return {
    store,
    async write(...commits) {
      const records = commits.map(({ commitHash, bytes }) => ({ commitHash, bytes, origin: "" }));
      await store.write({ records });
    },
    async hashes() {
      const records = await store.readLog({ after: 0, maxCount: 100_000, maxBytes: 1e9 });
      return records.map(({ commitHash }) => commitHash).toSorted();
    },
    link: (channel, more = {}) =>
      linkPeer({ env, crypto, store, sets, tenantId, channel, userKey: fixture.signer.key, ...more }),
  };
}

/** Link two devices; both links are over once one is closed. */
export function linkDevices(a: TestDevice, b: TestDevice, more: Partial<PeerOptions> = {}) {
  const [here, there] = createPeerChannels();
  return [a.link(here, more), b.link(there, more)] as const;
}

/** A channel that breaks after so many bytes of what its owner sends, in the middle of a message; both ends hear of it. */
export function cutAfter(channel: PeerChannel, sizeBytes: number): PeerChannel {
  let left = sizeBytes;
  let onBreak: () => void = () => undefined;
  return {
    ...channel,
    onClose(listener) {
      onBreak = listener;
      return channel.onClose(listener);
    },
    post(message) {
      if (left <= 0) return;
      channel.post(message.slice(0, left));
      left -= message.length;
      if (left > 0) return;
      channel.close();
      queueMicrotask(onBreak);
    },
  };
}

/** Send frames by hand. */
export function say(channel: PeerChannel, ...frames: readonly Frame[]): void {
  channel.post(encodeFrames(frames));
}
