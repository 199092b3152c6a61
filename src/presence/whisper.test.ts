import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { createWebCrypto } from "../crypto/index.ts";
import { createContentKey, type ContentKey, type KeyName } from "../entry/index.ts";
import { bytesToHex, bytesToId, idToBytes, parseHex, type AuthorKey } from "../std/index.ts";
import {
  openWhisper,
  readWhisperHeader,
  Roster,
  rosterLimits,
  sealWhisper,
  whisperLimits,
  type Saying,
  type Speaker,
} from "./index.ts";
import vectors from "./whisper.vectors.json";

const crypto = createWebCrypto();
const content = await createContentKey(crypto, {
  keyId: bytesToId("KeyId", new Uint8Array(16).fill(1)),
  epoch: 3,
  secret: new Uint8Array(32).fill(2),
});
const other = await createContentKey(crypto, {
  keyId: bytesToId("KeyId", new Uint8Array(16).fill(9)),
  epoch: 3,
  secret: new Uint8Array(32).fill(9),
});
const pairOf = async (byte: number) => {
  const pair = await crypto.importSigningPair(new Uint8Array(32).fill(byte));
  if (pair === undefined) throw new Error("a seed gives a pair");
  return { sender: bytesToId("AuthorKey", pair.publicKey), signingKey: pair.privateKey };
};
const anna = await pairOf(3);
const mallory = await pairOf(4);
const place = {
  tenantId: bytesToId("TenantId", new Uint8Array(32).fill(5)),
  dbId: bytesToId("DbId", new Uint8Array(16).fill(6)),
};
const speaker: Speaker = { ...place, ...anna, content, voice: new Uint8Array(16).fill(7) };
const state: Saying = { kind: "state", name: "", value: { cursor: [3, 4], typing: true } };
const saidAtMs = 1_800_000_000_000;
const findKey = ({ keyId, epoch }: KeyName): ContentKey | undefined =>
  [content, other].find((key) => key.keyId === keyId && key.epoch === epoch);
const open = (bytes: Uint8Array, at = place) => openWhisper(crypto, at, bytes, findKey);
const seal = (saying = state, number = 1, by: Speaker = speaker) =>
  sealWhisper(crypto, by, { number, saidAtMs }, saying);

describe("vectors", () => {
  const sayings: Readonly<Record<keyof typeof vectors.whispers, Saying>> = {
    state,
    gone: { kind: "gone", name: "", value: null },
    ask: { kind: "ask", name: "", value: null },
    broadcast: { kind: "broadcast", name: "ping", value: [1, "zwei"] },
  };
  test.each(Object.entries(sayings))("%s", async (name, saying) => {
    const bytes = await seal(saying, name === "broadcast" ? 300 : 1);
    expect(bytesToHex(bytes)).toBe(vectors.whispers[name as keyof typeof sayings]);
    expect(await open(bytes)).toMatchObject({ kind: "opened", saying });
  });
  test.each(Object.entries(vectors.malformed))("%s is malformed", async (_name, hex) => {
    expect(await open(parseHex(hex) ?? new Uint8Array(0))).toEqual({ kind: "forged", reason: "malformed" });
  });
});

