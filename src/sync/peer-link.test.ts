import { describe, expect, it } from "vitest";
import { encodeCommit, parseCommit } from "../entry/index.ts";
import { bytesToId, ByteWriter, concatBytes, idToBytes, utf8ToBytes, type DbId } from "../std/index.ts";
import { createFrameReader } from "./frames.ts";
import { syncLimits, type Frame } from "./messages.ts";
import { createPeerChannels, openPortChannel, type PeerChannel } from "../std/index.ts";
import { createDevice, cutAfter, linkDevices, say, type Sealed, type TestDevice } from "./peer-fixture.ts";
import type { PeerLink } from "./peer-link.ts";
import { endBound } from "./reconcile-set.ts";
import { createFixture } from "./sync-fixture.ts";

const fixture = await createFixture();
const { crypto, dbId, directoryDbId, tenantId } = fixture;
const dbOf = (n: number): DbId => bytesToId("DbId", new Uint8Array(16).fill(n));
const sealMany = (count: number, into?: DbId): Promise<Sealed[]> =>
  Promise.all(Array.from({ length: count }, () => fixture.seal(into)));
const until = (holds: () => boolean | Promise<boolean>): Promise<void> =>
  expect.poll(holds, { interval: 2, timeout: 30_000 }).toBe(true);

async function expectAlike(...devices: readonly TestDevice[]): Promise<void> {
  const [first, ...others] = await Promise.all(devices.map((device) => device.hashes()));
  expect(new Set(first).size).toBe(first?.length);
  for (const other of others) expect(other).toEqual(first);
}

/** Sync until both devices are alike, then close. */
async function syncOnce(a: TestDevice, b: TestDevice): Promise<readonly [PeerLink, PeerLink]> {
  const links = linkDevices(a, b);
  await Promise.all(links.map((link) => link.sync()));
  for (const link of links) link.close();
  return links;
}

describe("two peers without a server", () => {
  it("end alike, whatever either had, in several databases, the directory first", async () => {
    const [a, b] = [await createDevice(fixture), await createDevice(fixture)];
    const shared = await sealMany(40);
    await a.write(...shared, ...(await sealMany(30)), ...(await sealMany(3, directoryDbId)));
    await b.write(...(await sealMany(20)), ...shared, ...(await sealMany(5, dbOf(77))));
    const links = await syncOnce(a, b);
    await expectAlike(a, b);
    expect(await a.hashes()).toHaveLength(98);
    const count = (key: "sentCommits" | "receivedCommits"): number =>
      links.reduce((sum, { status }) => sum + status[key], 0);
    expect([count("sentCommits"), count("receivedCommits")]).toEqual([58, 58]);
    const order = await b.store.readLog({ after: 65, maxCount: 100, maxBytes: 1e9 });
    const databases = order.map(({ bytes }) => {
      const parsed = parseCommit(crypto, bytes);
      return parsed.kind === "verified" ? parsed.commit.header.dbId : undefined;
    });
    expect(databases.slice(0, 3)).toEqual([directoryDbId, directoryDbId, directoryDbId]);
  });

  it("speak through message ports, and through a carrier of small messages", async () => {
    const [a, b] = [await createDevice(fixture), await createDevice(fixture)];
    await a.write(...(await sealMany(10)));
    await b.write(...(await sealMany(10)));
    const { port1, port2 } = new MessageChannel();
    const links = [a.link(openPortChannel(port1)), b.link(openPortChannel(port2))];
    await Promise.all(links.map((link) => link.sync()));
    await expectAlike(a, b);
    for (const link of links) link.close();
    const c = await createDevice(fixture);
    const [here, there] = createPeerChannels();
    const inPieces: PeerChannel = {
      ...here,
      post(message) {
        for (let at = 0; at < message.length; at += 7) here.post(message.slice(at, at + 7));
      },
    };
    const small = [a.link(inPieces), c.link(there)];
    await Promise.all(small.map((link) => link.sync()));
    await expectAlike(a, c);
    for (const link of small) link.close();
  });

  it("cost few bytes when nothing is missing, and hear of what is written while they are linked", async () => {
    const [a, b] = [await createDevice(fixture), await createDevice(fixture)];
    const shared = await sealMany(300);
    await a.write(...shared);
    await b.write(...shared);
    const links = linkDevices(a, b);
    await Promise.all(links.map((link) => link.sync()));
    expect(links[0].status.sentBytes + links[1].status.sentBytes).toBeLessThan(400);
    expect(links.map(({ status }) => status.phase)).toEqual(["live", "live"]);
    await a.write(await fixture.seal());
    await b.write(await fixture.seal());
    await Promise.all(links.map((link) => link.sync()));
    await expectAlike(a, b);
    expect(await a.hashes()).toHaveLength(302);
    // Without anybody asking, too.
    await a.write(await fixture.seal());
    await expect.poll(async () => (await b.hashes()).length).toBe(303);
    await b.write(await fixture.seal());
    await expect.poll(async () => (await a.hashes()).length).toBe(304);
    links[0].close();
    await until(() => links[1].status.phase === "closed");
    expect(links[1].status.error).toBeUndefined();
    await expect(links[1].sync()).rejects.toMatchObject({ code: "aborted" });
  });

  it("go on after a cut at any byte with what is left; nothing is torn, nothing is there twice", async () => {
    const big = await sealMany(25);
    for (let bytes = 10; bytes < 9000; bytes += 611) {
      const [a, b] = [await createDevice(fixture), await createDevice(fixture)];
      await a.write(...big.slice(0, 14));
      await b.write(...big.slice(10));
      const [here, there] = createPeerChannels();
      const links = [a.link(cutAfter(here, bytes)), b.link(cutAfter(there, bytes + 100))];
      await Promise.allSettled(links.map((link) => link.sync()));
      for (const link of links) link.close();
      for (const device of [a, b])
        for (const record of await device.store.readLog({ after: 0, maxCount: 99, maxBytes: 1e9 }))
          expect(parseCommit(crypto, record.bytes, record.commitHash).kind).toBe("verified");
      await syncOnce(a, b);
      await expectAlike(a, b);
      expect(await a.hashes()).toHaveLength(25);
    }
  });

  it("take what does not fit into one message in several", async () => {
    const [a, b] = [await createDevice(fixture), await createDevice(fixture)];
    const many = await Promise.all(Array.from({ length: 14 }, () => fixture.seal(dbId, 240_000)));
    const more = await Promise.all(Array.from({ length: 24 }, () => fixture.seal(dbId, 240_000)));
    await a.write(...many);
    await b.write(...more);
    await syncOnce(a, b);
    await expectAlike(a, b);
    expect(await a.hashes()).toHaveLength(38);
  });

  it("fill in what one copy lacks only from a whole one, and pass on no stranger's part", async () => {
    const whole = await fixture.seal();
    const part = partOf(whole);
    const [author, stranger, empty] = [
      await createDevice(fixture),
      await createDevice(fixture),
      await createDevice(fixture),
    ];
    await stranger.write(part);
    const links = linkDevices(stranger, empty, { userKey: undefined });
    await Promise.all(links.map((link) => link.sync()));
    for (const link of links) link.close();
    expect(await empty.hashes()).toEqual([]);
    await author.write(part);
    await syncOnce(author, empty);
    expect(await empty.hashes()).toEqual([whole.commitHash]);
  });
});

