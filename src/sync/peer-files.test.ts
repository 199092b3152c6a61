import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ByteWriter,
  createPeerChannels,
  idToBytes,
  maxWaitingBytes,
  openDataChannel,
  utf8ToBytes,
  type PeerChannel,
} from "../std/index.ts";
import { runsOf } from "../std/runs-fixtures.ts";
import { factsOf, mayGo } from "./chunk-eviction.ts";
import { freeChunks } from "./chunk-store.ts";
import { createChannels } from "./data-channel-fixtures.ts";
import { encodeFileFrame, fileBodyReader, type FileFrame } from "./file-frames.ts";
import { createFrameReader } from "./frames.ts";
import type { Frame } from "./messages.ts";
import {
  addFile,
  createDevice,
  cutAfter,
  linkDevices,
  say,
  sealFile,
  type SealedFile,
  type TestDevice,
} from "./peer-fixture.ts";
import type { PeerLink } from "./peer-link.ts";
import { createFixture } from "./sync-fixture.ts";

const fixture = await createFixture();
const { crypto, tenantId } = fixture;
const sizes = [9000, 9000, 9000, 500];
const file = await sealFile(fixture, sizes);
const other = await sealFile(fixture, [700]);
const noise: Frame = { type: "note" };

/** Two devices, one of which has the file, and both its commit. */
async function createPair(isNamed = true): Promise<readonly [reader: TestDevice, holder: TestDevice]> {
  const [reader, holder] = [await createDevice(fixture), await createDevice(fixture)];
  await reader.write(file.commit);
  await addFile(holder, file, isNamed);
  return [reader, holder];
}

async function linked(a: TestDevice, b: TestDevice, more = {}): Promise<readonly [PeerLink, PeerLink]> {
  const links = linkDevices(a, b, more);
  await Promise.all(links.map((link) => link.sync()));
  return links;
}

const heldOf = async (device: TestDevice, { part }: SealedFile = file): Promise<readonly boolean[]> =>
  (await device.chunks.part(part.commitHash))?.chunks.map(({ isHere }) => isHere) ?? [];