describe("a whisper", () => {
  it("shows who said it, and opens as it was said", async () => {
    expect(await open(await seal())).toEqual({
      kind: "opened",
      header: {
        keyName: { keyId: content.keyId, epoch: 3, fingerprint: content.fingerprint },
        sender: anna.sender,
        voice: "07".repeat(16),
        number: 1,
        saidAtMs,
      },
      saying: state,
    });
  });

  it("opens in no other database, and no other tenant", async () => {
    const bytes = await seal();
    const dbId = bytesToId("DbId", new Uint8Array(16).fill(8));
    const tenantId = bytesToId("TenantId", new Uint8Array(32).fill(8));
    for (const at of [
      { ...place, dbId },
      { ...place, tenantId },
    ])
      expect(await open(bytes, at)).toEqual({ kind: "forged", reason: "signature" });
  });

  it("signed anew by whoever moved it does not open either: the key belongs to database, tenant and sender", async () => {
    const bytes = await seal();
    const body = bytes.slice(0, -64);
    const forge = async (at: typeof place, change: (bytes: Uint8Array) => void, by: typeof anna) => {
      const moved = body.slice();
      change(moved);
      // As sealWhisper signs.
      const preimage = new Uint8Array([
        ...new TextEncoder().encode("coffer/whisper/v1\0"),
        ...new Uint8Array(32).fill(at.tenantId === place.tenantId ? 5 : 8),
        ...new Uint8Array(16).fill(at.dbId === place.dbId ? 6 : 8),
        ...moved,
      ]);
      const signature = await crypto.sign(by.signingKey, preimage);
      return open(new Uint8Array([...moved, ...signature]), at);
    };
    const nothing = (): void => undefined;
    expect(await forge(place, nothing, anna)).toMatchObject({ kind: "opened" });
    const dbId = bytesToId("DbId", new Uint8Array(16).fill(8));
    const tenantId = bytesToId("TenantId", new Uint8Array(32).fill(8));
    const sealed = { kind: "forged", reason: "sealed" };
    expect(await forge({ ...place, dbId }, nothing, anna)).toEqual(sealed);
    expect(await forge({ ...place, tenantId }, nothing, anna)).toEqual(sealed);
    const takeOver = (moved: Uint8Array): void => moved.set(idToBytes(mallory.sender), 29);
    expect(await forge(place, takeOver, mallory)).toEqual(sealed);
  });

  it("under a sender's name is not another member's", async () => {
    const bytes = await seal(state, 1, { ...speaker, signingKey: mallory.signingKey });
    expect(await open(bytes)).toEqual({ kind: "forged", reason: "signature" });
  });

  it("under a key that is not here is not opened", async () => {
    const bytes = await seal();
    expect(await openWhisper(crypto, place, bytes, () => undefined)).toEqual({ kind: "no-key" });
  });

  it("with any bit flipped is refused, and never thrown over", async () => {
    const bytes = await seal();
    for (let bit = 0; bit < bytes.length * 8; bit += 5) {
      const flipped = bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect((await open(flipped)).kind).not.toBe("opened");
    }
  });

  it("of any bytes gives a verdict", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
        expect((await open(bytes)).kind).toBe("forged");
      }),
    );
    const long = new Uint8Array(whisperLimits.bytes + 1).fill(1);
    expect(readWhisperHeader(long)).toBeUndefined();
  });

  it("larger than its limit is not sealed, and the largest fits", async () => {
    const fits = await seal({ kind: "broadcast", name: "n".repeat(64), value: "v".repeat(2046) });
    expect(fits.length).toBeLessThanOrEqual(whisperLimits.bytes);
    expect(await open(fits)).toMatchObject({ kind: "opened" });
    for (const value of ["v".repeat(2047), "ä".repeat(1024)])
      await expect(seal({ kind: "state", name: "", value })).rejects.toMatchObject({
        code: "input/too-large",
      });
    await expect(seal({ kind: "broadcast", name: "n".repeat(65), value: 1 })).rejects.toMatchObject({
      code: "input/too-large",
    });
  });

  it("shows nothing of what is said, and its size only roughly", async () => {
    const bytes = await seal({ kind: "state", name: "", value: "CANARY-the-quick-brown-fox" });
    expect(new TextDecoder("latin1").decode(bytes)).not.toContain("CANARY");
    const sizeOf = async (count: number): Promise<number> =>
      (await seal({ kind: "state", name: "", value: "x".repeat(count) })).length;
    const sizes = new Set(await Promise.all(Array.from({ length: 100 }, (_, count) => sizeOf(200 + count))));
    expect(sizes.size).toBeLessThan(16);
  });

  it("sounds different each time: no number and no voice gives the same bytes", async () => {
    const bytes = await Promise.all([
      seal(state, 1),
      seal(state, 2),
      seal(state, 1, { ...speaker, voice: new Uint8Array(16).fill(8) }),
    ]);
    const ciphertexts = bytes.map((one) => bytesToHex(one.subarray(87, -64)));
    expect(new Set(ciphertexts).size).toBe(3);
  });
});

