import { describe, expect, it } from "vitest";
import { CofferError, createPeerChannels, type PeerChannel } from "../std/index.ts";
import { freeChunks } from "./chunk-store.ts";
import { encodeFileFrame, fileBodyReader, type FileFrame } from "./file-frames.ts";
import { createFrameReader } from "./frames.ts";
import type { Standing, StandingOf } from "./held-chunks.ts";
import {
  addFile,
  createDevice,
  cutAfter,
  sealFile,
  type SealedFile,
  type TestDevice,
} from "./peer-fixture.ts";
import type { PeerOptions } from "./peer-link.ts";
import { createFixture } from "./sync-fixture.ts";

const fixture = await createFixture();
const minute = 60_000;
const old = await sealFile(fixture, [4000, 4000], minute);
const large = await sealFile(fixture, [6000, 6000, 6000, 6000, 6000, 100], 9 * minute);
const small = await sealFile(fixture, [500], 9 * minute + 1);
const all = [old, large, small];
const sizeOf = ({ ciphertexts }: SealedFile): number =>
  ciphertexts.reduce((sum, { length }) => sum + length, 0);

async function createHolder(...files: readonly SealedFile[]): Promise<TestDevice> {
  const holder = await createDevice(fixture);
  for (const file of files) await addFile(holder, file);
  return holder;
}

/** What a device asks for, in order. */
type Want = Extract<FileFrame, { type: "want" }>;

function watched(channel: PeerChannel, wants: Want[]): PeerChannel {
  const reader = createFrameReader(fileBodyReader);
  return {
    ...channel,
    post(message) {
      reader.push(message);
      for (let next = reader.next(); next.kind === "frame"; next = reader.next())
        if (next.frame.type === "want") wants.push(next.frame);
      channel.post(message);
    },
  };
}

function link(a: TestDevice, b: TestDevice, more: Partial<PeerOptions> = {}, cutBytes = Infinity) {
  const wants: Want[] = [];
  const [here, there] = createPeerChannels();
  const links = [
    a.link(watched(here, wants), { bringBytes: 1e9, ...more }),
    b.link(cutAfter(there, cutBytes)),
  ] as const;
  const close = (): void => links.forEach((one) => one.close());
  return { wants, links, close };
}

const heldOf = async (device: TestDevice, { ciphertexts, part }: SealedFile): Promise<number> => {
  const known = (await device.chunks.part(part.commitHash))?.chunks ?? [];
  const bytes = await device.chunks.chunksOf(part.chunks.map(({ hash }) => hash));
  return ciphertexts.filter((expected, index) => {
    const isHere = known[index]?.isHere === true;
    if (isHere) expect(Buffer.compare(bytes[index] ?? new Uint8Array(), expected)).toBe(0);
    return isHere;
  }).length;
};
const countOf = async (device: TestDevice, files = all): Promise<readonly number[]> =>
  Promise.all(files.map((file) => heldOf(device, file)));

/** Long enough for whatever would still come. */
const settle = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 250));