describe("contents of files between two peers", () => {
  it("come when they are asked for, are kept, and count as no server's receipt", async () => {
    const [reader, holder] = await createPair();
    const [link, back] = await linked(reader, holder);
    for (const [index, bytes] of file.ciphertexts.entries())
      expect(await link.fetch(file.part, index)).toEqual(bytes);
    expect(await heldOf(reader)).toEqual([true, true, true, true]);
    expect(await reader.chunks.chunksOf(file.part.chunks.map(({ hash }) => hash))).toEqual(file.ciphertexts);
    const kept = (await reader.chunks.part(file.part.commitHash)) ?? expect.fail("kept");
    expect(kept).toMatchObject({ isOwn: true, isNamed: true, received: new Map() });
    expect(kept.chunks.some((_, index) => mayGo(kept, index))).toBe(false);
    expect(factsOf(kept).unsafeBytes).toBe(factsOf(kept).totalBytes);
    expect(await freeChunks(reader.chunks, 1e9)).toBe(0);
    // And the other way on the same link.
    await addFile(reader, other);
    await Promise.all([link.sync(), back.sync()]);
    expect(await back.fetch(other.part, 0)).toEqual(other.ciphertexts[0]);
    expect([link.status.phase, back.status.phase]).toEqual(["live", "live"]);
  });

  it("that a server handed out in part stay with what a peer brought, until there is a receipt", async () => {
    const [reader, holder] = await createPair();
    const [bytes] = file.ciphertexts;
    if (bytes === undefined) return;
    await reader.chunks.addFetched(file.part, 0, bytes);
    const [link] = await linked(reader, holder);
    await link.fetch(file.part, 1);
    expect(await freeChunks(reader.chunks, 1e9)).toBe(0);
    expect(await heldOf(reader)).toEqual([true, true, false, false]);
  });

  it("asked for at once come one after the other, each to who asked", async () => {
    const [reader, holder] = await createPair();
    const [link] = await linked(reader, holder);
    const asked = [3, 0, 2, 1, 0];
    const found = await Promise.all(asked.map((index) => link.fetch(file.part, index)));
    expect(found).toEqual(asked.map((index) => file.ciphertexts[index]));
  });

  it("are not to be had where they are not, where no document names them, or where the disk has other bytes", async () => {
    const [reader, holder] = await createPair(false);
    const links = await linked(reader, holder);
    const [link] = links;
    expect(await link.fetch(file.part, 0)).toBeUndefined();
    await holder.chunks.edit(file.part.commitHash, (part) => ({ ...part, isNamed: true }));
    expect(await link.fetch(file.part, 0)).toEqual(file.ciphertexts[0]);
    const bent = new Uint8Array(file.ciphertexts[1] ?? []).fill(7, 3, 4);
    await holder.chunks.addFetched(file.part, 1, bent);
    expect(await link.fetch(file.part, 1)).toBeUndefined();
    expect(await link.fetch(other.part, 0)).toBeUndefined();
    expect(links.map(({ status }) => status.phase)).toEqual(["live", "live"]);
    expect(await heldOf(reader)).toEqual([true, false, false, false]);
  });

  it("are not given on the word of nobody: where a commit is not judged only what a document named before, refused nothing", async () => {
    for (const [standing, isKnown, isGiven] of [
      ["accepted", false, true],
      ["unknown", true, true],
      ["unknown", false, false],
      ["refused", true, false],
      ["refused", false, false],
    ] as const) {
      const [reader, holder] = await createPair();
      // Another part has the same chunks, so that they are here though this one is not.
      if (!isKnown) {
        const twin = { ...file.part, commitHash: other.part.commitHash };
        const [bytes = new Uint8Array()] = file.ciphertexts;
        await holder.chunks.addFetched(twin, 0, bytes);
        await holder.chunks.erase([file.part]);
      }
      const [here, there] = createPeerChannels();
      const links = [reader.link(here), holder.link(there, { standingOf: () => standing })] as const;
      await Promise.all(links.map((link) => link.sync()));
      expect((await links[0].fetch(file.part, 0)) !== undefined).toBe(isGiven);
      expect(links.map(({ status }) => status.phase)).toEqual(["live", "live"]);
    }
  });

  it("are not given for a commit that is not in the log, whoever knows its hash", async () => {
    const [reader, holder] = [await createDevice(fixture), await createDevice(fixture)];
    await addFile({ chunks: holder.chunks, write: async () => undefined }, file);
    const [link] = await linked(reader, holder);
    expect(await link.fetch(file.part, 0)).toBeUndefined();
  });

  it("go over a relay without keys, which holds what it asked for", async () => {
    const [reader, holder] = await createPair();
    const relay = await createDevice(fixture);
    await linked(relay, holder, { userKey: undefined });
    const [carrier] = await linked(relay, holder, { userKey: undefined });
    for (const index of sizes.keys()) await carrier.fetch(file.part, index);
    const [link] = await linked(reader, relay);
    expect(await link.fetch(file.part, 3)).toEqual(file.ciphertexts[3]);
  });

  it("are asked of nobody who holds none", async () => {
    const [reader, holder] = await createPair();
    const [here, there] = createPeerChannels();
    const links = [reader.link(here), holder.link(there, { chunks: undefined })] as const;
    await Promise.all(links.map((link) => link.sync()));
    expect(await links[0].fetch(file.part, 0)).toBeUndefined();
    expect(await links[1].fetch(file.part, 0)).toBeUndefined();
    expect(links.map(({ status }) => status.phase)).toEqual(["live", "live"]);
  });

  it("go on behind what came, after the way broke at any byte, and no chunk crosses twice but the one that was cut", async () => {
    for (let cut = 200; cut < 29_000; cut += 1931) {
      const [reader, holder] = await createPair();
      let crossed = 0;
      const readAll = async (limit: number): Promise<void> => {
        const [here, there] = createPeerChannels();
        const counted: PeerChannel = {
          ...there,
          post(message) {
            if (message.length > 400) crossed += 1;
            there.post(message);
          },
        };
        const links = [reader.link(here), holder.link(cutAfter(counted, limit))];
        await Promise.allSettled(links.map((link) => link.sync()));
        for (const [index, isHere] of [...(await heldOf(reader)), ...sizes.map(() => false)]
          .slice(0, 4)
          .entries())
          if (!isHere) await links[0]?.fetch(file.part, index).catch(() => undefined);
        for (const link of links) link.close();
      };
      await readAll(cut);
      await readAll(Infinity);
      expect(await heldOf(reader)).toEqual([true, true, true, true]);
      expect(await reader.chunks.chunksOf(file.part.chunks.map(({ hash }) => hash))).toEqual(
        file.ciphertexts,
      );
      expect(crossed).toBeLessThanOrEqual(5);
    }
  });
});

