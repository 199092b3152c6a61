/** What the tests of peers share: devices with stores, and channels that cut, count and lie. */
import { createSystemEnv, type CommitHash, type Env } from "../std/index.ts";
import { createContentKey, deriveDocId, sealCommit } from "../entry/index.ts";
import { createMemoryStorage, type Store } from "../store/index.ts";
import { ChunkStore } from "./chunk-store.ts";
import { createDeviceSets } from "./device-sets.ts";
import { encodeFrames } from "./frames.ts";
import type { Frame } from "./messages.ts";
import { bytesToId, createPeerChannels, type PeerChannel } from "../std/index.ts";
import { partOf } from "./held-chunks.ts";
import { linkPeer, type PeerLink, type PeerOptions } from "./peer-link.ts";
import type { StoredPart } from "./stored-part.ts";
import type { Fixture } from "./sync-fixture.ts";

const system = createSystemEnv();
/** The real world, but what waits for minutes in it waits for seconds. */
const env: Env = { ...system, setTimer: (afterMs, run) => system.setTimer(Math.min(afterMs, 4000) / 4, run) };

export type Sealed = Awaited<ReturnType<Fixture["seal"]>>;

/** A device that holds commits of a tenant. */
export interface TestDevice {
  readonly store: Store;
  readonly chunks: ChunkStore;
  write(...commits: readonly Sealed[]): Promise<void>;
  /** what is in its log, in order of hashes; each as often as it is there */
  hashes(): Promise<readonly CommitHash[]>;
  link(channel: PeerChannel, more?: Partial<PeerOptions>): PeerLink;
}

/** Create a device of the fixture's tenant. */
export async function createDevice(fixture: Fixture): Promise<TestDevice> {
  const { crypto, tenantId } = fixture;
  const storage = createMemoryStorage(env);
  const store = await storage.openStore("tenant");
  const chunks = new ChunkStore(storage, "test", tenantId);
  const sets = createDeviceSets(store, tenantId);
  return {
    store,
    chunks,
    async write(...commits) {
      const records = commits.map(({ commitHash, bytes }) => ({ commitHash, bytes, origin: "" }));
      await store.write({ records });
    },
    async hashes() {
      const records = await store.readLog({ after: 0, maxCount: 100_000, maxBytes: 1e9 });
      return records.map(({ commitHash }) => commitHash).toSorted();
    },
    link: (channel, more = {}) =>
      linkPeer({
        env,
        crypto,
        store,
        sets,
        chunks,
        tenantId,
        channel,
        userKey: fixture.signer.key,
        bringBytes: 0,
        standingOf: () => "accepted",
        ...more,
      }),
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

/** A part of a file: its commit, without the ciphertexts, and those. */
export interface SealedFile {
  readonly commit: Sealed;
  /** as a device knows it that has none of it */
  readonly part: StoredPart;
  readonly ciphertexts: readonly Uint8Array<ArrayBuffer>[];
}

/** Seal a part of a file, a chunk for each size. */
export async function sealFile(
  { crypto, dbId, signer, tenantId }: Fixture,
  sizes: readonly number[],
  createdAtMs = 1,
): Promise<SealedFile> {
  const keyId = bytesToId("KeyId", new Uint8Array(16).fill(3));
  const key = await createContentKey(crypto, { keyId, epoch: 1, secret: new Uint8Array(32).fill(5) });
  const writerNonce = crypto.randomBytes(16);
  const docId = deriveDocId(crypto, {
    tenantId,
    dbId,
    keyId,
    author: signer.key,
    writerNonce,
    docCounter: 1,
  });
  const sealed = await sealCommit(crypto, {
    tenantId,
    dbId,
    author: signer.key,
    signingKey: signer.privateKey,
    writerNonce,
    writerSeq: 1,
    predecessors: [],
    directoryHead: bytesToId("CommitHash", new Uint8Array(32).fill(1)),
    createdAtMs,
    entries: sizes.map((size, index) => ({
      entryType: "attachment_chunk" as const,
      docId,
      dependencies: index === 0 ? [] : [{ index: index - 1 }],
      key,
      isApart: true,
      plaintext: Uint8Array.from({ length: size }, (_, at) => (at * 31 + index) & 255),
    })),
  });
  const part = partOf(sealed, { isNamed: true, isOwn: false, usedAtMs: 0 });
  if (part === undefined) throw new Error("a part");
  return {
    commit: { ...sealed, bytes: new Uint8Array(sealed.bytes) },
    part,
    ciphertexts: sealed.entries.map(({ ciphertext }) => new Uint8Array(ciphertext ?? [])),
  };
}

/** A device wrote a file: its commits are in the log, its chunks beside it. */
export async function addFile(
  device: Pick<TestDevice, "chunks" | "write">,
  { ciphertexts, commit, part }: SealedFile,
  isNamed = true,
): Promise<void> {
  await device.write(commit);
  const own = part.chunks.map(({ hash }, index) => ({ hash, bytes: ciphertexts[index] ?? new Uint8Array() }));
  await device.chunks.addOwn(part, own, 1);
  if (isNamed) await device.chunks.edit(part.commitHash, (before) => ({ ...before, isNamed }));
}
