import { afterEach, describe, expect, it } from "vitest";
import {
  attachmentField,
  attachmentLimits,
  encodePart,
  encodeRecord,
  readPart,
  type Part,
} from "../src/attachment/index.ts";
import { connectPeer } from "../src/page/peer.ts";
import type { PeerOptions } from "../src/page/peer-types.ts";
import {
  concatBytes,
  createPeerChannels,
  openPortChannel,
  type CofferError,
  type PeerChannel,
} from "../src/std/index.ts";
import { closeDevices, draft, newSubscription } from "./device-fixtures.ts";
import { createPair, guestPassword, joinParty, type Party } from "./peer-fixtures.ts";

/* Contents of files between devices of one tenant that no server ever sees. */

afterEach(closeDevices);

const { chunkBytes, partBytes } = attachmentLimits;
const contentOf = (size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, at) => (at * 31 + (at >>> 8) + (at >>> 16)) & 255);

async function add({ database, device: { api } }: Party, docId: string, bytes: Uint8Array): Promise<Part> {
  const upload = await api.openUpload(database, docId);
  await api.writeUpload(upload, bytes);
  const { atMs, id, parts } = await api.finishUpload(upload);
  const [part = expect.fail("a part")] = parts.map((one) => readPart(one) ?? expect.fail("a part"));
  const value = encodeRecord({ name: "a.mp4", type: "video/mp4", addedAtMs: atMs, parts: [part] });
  const doc = newSubscription();
  const { heads } = await api.openDocument(database, docId, doc);
  await api.changeDocument(doc, draft([{ op: "set", path: [attachmentField(id)], value }], heads));
  await api.nameParts(database, parts);
  return part;
}

const read = ({ database, device }: Party, docId: string, part: Part, from = 0, to = part.sizeBytes) =>
  device.api.readPart(database, docId, encodePart(part), { from, to });

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "none",
    (error: unknown) => (error as CofferError).code,
  );

const peerOf = (
  { session, tenantId }: Party,
  way: Parameters<typeof connectPeer>[1],
  attachments?: PeerOptions["attachments"],
) => connectPeer({ id: tenantId, session }, way, attachments === undefined ? {} : { attachments });

async function connect(a: Party, b: Party, attachments?: PeerOptions["attachments"]) {
  const { port1, port2 } = new MessageChannel();
  const links = [await peerOf(a, port1, attachments), await peerOf(b, port2)] as const;
  await Promise.all(links.map((link) => link.sync()));
  return links;
}