const lowest = new Uint8Array(16);

/** A member that holds everything and says what a test says. */
function createLiar(channel: PeerChannel, onWant: (want: Extract<FileFrame, { type: "want" }>) => void) {
  const heard: (Frame | FileFrame)[] = [];
  const reader = createFrameReader(fileBodyReader);
  channel.onMessage((message) => {
    reader.push(message);
    for (let next = reader.next(); next.kind === "frame"; next = reader.next()) {
      const { frame } = next;
      heard.push(frame);
      if (frame.type === "want") onWant(frame);
      if (frame.type !== "hello") continue;
      const nonces = new ByteWriter().fixed(idToBytes(tenantId)).fixed(lowest).fixed(frame.replicaId);
      say(channel, { type: "peer", proof: crypto.sha256(utf8ToBytes("coffer/peer/v1\0"), nonces.toBytes()) });
      channel.post(encodeFileFrame({ type: "files" }));
    }
  });
  say(channel, { type: "hello", version: 1, replicaId: lowest });
  return heard;
}

const chunkOf = (index: number, ciphertext: Uint8Array<ArrayBuffer> | undefined, of = file): FileFrame => ({
  type: "chunk",
  dbId: of.part.dbId,
  commitHash: of.part.commitHash,
  index,
  ciphertext,
});

async function meetLiar(answer: (channel: PeerChannel) => void, more = {}) {
  const [device] = await createPair();
  const [here, there] = createPeerChannels();
  const link = device.link(here, more);
  const heard = createLiar(there, () => answer(there));
  await expect.poll(() => heard.some(({ type }) => type === "files")).toBe(true);
  // What it said before is taken in.
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  return { device, link, heard, channel: there };
}