function partOf(commit: Sealed): Sealed {
  const entries = commit.entries.map(({ ciphertext: _, ...rest }) => rest);
  return { ...commit, bytes: encodeCommit({ ...commit, entries }) };
}

describe("topologies", () => {
  it("a relay without a key passes commits on between two that never meet", async () => {
    const [a, relay, b] = [
      await createDevice(fixture),
      await createDevice(fixture),
      await createDevice(fixture),
    ];
    await a.write(...(await sealMany(8)));
    await b.write(...(await sealMany(8)));
    const keyless = { userKey: undefined };
    const [one, , two] = [...linkDevices(relay, a, keyless), ...linkDevices(relay, b, keyless)];
    await expect.poll(async () => (await a.hashes()).length).toBe(16);
    await expect.poll(async () => (await b.hashes()).length).toBe(16);
    await expectAlike(a, relay, b);
    one.close();
    two?.close();
  });

  it("a mesh of five with one down is alike, and so is the one when it comes back", async () => {
    const devices = await Promise.all(Array.from({ length: 5 }, () => createDevice(fixture)));
    for (const device of devices) await device.write(...(await sealMany(4)));
    const [down, ...up] = devices;
    if (down === undefined) throw new Error("five");
    const links = up.flatMap((a, at) => up.slice(at + 1).flatMap((b) => linkDevices(a, b)));
    for (const device of up)
      await expect.poll(async () => new Set(await device.hashes()).size, { timeout: 20_000 }).toBe(16);
    expect(await down.hashes()).toHaveLength(4);
    const [first] = up;
    if (first === undefined) throw new Error("four");
    const back = linkDevices(down, first);
    for (const device of devices)
      await expect.poll(async () => new Set(await device.hashes()).size, { timeout: 20_000 }).toBe(20);
    for (const link of [...links, ...back]) link.close();
  });
});