describe("contents of files without a server", () => {
  it("come when they are read, chunk by chunk, and are there when the link is gone", async () => {
    const [owner, guest] = await createPair();
    const [docId = ""] = await owner.device.api.createDocuments(owner.database, [{ name: "film" }]);
    const bytes = contentOf(3 * chunkBytes + 1000);
    const part = await add(owner, docId, bytes);
    // Within this budget nothing comes by itself.
    await guest.device.api.limitFiles(guest.tenantId, { budgetBytes: 1000 });
    const [link] = await connect(owner, guest);
    await expect.poll(() => guest.device.api.documentIds(guest.database)).toEqual([docId]);
    expect(Buffer.compare(await read(guest, docId, part, 0, 100), bytes.subarray(0, 100))).toBe(0);
    await link.disconnect();
    // What was read is here; what was not is nowhere to be had.
    expect(Buffer.compare(await read(guest, docId, part, 50, 90), bytes.subarray(50, 90))).toBe(0);
    await expect.poll(() => codeOf(read(guest, docId, part))).toBe("net/offline");
    await connect(owner, guest);
    expect(Buffer.compare(await read(guest, docId, part), bytes)).toBe(0);
  });

  it("come by themselves, and are read when the link is gone", async () => {
    const [owner, guest] = await createPair();
    const [docId = ""] = await owner.device.api.createDocuments(owner.database, [{ name: "film" }]);
    const bytes = contentOf(3 * chunkBytes + 1000);
    const [link] = await connect(owner, guest);
    const part = await add(owner, docId, bytes);
    const localBytes = async (): Promise<number> =>
      (await guest.device.api.limitFiles(guest.tenantId, {})).localBytes;
    await expect.poll(localBytes, { timeout: 10_000 }).toBeGreaterThan(bytes.length);
    await link.disconnect();
    expect(Buffer.compare(await read(guest, docId, part), bytes)).toBe(0);
  });

  it("are fetched as a whole by pinning, cannot be let go before a server has them, and are passed on by who fetched them", async () => {
    const [owner, guest] = await createPair();
    const third = await joinParty(owner, "third");
    const [docId = ""] = await owner.device.api.createDocuments(owner.database, [{ name: "film" }]);
    const bytes = contentOf(2 * chunkBytes);
    const part = await add(owner, docId, bytes);
    const [link] = await connect(owner, guest);
    await expect.poll(() => guest.device.api.documentIds(guest.database)).toEqual([docId]);
    await guest.device.api.pinPart(guest.database, docId, encodePart(part), true);
    await guest.device.api.pinPart(guest.database, docId, encodePart(part), false);
    expect(await guest.device.api.freeParts(guest.database, [encodePart(part)])).toBe(0);
    await link.disconnect();
    await connect(guest, third);
    await expect.poll(() => third.device.api.documentIds(third.database)).toEqual([docId]);
    expect(Buffer.compare(await read(third, docId, part), bytes)).toBe(0);
  });

  it("come from another peer where one of them changes the bytes, and that one is linked no more", async () => {
    const [owner, guest] = await createPair();
    const [docId = ""] = await owner.device.api.createDocuments(owner.database, [{ name: "film" }]);
    const bytes = contentOf(chunkBytes);
    const part = await add(owner, docId, bytes);
    const [here, there] = createPeerChannels();
    // Whoever carries it changes a byte of whatever is large.
    const bent: PeerChannel = {
      ...there,
      post(message) {
        const said = message.slice();
        if (said.length > chunkBytes) said[1000] = (said[1000] ?? 0) ^ 1;
        there.post(said);
      },
    };
    const lying = await peerOf(guest, here);
    await peerOf(owner, bent);
    // The documents are there before it is found out.
    await lying.sync().catch(() => undefined);
    await expect.poll(() => guest.device.api.documentIds(guest.database)).toEqual([docId]);
    expect(await codeOf(read(guest, docId, part))).toBe("net/offline");
    await expect.poll(() => lying.status).toMatchObject({ phase: "closed", error: "entry/corrupt" });
    const { port1, port2 } = new MessageChannel();
    await peerOf(guest, openPortChannel(port1));
    const honest = await peerOf(owner, openPortChannel(port2));
    await honest.sync();
    expect(Buffer.compare(await read(guest, docId, part), bytes)).toBe(0);
  });

  it("of a document that was purged here do not come back, neither at the next link nor when the purge is the admin's", async () => {
    const [owner, guest] = await createPair();
    const third = await joinParty(owner, "third");
    const docs = await owner.device.api.createDocuments(owner.database, [{ name: "a" }, { name: "b" }]);
    const [here = "", everywhere = ""] = docs;
    const bytes = contentOf(2 * chunkBytes);
    for (const docId of docs) await add(owner, docId, bytes);
    const [link] = await connect(owner, guest);
    const localBytes = async ({ device, tenantId }: Party): Promise<number> =>
      (await device.api.limitFiles(tenantId, {})).localBytes;
    await expect.poll(() => localBytes(guest)).toBeGreaterThan(2 * bytes.length);
    const [carrying] = await connect(guest, third);
    await expect.poll(() => localBytes(third)).toBeGreaterThan(2 * bytes.length);
    for (const one of [link, carrying]) await one.disconnect();
    await guest.device.api.purgeDocument(guest.database, here);
    await expect.poll(() => localBytes(guest)).toBeLessThan(1.5 * bytes.length);
    // What waits behind the purged one does come.
    const later = (await owner.device.api.createDocuments(owner.database, [{ name: "c" }]))[0] ?? "";
    await add(owner, later, contentOf(5000));
    await owner.device.api.purgeDocument(owner.database, everywhere, owner.proof);
    for (const holder of [owner, third]) {
      const [again] = await connect(guest, holder);
      await again.sync();
      await expect.poll(() => localBytes(guest)).toBeLessThan(10_000);
      await expect.poll(() => localBytes(guest)).toBeGreaterThan(5000);
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(await localBytes(guest)).toBeLessThan(10_000);
    }
    // Nor after a lock, which forgets what was purged.
    await guest.device.api.lock(guest.tenantId);
    const [locked] = await connect(guest, owner);
    await locked.sync();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await localBytes(guest)).toBeLessThan(10_000);
  }, 20_000);

  it("wait while who lacks them is locked, and come once it is unlocked", async () => {
    const [owner, guest] = await createPair();
    const [docId = ""] = await owner.device.api.createDocuments(owner.database, [{ name: "film" }]);
    await add(owner, docId, contentOf(chunkBytes));
    // The documents are here and judged: unlocking writes nothing that would begin another round.
    await guest.device.api.limitFiles(guest.tenantId, { budgetBytes: 1000 });
    const [before] = await connect(owner, guest);
    await expect.poll(() => guest.device.api.documentIds(guest.database)).toEqual([docId]);
    await before.disconnect();
    await guest.device.api.lock(guest.tenantId);
    await guest.device.api.limitFiles(guest.tenantId, { budgetBytes: null });
    const links = await connect(owner, guest);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const localBytes = async (): Promise<number> =>
      (await guest.device.api.limitFiles(guest.tenantId, {})).localBytes;
    expect(await localBytes()).toBe(0);
    await guest.device.api.unlock(guest.tenantId, { password: guestPassword });
    await expect.poll(localBytes).toBeGreaterThan(chunkBytes);
    expect(links.map(({ status }) => status.phase)).toEqual(["live", "live"]);
  });

  it("do not go over a link that has none of them, in neither direction, and come over the next one that has", async () => {
    const [owner, guest] = await createPair();
    const [docId = "", back = ""] = await owner.device.api.createDocuments(owner.database, [{}, {}]);
    const part = await add(owner, docId, contentOf(5000));
    const [link, other] = await connect(owner, guest, false);
    await expect.poll(() => guest.device.api.documentIds(guest.database)).toHaveLength(2);
    const gifts = await add(guest, back, contentOf(7000));
    await Promise.all([link.sync(), other.sync()]);
    // The documents name the files on both sides.
    expect(await codeOf(read(guest, docId, part))).toBe("net/offline");
    await expect.poll(() => codeOf(read(owner, back, gifts))).toBe("net/offline");
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const [{ device, tenantId }, own] of [
      [owner, 5000],
      [guest, 7000],
    ] as const) {
      const { localBytes } = await device.api.limitFiles(tenantId, {});
      expect([localBytes > own, localBytes < own * 1.3]).toEqual([true, true]);
    }
    expect([link.status.phase, other.status.phase]).toEqual(["live", "live"]);
    await link.disconnect();
    await connect(owner, guest);
    expect(Buffer.compare(await read(guest, docId, part), contentOf(5000))).toBe(0);
    expect(Buffer.compare(await read(owner, back, gifts), contentOf(7000))).toBe(0);
  });

  it("come on demand over a link that says so, read by either side, and nothing by itself", async () => {
    const [owner, guest] = await createPair();
    const [docId = "", back = ""] = await owner.device.api.createDocuments(owner.database, [{}, {}]);
    const parts = [
      await add(owner, docId, contentOf(5000)),
      await add(owner, docId, contentOf(6000)),
    ] as const;
    const links = await connect(owner, guest, "on-demand");
    await expect.poll(() => guest.device.api.documentIds(guest.database)).toHaveLength(2);
    const gift = await add(guest, back, contentOf(90_000));
    await Promise.all(links.map((link) => link.sync()));
    await new Promise((resolve) => setTimeout(resolve, 300));
    const localBytes = async ({ device, tenantId }: Party): Promise<number> =>
      (await device.api.limitFiles(tenantId, {})).localBytes;
    expect(await localBytes(guest)).toBeLessThan(100_000);
    expect(await localBytes(owner)).toBeLessThan(15_000);
    expect(Buffer.compare(await read(guest, docId, parts[0]), contentOf(5000))).toBe(0);
    await guest.device.api.pinPart(guest.database, docId, encodePart(parts[1]), true);
    expect(await localBytes(guest)).toBeGreaterThan(101_000);
    expect(Buffer.compare(await read(owner, back, gift), contentOf(90_000))).toBe(0);
    expect(links.map(({ status }) => status.phase)).toEqual(["live", "live"]);
  });

  it("of a document that is purged while they are pinned do not stay, and are not fetched any further", async () => {
    const [owner, guest] = await createPair();
    const [docId = ""] = await owner.device.api.createDocuments(owner.database, [{ name: "film" }]);
    const part = await add(owner, docId, contentOf(3 * chunkBytes));
    const [here, there] = createPeerChannels();
    let given = 0;
    let posted: Promise<unknown> = Promise.resolve();
    // The first chunk comes when the document is gone.
    const slow: PeerChannel = {
      ...there,
      post(message) {
        const said = message.slice();
        posted = posted.then(async () => {
          if (said.length > chunkBytes) given += 1;
          if (said.length > chunkBytes && given === 1)
            await guest.device.api.purgeDocument(guest.database, docId);
          there.post(said);
        });
      },
    };
    const link = await peerOf(guest, here, "on-demand");
    await peerOf(owner, slow);
    await link.sync();
    await expect.poll(() => guest.device.api.documentIds(guest.database)).toEqual([docId]);
    const { database, device, tenantId } = guest;
    expect(await codeOf(device.api.pinPart(database, docId, encodePart(part), true))).toBe("doc/missing");
    expect(given).toBe(1);
    expect((await device.api.limitFiles(tenantId, {})).localBytes).toBe(0);
  });

  it("are refused as a word that is none of these, before anything is linked", async () => {
    const [owner] = await createPair();
    const { port1 } = new MessageChannel();
    for (const attachments of ["never", 0, null])
      await expect(peerOf(owner, port1, attachments as never)).rejects.toMatchObject({
        code: "input/invalid",
        details: { at: "attachments" },
      });
  });

  it("go over while who holds them is locked, sealed as they are", async () => {
    const [owner, guest] = await createPair();
    const [docId = ""] = await owner.device.api.createDocuments(owner.database, [{ name: "film" }]);
    const part = await add(owner, docId, contentOf(chunkBytes));
    await owner.device.api.lock(owner.tenantId);
    await connect(owner, guest);
    await expect.poll(() => guest.device.api.documentIds(guest.database)).toEqual([docId]);
    expect(Buffer.compare(await read(guest, docId, part), contentOf(chunkBytes))).toBe(0);
  });
});