describe("contents of files that a peer holds", () => {
  it("come by themselves behind the documents, the newest first, of those the smallest, and what is added later", async () => {
    const holder = await createHolder(old, large, small);
    const reader = await createDevice(fixture);
    let broughtCount = 0;
    const { links, wants } = link(reader, holder, { onBrought: () => (broughtCount += 1) });
    await expect.poll(() => countOf(reader)).toEqual([2, 6, 1]);
    const order = [...new Set(wants.map(({ commitHash }) => commitHash))];
    expect(order).toEqual([small, large, old].map(({ part }) => part.commitHash));
    expect(wants.every(({ indexes }) => indexes.length <= 4)).toBe(true);
    const later = await sealFile(fixture, [300], 20 * minute);
    await addFile(holder, later);
    await expect.poll(() => heldOf(reader, later)).toBe(1);
    await expect.poll(() => broughtCount).toBe(4);
    expect(links.map(({ status }) => status.phase)).toEqual(["live", "live"]);
    // What came stays until a server has it.
    expect(await freeChunks(reader.chunks, 1e9)).toBe(0);
  });

  it("go on whole to a third device by one that gets them at the same time, though it has no keys", async () => {
    const holder = await createHolder();
    const [relay, reader] = [await createDevice(fixture), await createDevice(fixture)];
    const [here, there] = createPeerChannels();
    let chunkCount = 0;
    const slow: PeerChannel = {
      ...there,
      post(message) {
        if (message[0] === 18) chunkCount += 1;
        // Behind the first question nothing is in a hurry.
        if (chunkCount > 4) setTimeout(() => there.post(message), 300);
        else there.post(message);
      },
    };
    relay.link(here, { bringBytes: 1e9, userKey: undefined });
    holder.link(slow);
    link(reader, relay);
    await addFile(holder, large);
    await expect.poll(() => heldOf(reader, large)).toBe(6);
  });

  it("come no further than so many bytes in a link's life, and than the budget", async () => {
    const holder = await createHolder(old, large, small);
    for (const [bringBytes, expected] of [
      [sizeOf(small) - 1, [0, 0, 0]],
      [sizeOf(small) + sizeOf(old), [2, 0, 1]],
      [sizeOf(small) + sizeOf(large), [0, 6, 1]],
    ] as const) {
      const reader = await createDevice(fixture);
      const { links, close } = link(reader, holder, { bringBytes });
      await links[0].sync();
      await expect.poll(() => countOf(reader)).toEqual(expected);
      await settle();
      expect(await countOf(reader)).toEqual(expected);
      close();
      const frugal = await createDevice(fixture);
      await frugal.chunks.setBudget(bringBytes);
      const second = link(frugal, holder);
      await second.links[0].sync();
      await expect.poll(() => countOf(frugal)).toEqual(expected);
      await settle();
      expect(await countOf(frugal)).toEqual(expected);
      second.close();
    }
  });

  it("do not come where the device let them go, but where they are pinned or were begun, from the next chunk on", async () => {
    const holder = await createHolder(old, large, small);
    const reader = await createDevice(fixture);
    for (const { commit } of all) await reader.write(commit);
    const [chunk = new Uint8Array()] = small.ciphertexts;
    await reader.chunks.addFetched(small.part, 0, chunk);
    await freeChunks(reader.chunks, 1e9);
    await reader.chunks.pin(old.part, true);
    await reader.chunks.addFetched(large.part, 0, large.ciphertexts[0] ?? chunk);
    const { wants } = link(reader, holder);
    await expect.poll(() => countOf(reader)).toEqual([2, 6, 0]);
    await settle();
    expect(await countOf(reader)).toEqual([2, 6, 0]);
    const asked = wants
      .filter(({ commitHash }) => commitHash === large.part.commitHash)
      .flatMap(({ indexes }) => indexes);
    expect(asked).toEqual([1, 2, 3, 4, 5]);
  });

  it("of a document that is purged while they come do not stay, and of one that was purged are not asked for", async () => {
    const holder = await createHolder(old, large, small);
    const reader = await createDevice(fixture);
    const purged = new Set<string>([old.part.docId]);
    let keptCount = 0;
    reader.chunks.onChange((commitHash) => {
      if (commitHash === large.part.commitHash) keptCount += 1;
      // Whoever purges has erased before this is kept.
      if (commitHash === large.part.commitHash && keptCount === 1) purged.add(large.part.docId);
    });
    const { links, wants } = link(reader, holder, { isPurged: async (docId) => purged.has(docId) });
    await links[0].sync();
    await expect.poll(() => countOf(reader)).toEqual([0, 0, 1]);
    await settle();
    expect(await countOf(reader)).toEqual([0, 0, 1]);
    expect(await reader.chunks.part(large.part.commitHash)).toBeUndefined();
    expect(await reader.chunks.chunksOf(large.part.chunks.map(({ hash }) => hash))).toEqual(
      large.part.chunks.map(() => undefined),
    );
    // After its first question nothing of that document was asked for.
    expect(wants.map(({ commitHash }) => commitHash)).toEqual(
      [small, large].map(({ part }) => part.commitHash),
    );
  });

  it("wait where it is not known what was purged, and come once it is", async () => {
    const holder = await createHolder(old, small);
    const reader = await createDevice(fixture);
    let isKnown = false;
    const { links, wants } = link(reader, holder, { isPurged: async () => (isKnown ? false : undefined) });
    await links[0].sync();
    await links[0].sync();
    await settle();
    expect(wants).toEqual([]);
    isKnown = true;
    links[0].bring();
    await expect.poll(() => countOf(reader)).toEqual([2, 0, 1]);
  });

  it("go on at the chunk after a link broke at any byte: one question at most is asked again", async () => {
    const holder = await createHolder(large);
    for (let cut = 1500; cut < 29_000; cut += 3001) {
      const reader = await createDevice(fixture);
      await reader.write(large.commit);
      const first = link(reader, holder, {}, cut);
      await expect.poll(() => first.links[0].status.phase).toBe("closed");
      const second = link(reader, holder);
      await expect.poll(() => heldOf(reader, large)).toBe(6);
      const asked = [...first.wants, ...second.wants].flatMap(({ indexes }) => indexes);
      expect(asked.length).toBeLessThanOrEqual(6 + 4);
      second.close();
    }
  });

  it("stop coming on a full disk, and the link goes on", async () => {
    const holder = await createHolder(large);
    const reader = await createDevice(fixture);
    const chunks = new Proxy(reader.chunks, {
      get(target, name) {
        if (name === "change") throw new CofferError("store/quota");
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
    const { links, wants } = link(reader, holder, { chunks });
    await links[0].sync();
    await expect.poll(() => wants.length).toBe(1);
    await settle();
    expect(wants).toHaveLength(1);
    await links[0].sync();
    expect(links[0].status.phase).toBe("live");
  });

  it("are told by a list that has an end, and of commits that are nowhere nothing is asked", async () => {
    const holder = await createHolder();
    const reader = await createDevice(fixture);
    const [here, there] = createPeerChannels();
    const wants: Want[] = [];
    const links = [reader.link(watched(here, wants), { bringBytes: 1e9 }), holder.link(there)] as const;
    await links[0].sync();
    const { commitHash, dbId } = small.part;
    const parts = Array.from({ length: 1000 }, () => ({ commitHash, dbId }));
    const held = encodeFileFrame({ type: "held", parts });
    for (let count = 0; count < 8; count++) there.post(held);
    await settle();
    expect(links[0].status.phase).toBe("live");
    expect(wants).toEqual([]);
    for (let count = 0; count < 8; count++) there.post(held);
    await expect.poll(() => links[0].status).toMatchObject({ phase: "closed", error: "protocol/malformed" });
  });

  it("of which the commits are not here cost no reading, and come once they are", async () => {
    const holder = await createDevice(fixture);
    await addFile({ chunks: holder.chunks, write: async () => undefined }, small);
    const reader = await createDevice(fixture);
    let readCount = 0;
    const chunks = new Proxy(reader.chunks, {
      get(target, name) {
        if (name === "part") readCount += 1;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
    const { links, wants } = link(reader, holder, { chunks });
    for (let round = 0; round < 3; round++) await links[0].sync();
    await settle();
    expect([readCount, wants]).toEqual([0, []]);
    await holder.write(small.commit);
    await expect.poll(() => heldOf(reader, small)).toBe(1);
  });

  it("of commits that are not judged are not asked for, nor ever once they are refused; others do not wait for them", async () => {
    const holder = await createHolder(old, large, small);
    const reader = await createDevice(fixture);
    const standings = new Map<string, Standing>([
      [small.part.commitHash, "unknown"],
      [large.part.commitHash, "unknown"],
      [old.part.commitHash, "accepted"],
    ]);
    const standingOf: StandingOf = ({ commitHash }) => standings.get(commitHash) ?? "unknown";
    const { links, wants } = link(reader, holder, { standingOf });
    await expect.poll(() => countOf(reader)).toEqual([2, 0, 0]);
    await settle();
    expect(await countOf(reader)).toEqual([2, 0, 0]);
    standings.set(small.part.commitHash, "refused");
    standings.set(large.part.commitHash, "accepted");
    links[0].bring();
    await expect.poll(() => countOf(reader)).toEqual([2, 6, 0]);
    await settle();
    expect([...new Set(wants.map(({ commitHash }) => commitHash))]).toEqual(
      [old, large].map(({ part }) => part.commitHash),
    );
    expect(await reader.chunks.part(small.part.commitHash)).toBeUndefined();
    expect(links.map(({ status }) => status.phase)).toEqual(["live", "live"]);
  });

  it("of which some came before their commit was judged go on behind them, and are kept as all others", async () => {
    const holder = await createHolder(large);
    const reader = await createDevice(fixture);
    await reader.write(large.commit);
    const unjudged = { ...large.part, isNamed: false, isOwn: false };
    const [first = new Uint8Array()] = large.ciphertexts;
    await reader.chunks.addFetched(unjudged, 0, first);
    const { wants } = link(reader, holder);
    await expect.poll(() => heldOf(reader, large)).toBe(6);
    expect(wants.flatMap(({ indexes }) => indexes)).toEqual([1, 2, 3, 4, 5]);
    expect(await reader.chunks.part(large.part.commitHash)).toMatchObject({ isNamed: true, isOwn: true });
    expect(await freeChunks(reader.chunks, 1e9)).toBe(0);
  });

  it("that are other bytes end the link, and nothing of them is kept", async () => {
    const holder = await createHolder(old, small);
    const reader = await createDevice(fixture);
    const [here, there] = createPeerChannels();
    const bent: PeerChannel = {
      ...there,
      post(message) {
        const said = message.slice();
        if (said[0] === 18) said[said.length - 1] = (said.at(-1) ?? 0) ^ 1;
        there.post(said);
      },
    };
    const links = [reader.link(here, { bringBytes: 1e9 }), holder.link(bent)] as const;
    await expect.poll(() => links[0].status).toMatchObject({ phase: "closed", error: "entry/corrupt" });
    expect(await countOf(reader)).toEqual([0, 0, 0]);
  });
});