describe("a roster", () => {
  const keyName = { keyId: content.keyId, epoch: 1, fingerprint: content.fingerprint };
  const create = () => {
    const clock = { wall: saidAtMs, own: 0 };
    const roster = new Roster({ nowMs: () => clock.wall, monotonicMs: () => clock.own });
    const pass = (ms: number): void => {
      clock.wall += ms;
      clock.own += ms;
    };
    const hear = (
      voice: string,
      number: number,
      kind: Saying["kind"] = "state",
      options: { sender?: AuthorKey; saidAtMs?: number; value?: unknown } = {},
    ): boolean => {
      const { sender = anna.sender, value = number } = options;
      const header = { keyName, sender, voice, number, saidAtMs: options.saidAtMs ?? clock.wall };
      return roster.hear(header, { kind, value });
    };
    return { clock, roster, pass, hear };
  };

  it("has who said a state, until they go or fall silent", () => {
    const { roster, pass, hear } = create();
    hear("a", 1);
    hear("b", 1, "state", { sender: mallory.sender });
    expect(roster.present()).toEqual([
      { sender: anna.sender, voice: "a", state: 1 },
      { sender: mallory.sender, voice: "b", state: 1 },
    ]);
    pass(30_000);
    hear("a", 2);
    expect(roster.silentInMs()).toBe(15_000);
    pass(15_001);
    expect(roster.present()).toEqual([{ sender: anna.sender, voice: "a", state: 2 }]);
    hear("a", 3, "gone");
    expect(roster.present()).toEqual([]);
    expect(roster.silentInMs()).toBeUndefined();
  });

  it("hears nothing twice, not out of order, and not under another's voice", () => {
    const { roster, hear } = create();
    expect(hear("a", 5)).toBe(true);
    expect(hear("a", 5)).toBe(false);
    expect(hear("a", 4)).toBe(false);
    hear("a", 6, "gone");
    expect(hear("a", 5)).toBe(false);
    expect(roster.present()).toEqual([]);
    hear("a", 1, "state", { sender: mallory.sender });
    expect(roster.present()).toEqual([{ sender: mallory.sender, voice: "a", state: 1 }]);
  });

  it("hears nothing old and nothing from far ahead, and no replay for as long as one could be new", () => {
    const { pass, hear, clock } = create();
    expect(hear("a", 1, "state", { saidAtMs: clock.wall - rosterLimits.windowMs - 1 })).toBe(false);
    expect(hear("a", 1, "state", { saidAtMs: clock.wall + rosterLimits.windowMs + 1 })).toBe(false);
    const ahead = clock.wall + rosterLimits.windowMs;
    expect(hear("a", 1, "state", { saidAtMs: ahead })).toBe(true);
    for (let minute = 0; minute < 30; minute++) {
      pass(60_000);
      // Others come, so that what is known is looked through.
      hear(`other ${minute}`, 1);
      expect(hear("a", 1, "state", { saidAtMs: ahead })).toBe(false);
    }
  });

  it("has room for so many voices of one sender, and so many senders; others are not crowded out", () => {
    const { roster, pass, hear } = create();
    const heard = Array.from({ length: 100 }, (_, index) => hear(`flood ${index}`, 1)).filter(Boolean).length;
    expect(heard).toBe(rosterLimits.voicesOfSender);
    expect(hear("b", 1, "state", { sender: mallory.sender })).toBe(true);
    expect(roster.present()).toHaveLength(rosterLimits.voicesOfSender + 1);
    pass(3 * rosterLimits.windowMs);
    expect(hear("back again", 1)).toBe(true);
    expect(roster.present()).toHaveLength(1);
  });

  it("keeps who whispers to all, and does not take who only asks for here", () => {
    const { roster, pass, hear } = create();
    hear("a", 1, "ask");
    hear("a", 2, "broadcast");
    expect(roster.present()).toEqual([]);
    hear("a", 3, "state");
    pass(40_000);
    hear("a", 4, "broadcast");
    pass(40_000);
    expect(roster.present()).toEqual([{ sender: anna.sender, voice: "a", state: 3 }]);
    roster.clear();
    expect(roster.present()).toEqual([]);
    expect(hear("a", 4, "state")).toBe(false);
  });
});