/** The other end, by hand: greets as a member would, and reads what is said to it. */
function createLiar(channel: PeerChannel, nonce: Uint8Array<ArrayBuffer>, knows = tenantId) {
  const heard: Frame[] = [];
  const reader = createFrameReader();
  let closes = 0;
  channel.onClose(() => void closes++);
  channel.onMessage((message) => {
    reader.push(message);
    for (let next = reader.next(); next.kind === "frame"; next = reader.next()) {
      heard.push(next.frame);
      if (next.frame.type !== "hello") continue;
      const nonces = new ByteWriter().fixed(idToBytes(knows)).fixed(nonce).fixed(next.frame.replicaId);
      const proof = crypto.sha256(utf8ToBytes("coffer/peer/v1\0"), nonces.toBytes());
      say(channel, { type: "peer", proof });
    }
  });
  say(channel, { type: "hello", version: 1, replicaId: nonce });
  return { heard, closeCount: () => closes };
}

const asksFirst = new Uint8Array(16);
const answers = new Uint8Array(16).fill(255);
const end: Frame = { type: "end", more: false };

describe("whoever is at the other end", () => {
  const meet = async (nonce: Uint8Array<ArrayBuffer>, more = {}) => {
    const device = await createDevice(fixture);
    const commits = await sealMany(3);
    await device.write(...commits);
    const [here, there] = createPeerChannels();
    const link = device.link(here, more);
    const liar = createLiar(there, nonce);
    await until(() => link.status.phase !== "connecting");
    /** Say something, and wait for what comes of it. */
    const ask = async (...frames: readonly Frame[]): Promise<void> => {
      const before = liar.heard.length;
      say(there, ...frames);
      const isOver = ({ type }: Frame): boolean => type === "end" || type === "error";
      await until(() => link.status.phase === "closed" || liar.heard.slice(before).some(isOver));
    };
    return { device, commits, link, liar, channel: there, ask };
  };

  it("hears nothing of a tenant that it does not know", async () => {
    const device = await createDevice(fixture);
    await device.write(...(await sealMany(3)));
    const strangers: ((channel: PeerChannel) => unknown)[] = [
      (channel) => createLiar(channel, answers, bytesToId("TenantId", new Uint8Array(32).fill(8))),
      (channel) => say(channel, { type: "databases", databases: [] }, end),
      (channel) => say(channel, { type: "hello", version: 1, replicaId: answers }, { type: "note" }),
      (channel) => say(channel, { type: "hello", version: 2, replicaId: answers }),
      (channel) => channel.post(new Uint8Array(100).fill(255)),
      // A mirror: what it heard is all it can say.
      (channel) => channel.onMessage((message) => channel.post(message.slice())),
    ];
    for (const stranger of strangers) {
      const [here, there] = createPeerChannels();
      const heard: Uint8Array[] = [];
      const link = device.link({
        ...here,
        post(message) {
          heard.push(message);
          here.post(message);
        },
      });
      stranger(there);
      await expect(link.sync()).rejects.toThrow();
      expect(link.status.phase).toBe("closed");
      const said = concatBytes(...heard);
      expect(said.length).toBeLessThan(110);
      expect(await device.store.lastPosition()).toBe(3);
    }
  });

  it("cannot make it keep what is forged, of another database or another tenant", async () => {
    const { device, commits, link, ask, liar } = await meet(asksFirst);
    const other = await createFixture();
    const good = await fixture.seal();
    const flipped = good.bytes.slice();
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    const elsewhere = await fixture.seal(dbOf(5));
    const own = commits[0]?.bytes ?? good.bytes;
    await ask({ type: "push", dbId, commits: [flipped, elsewhere.bytes, own, own] }, end);
    expect(await device.hashes()).toHaveLength(3);
    const acks = liar.heard.find((frame) => frame.type === "ack");
    expect(acks?.results.map(({ status }) => status)).toEqual(["refused", "refused", "accepted", "accepted"]);
    await ask({ type: "push", dbId, commits: [good.bytes, good.bytes] }, end);
    expect(await device.hashes()).toHaveLength(4);
    expect(other.tenantId).toBe(tenantId);
    await ask({ type: "push", dbId, commits: [Uint8Array.of(1, 2, 3)] }, end);
    expect(link.status).toMatchObject({ phase: "closed", error: "protocol/malformed" });
    await until(() => liar.closeCount() === 1);
  });

  it("cannot ask what is no question, nor twice before an answer", async () => {
    const ranges: Frame = { type: "ranges", dbId, salt: new Uint8Array(8), ranges: [] };
    const databases: Frame = { type: "databases", databases: [] };
    const questions: readonly (readonly Frame[])[] = [
      [end],
      [ranges, ranges, end],
      [{ type: "auth", token: new Uint8Array(32) }, end],
      [databases, { type: "push", dbId, commits: [Uint8Array.of(1)] }, end],
      [databases, end, databases, end],
      [{ type: "hello", version: 1, replicaId: asksFirst }, end],
    ];
    for (const question of questions) {
      const { link, channel } = await meet(asksFirst);
      say(channel, ...question);
      await until(() => link.status.phase === "closed");
      expect(link.status).toMatchObject({ phase: "closed", error: "protocol/malformed" });
    }
  });

  it("cannot answer with something else, never end, or say nothing", async () => {
    const more: Frame = { type: "end", more: true };
    const listed: Frame = { type: "databases", databases: [] };
    const ranges: Frame = {
      type: "ranges",
      dbId,
      salt: new Uint8Array(8),
      ranges: [{ mode: "ids", upTo: endBound, ids: [new Uint8Array(6)] }],
    };
    const stories: readonly (readonly Frame[])[][] = [
      [[end]],
      [[listed, listed, end]],
      [[listed, end], [more]],
      [[listed, end], Array.from<Frame>({ length: 66 }).flatMap(() => [ranges, end])],
      [[listed, end], [end], [{ type: "push", dbId, commits: [Uint8Array.of(1)] }, end]],
    ];
    for (const story of stories) {
      const { link, channel, liar } = await meet(answers);
      // Each is said as an answer: after the question, or after the round, before it.
      const said = (): number => liar.heard.filter(({ type }) => type === "end" || type === "note").length;
      for (const answer of story) {
        await until(() => said() > 0);
        const before = said();
        say(channel, ...answer);
        await until(() => link.status.phase === "closed" || said() > before);
      }
      await until(() => link.status.phase === "closed");
      expect(link.status.error).toBe("protocol/malformed");
      expect(liar.heard.length).toBeGreaterThan(0);
    }
    const { link } = await meet(answers);
    await expect(link.sync()).rejects.toMatchObject({ code: "net/timeout" });
  });

  it("cannot fill the disk or the memory", async () => {
    const { device, link, ask } = await meet(asksFirst, { receiveBytes: 3000 });
    for (const commit of await sealMany(20)) await ask({ type: "push", dbId, commits: [commit.bytes] }, end);
    expect(link.status).toMatchObject({ phase: "closed", error: "input/too-large" });
    const sizeBytes = (await device.store.readLog({ after: 3, maxCount: 99, maxBytes: 1e9 })).reduce(
      (sum, { bytes }) => sum + bytes.length,
      0,
    );
    expect(sizeBytes).toBeLessThanOrEqual(3000);
    const endless = await meet(asksFirst);
    const piece: Frame = { type: "push", dbId, commits: [new Uint8Array(syncLimits.frameTargetBytes)] };
    for (let count = 0; count < 40; count++) say(endless.channel, piece);
    await until(() => endless.link.status.phase === "closed");
    expect(endless.link.status.error).toBe("protocol/malformed");
  });

  it("is heard only as often as it pays: a hundred notes make one more round, after a pause", async () => {
    const timers: { afterMs: number; run: () => void }[] = [];
    const setTimer = (afterMs: number, run: () => void) => {
      const timer = { afterMs, run };
      timers.push(timer);
      return () => void timers.splice(timers.indexOf(timer), 1);
    };
    const { liar, channel, link } = await meet(answers, { env: { setTimer } });
    const questions = (): number => liar.heard.filter(({ type }) => type === "databases").length;
    const roundsOver = (): number => liar.heard.filter(({ type }) => type === "note").length;
    const isOver = (count: number) => () => roundsOver() === count;
    const answerAll = async (count: number): Promise<void> => {
      await until(() => questions() === count);
      const own = liar.heard.findLast(({ type }) => type === "databases");
      say(channel, own ?? end, end);
      await until(isOver(count));
    };
    await answerAll(1);
    for (let count = 0; count < 100; count++) say(channel, { type: "note" });
    await until(() => timers.some(({ afterMs }) => afterMs === 100));
    expect(questions()).toBe(1);
    timers.find(({ afterMs }) => afterMs === 100)?.run();
    await answerAll(2);
    const [pause] = timers.splice(0);
    pause?.run();
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    expect(questions()).toBe(2);
    link.close();
  });

  it("may be admitted less than everything", async () => {
    const { device, ask, liar } = await meet(asksFirst, { admits: () => false });
    await ask({ type: "push", dbId, commits: [(await fixture.seal()).bytes] }, end);
    expect(await device.hashes()).toHaveLength(3);
    expect(liar.heard.find((frame) => frame.type === "ack")?.results[0]?.status).toBe("refused");
  });
});