describe("a peer that lies about contents of files", () => {
  const [first = new Uint8Array()] = file.ciphertexts;
  const frames =
    (...list: readonly FileFrame[]) =>
    (channel: PeerChannel) => {
      for (const frame of list) channel.post(encodeFileFrame(frame));
    };
  const [bent, long] = [first.slice(), new Uint8Array(first.length + 1)];
  bent[40] = (bent[40] ?? 0) ^ 1;
  long.set(first);
  const tooLarge = new ByteWriter()
    .u8(18)
    .sized(new Uint8Array(49 + 307_201))
    .toBytes();
  const lies: readonly (readonly [string, (channel: PeerChannel) => void, string])[] = [
    ["other bytes", frames(chunkOf(0, bent)), "entry/corrupt"],
    ["too few", frames(chunkOf(0, first.slice(1))), "entry/corrupt"],
    ["too many", frames(chunkOf(0, long)), "entry/corrupt"],
    ["another chunk of it", frames(chunkOf(1, file.ciphertexts[1])), "protocol/malformed"],
    ["a chunk of another file", frames(chunkOf(0, other.ciphertexts[0], other)), "protocol/malformed"],
    ["other bytes, and then the right ones", frames(chunkOf(0, bent), chunkOf(0, first)), "entry/corrupt"],
    ["more than any chunk", (channel) => channel.post(tooLarge), "protocol/malformed"],
    [
      "half of it, and then nothing",
      (channel) => channel.post(encodeFileFrame(chunkOf(0, first)).slice(0, 99)),
      "net/timeout",
    ],
    ["nothing", () => undefined, "net/timeout"],
  ];

  it.each(lies)("costs nothing and is linked no more: %s", async (_name, answer, code) => {
    const { device, link } = await meetLiar(answer);
    await expect(link.fetch(file.part, 0)).rejects.toMatchObject({ code });
    expect(link.status).toMatchObject({ phase: "closed", error: code });
    expect(await heldOf(device)).toEqual([]);
    await expect(device.chunks.chunksOf([file.part.chunks[0]?.hash ?? first])).resolves.toEqual([undefined]);
    expect(await link.fetch(file.part, 0)).toBeUndefined();
  });

  it("keeps nobody waiting, though it says something else without end", async () => {
    let isOver = false;
    const { link } = await meetLiar((channel) => {
      const again = (): void => {
        say(channel, noise);
        if (!isOver) setTimeout(again, 20);
      };
      again();
    });
    await expect(link.fetch(file.part, 0)).rejects.toMatchObject({ code: "net/timeout" });
    isOver = true;
  }, 30_000);

  it("gives what nobody asked for, or asks twice before the answer, or whom nobody said holds any: it is over", async () => {
    const unasked = await meetLiar(() => undefined);
    unasked.channel.post(encodeFileFrame(chunkOf(0, first)));
    await expect.poll(() => unasked.link.status.error).toBe("protocol/malformed");
    const want: FileFrame = { type: "want", ...file.part, indexes: [0] };
    const twice = await meetLiar(() => undefined);
    for (let count = 0; count < 2; count++) twice.channel.post(encodeFileFrame(want));
    await expect.poll(() => twice.link.status.error).toBe("protocol/malformed");
    const [device] = await createPair();
    const [here, there] = createPeerChannels();
    const link = device.link(here, { chunks: undefined });
    const heard = createLiar(there, () => undefined);
    await expect.poll(() => link.status.phase).not.toBe("connecting");
    there.post(encodeFileFrame(want));
    await expect.poll(() => link.status.error).toBe("protocol/malformed");
    expect(heard.some(({ type }) => type === "files")).toBe(false);
  });

  it("and asks on without reading any answer is cut off before it fills the memory", async () => {
    const film = await sealFile(fixture, [300_000, 300_000, 300_000, 300_000]);
    const wantAll = encodeFileFrame({ type: "want", ...film.part, indexes: [0, 1, 2, 3] });
    const holder = await createDevice(fixture);
    await addFile(holder, film);
    const [own, theirs] = createChannels();
    own.open();
    theirs.open();
    const end = openDataChannel(own);
    let givenBytes = 0;
    const counted: PeerChannel = {
      ...end,
      post(message) {
        givenBytes += message.length;
        end.post(message);
      },
    };
    const link = holder.link(counted);
    const liar = openDataChannel(theirs);
    const heard = createLiar(liar, () => undefined);
    await expect.poll(() => heard.some(({ type }) => type === "files")).toBe(true);
    own.isStuck = true;
    for (let count = 0; count < 40 && link.status.phase !== "closed"; count++) {
      const before = givenBytes;
      liar.post(wantAll);
      await expect.poll(() => givenBytes > before || link.status.phase === "closed").toBe(true);
    }
    expect(link.status).toMatchObject({ phase: "closed", error: undefined });
    // What one answer more takes, and the channel's own buffer.
    expect(givenBytes).toBeLessThan(maxWaitingBytes + 3_000_000);
  });

  it("and has shown nothing of the tenant hears nothing", async () => {
    const [, holder] = await createPair();
    const [here, there] = createPeerChannels();
    const heard: number[] = [];
    there.onMessage((message) => heard.push(message.length));
    const link = holder.link(here);
    there.post(encodeFileFrame({ type: "want", ...file.part, indexes: [0] }));
    await expect.poll(() => link.status).toMatchObject({ phase: "closed", error: "protocol/malformed" });
    expect(heard.every((size) => size < 60)).toBe(true);
  });

  it("by a bit anywhere in an answer makes nothing be kept that is not the file's", async () => {
    const right = encodeFileFrame(chunkOf(0, first));
    await fc.assert(
      fc.asyncProperty(fc.nat(right.length * 8 - 1), async (bit) => {
        const said = right.slice();
        said[bit >>> 3] = (said[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
        const { device, link } = await meetLiar((channel) => {
          channel.post(said);
          channel.close();
        });
        const outcome = await link.fetch(file.part, 0).then(
          (bytes) => bytes,
          () => "refused",
        );
        expect(outcome).toBe("refused");
        expect(await heldOf(device)).toEqual([]);
      }),
      { numRuns: runsOf(60) },
    );
  });
});