async function exported({ device: { api }, tenantId }: Party, maxFileBytes = 1e9): Promise<Uint8Array> {
  const id = await api.openBundleExport(tenantId, undefined, maxFileBytes);
  const pieces: Uint8Array[] = [];
  for (let piece = await api.readExport(id); piece !== undefined; piece = await api.readExport(id))
    pieces.push(piece);
  return concatBytes(...pieces);
}

async function imported({ device: { api }, tenantId }: Party, file: Uint8Array) {
  const id = await api.openBundleImport(tenantId);
  for (let at = 0; at < file.length; at += 1_000_000)
    await api.writeImport(id, file.slice(at, at + 1_000_000));
  return api.finishBundleImport(id);
}

describe("contents of files in a bundle", () => {
  it("are read where it was taken in, with nobody else there, and are as many as were asked for", async () => {
    const [owner, guest] = await createPair();
    const [docId = ""] = await owner.device.api.createDocuments(owner.database, [{ name: "film" }]);
    const bytes = contentOf(partBytes + 5000);
    const parts = [
      await add(owner, docId, bytes.subarray(0, partBytes)),
      await add(owner, docId, bytes.subarray(partBytes)),
    ];
    const [large = expect.fail("two"), small = expect.fail("two")] = parts;
    const measured = await owner.device.api.measureBundle(owner.tenantId, undefined, 100_000);
    expect(measured.fileBytes).toBeGreaterThan(5000);
    expect(measured.leftOutBytes).toBeGreaterThan(partBytes);
    expect(await imported(guest, await exported(owner, 100_000))).toMatchObject({
      newFileBytes: measured.fileBytes,
    });
    expect(Buffer.compare(await read(guest, docId, small), bytes.subarray(partBytes))).toBe(0);
    expect(await codeOf(read(guest, docId, large))).toBe("net/offline");
    const summary = await guest.device.api.summarize(guest.tenantId);
    expect(await owner.device.api.measureBundle(owner.tenantId, summary, 1e9)).toEqual({
      fileBytes: measured.leftOutBytes,
      leftOutBytes: 0,
    });
    await imported(guest, await exported(owner));
    expect(Buffer.compare(await read(guest, docId, large), bytes.subarray(0, partBytes))).toBe(0);
  });

  it("of a document that was purged here do not come back", async () => {
    const [owner, guest] = await createPair();
    const [docId = ""] = await owner.device.api.createDocuments(owner.database, [{ name: "film" }]);
    await add(owner, docId, contentOf(2000));
    const file = await exported(owner);
    await imported(guest, file);
    expect((await guest.device.api.limitFiles(guest.tenantId, {})).localBytes).toBeGreaterThan(2000);
    await guest.device.api.purgeDocument(guest.database, docId);
    await imported(guest, file);
    expect((await guest.device.api.limitFiles(guest.tenantId, {})).localBytes).toBe(0);
  });

  it("that were damaged are told, and what is whole is read", async () => {
    const [owner, guest] = await createPair();
    const [docId = ""] = await owner.device.api.createDocuments(owner.database, [{ name: "film" }]);
    const part = await add(owner, docId, contentOf(2 * chunkBytes));
    const file = await exported(owner);
    // The last chunk lies before the three bytes of the end.
    file[file.length - 1000] = (file.at(-1000) ?? 0) ^ 1;
    await expect(imported(guest, file)).rejects.toMatchObject({ code: "entry/corrupt" });
    expect((await read(guest, docId, part, 0, chunkBytes)).length).toBe(chunkBytes);
    expect(await codeOf(read(guest, docId, part))).toBe("net/offline");
  });
});
