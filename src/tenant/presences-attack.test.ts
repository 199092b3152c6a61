/** What a hostile server, a member and someone who was one can do to who is here: nothing, or no more than they may. */
import { describe, expect, it, vi } from "vitest";
import { createWebCrypto } from "../crypto/index.ts";
import { createContentKey } from "../entry/index.ts";
import { sealWhisper, type Saying, type Speaker } from "../presence/index.ts";
import { bytesToId, createSystemEnv, type AuthorKey } from "../std/index.ts";
import type { Whisper } from "../sync/index.ts";
import type { WorkerEvent } from "../../worker/api.ts";
import type { TenantCore } from "./core.ts";
import { Presences } from "./presences.ts";

const system = createSystemEnv();
const real = createWebCrypto(system);
let pendingCount = 0;
/** Counts what is under way, so that a test can wait for its end. */
const counted =
  <Args extends readonly unknown[], Reply>(run: (...args: Args) => Promise<Reply>) =>
  async (...args: Args): Promise<Reply> => {
    pendingCount += 1;
    try {
      return await run(...args);
    } finally {
      pendingCount -= 1;
    }
  };
const crypto = {
  ...real,
  derive: counted(real.derive),
  importCipherKey: counted(real.importCipherKey),
  encrypt: counted(real.encrypt),
  decrypt: counted(real.decrypt),
  sign: counted(real.sign),
  verify: counted(real.verify),
};
/** Until nothing of it has been under way for a few turns. */
async function untilIdle(): Promise<void> {
  for (let quiet = 0; quiet < 3; quiet = pendingCount === 0 ? quiet + 1 : 0)
    await new Promise((resolve) => setImmediate(resolve));
}
const tenantId = bytesToId("TenantId", new Uint8Array(32).fill(1));
const dbId = bytesToId("DbId", new Uint8Array(16).fill(2));
const keyId = bytesToId("KeyId", new Uint8Array(16).fill(3));
const [current, past, foreign] = await Promise.all(
  [2, 1, 9].map((epoch) =>
    createContentKey(crypto, {
      keyId: epoch === 9 ? bytesToId("KeyId", new Uint8Array(16).fill(9)) : keyId,
      epoch,
      secret: new Uint8Array(32).fill(epoch),
    }),
  ),
);
if (current === undefined || past === undefined || foreign === undefined) throw new Error("three keys");
const held = [current, past, foreign];

async function createPerson() {
  const pair = await crypto.createSigningPair();
  return { key: bytesToId("AuthorKey", pair.publicKey), pair };
}
type Person = Awaited<ReturnType<typeof createPerson>>;
const [anna, bert] = [await createPerson(), await createPerson()];

/** A device of a person that knows these members; its timers run when told. */
function createDevice(self: Person, members: readonly AuthorKey[]) {
  const clock = { nowMs: 1_800_000_000_000, ownMs: 0 };
  let timers: { atMs: number; run: () => void }[] = [];
  const env = {
    ...system,
    nowMs: () => clock.nowMs,
    monotonicMs: () => clock.ownMs,
    setTimer(afterMs: number, run: () => void) {
      const timer = { atMs: clock.ownMs + afterMs, run };
      timers.push(timer);
      return () => void (timers = timers.filter((other) => other !== timer));
    },
  };
  const usersByKey = new Map(members.map((userKey) => [userKey, { userKey }]));
  const core = {
    world: { env, crypto },
    tenantId,
    directory: { usersByKey },
    unlocked: {
      identity: {
        publicIdentity: { signingKey: self.key },
        signing: self.pair,
      },
    },
    keyIdOf: () => keyId,
    currentKey: () => current,
    findKey: ({ epoch }: { epoch: number }) => held.find((key) => key.epoch === epoch),
    nowMs: () => clock.nowMs,
  };
  const events: WorkerEvent[] = [];
  const said: Whisper[] = [];
  const presences = new Presences(core as unknown as TenantCore, {
    emit: (event) => void events.push(event),
    say: (whisper) => void said.push(whisper),
  });
  presences.open(1, { dbId });
  const pass = (ms: number): void => {
    clock.nowMs += ms;
    clock.ownMs += ms;
    for (;;) {
      const due = timers.filter(({ atMs }) => atMs <= clock.ownMs);
      if (due.length === 0) return;
      timers = timers.filter(({ atMs }) => atMs > clock.ownMs);
      for (const { run } of due) run();
    }
  };
  /** Let everything that is being sealed and opened come to its end. */
  const settle = async (): Promise<void> => {
    await untilIdle();
    pass(50);
    await untilIdle();
  };
  const peers = () => {
    const event = events.findLast((one) => one.kind === "presence");
    return event?.kind === "presence" ? event.peers : [];
  };
  const heard = () => events.filter((one) => one.kind === "broadcast");
  const hear = (sealed: Uint8Array, at = dbId): void => presences.hear({ dbId: at, sealed });
  return {
    clock,
    usersByKey,
    presences,
    events,
    said,
    pass,
    settle,
    peers,
    heard,
    hear,
    core,
    timers: () => timers,
  };
}

const voice = new Uint8Array(16).fill(7);
const state = (value: unknown): Saying => ({ kind: "state", name: "", value });
let lastNumber = 0;

/** What a person's own program could send. */
function sealed(
  by: Person,
  saying: Saying,
  options: Partial<Speaker> & { number?: number; saidAtMs?: number } = {},
): Promise<Uint8Array> {
  const { number = ++lastNumber, saidAtMs = 1_800_000_000_000, ...rest } = options;
  const speaker = {
    tenantId,
    dbId,
    content: current as Speaker["content"],
    sender: by.key,
    signingKey: by.pair.privateKey,
    voice,
    ...rest,
  };
  return sealWhisper(crypto, speaker, { number, saidAtMs }, saying);
}

describe("who is here", () => {
  it("is shown with the key of the device and of the user, and gone after goodbye or silence", async () => {
    const device = createDevice(anna, [anna.key, bert.key]);
    device.hear(await sealed(bert, state({ cursor: 1 })));
    await device.settle();
    const [peer] = device.peers();
    expect(peer).toEqual({ id: "07".repeat(16), device: bert.key, user: bert.key, state: { cursor: 1 } });
    device.hear(await sealed(bert, { kind: "gone", name: "", value: null }));
    await device.settle();
    expect(device.peers()).toEqual([]);
    device.hear(await sealed(bert, state(2)));
    await device.settle();
    expect(device.peers()).toHaveLength(1);
    device.pass(45_100);
    device.pass(50);
    expect(device.peers()).toEqual([]);
  });

  it("says its own state soon, once for many changes, again while it lasts, and goodbye", async () => {
    const device = createDevice(anna, [anna.key, bert.key]);
    const other = createDevice(bert, [anna.key, bert.key]);
    const carry = async (): Promise<void> => {
      await device.settle();
      for (const { sealed: bytes } of device.said.splice(0)) other.hear(bytes);
      await other.settle();
    };
    await carry();
    expect(other.peers()).toEqual([]);
    for (let cursor = 0; cursor < 50; cursor++) device.presences.set(1, { cursor });
    device.pass(100);
    await device.settle();
    expect(device.said).toHaveLength(1);
    await carry();
    expect(other.peers()).toMatchObject([{ user: anna.key, state: { cursor: 49 } }]);
    for (let beat = 0; beat < 10; beat++) {
      device.pass(15_000);
      await device.settle();
      other.pass(15_000);
      await carry();
      expect(other.peers()).toHaveLength(1);
    }
    await device.presences.leave();
    await carry();
    expect(other.peers()).toEqual([]);
    expect(device.timers()).toEqual([]);
  });

  it("answers who comes and asks, and says nothing while it shows nothing", async () => {
    const device = createDevice(anna, [anna.key, bert.key]);
    await device.settle();
    device.said.length = 0;
    device.hear(await sealed(bert, { kind: "ask", name: "", value: null }));
    await device.settle();
    device.pass(400);
    await device.settle();
    expect(device.said).toEqual([]);
    device.presences.set(1, "here");
    device.pass(100);
    await device.settle();
    device.said.length = 0;
    device.hear(await sealed(bert, { kind: "ask", name: "", value: null }));
    await device.settle();
    device.pass(400);
    await device.settle();
    expect(device.said).toHaveLength(1);
  });
});

describe("attacks", () => {
  const expectUnheard = async (
    bytes: Uint8Array,
    members: readonly AuthorKey[] = [anna.key, bert.key],
    at = dbId,
  ): Promise<void> => {
    const device = createDevice(anna, members);
    device.hear(bytes, at);
    await device.settle();
    expect([...device.peers(), ...device.heard()]).toEqual([]);
  };

  it("replay: what was heard is not heard again, in whatever order it comes", async () => {
    const device = createDevice(anna, [anna.key, bert.key]);
    const ping: Saying = { kind: "broadcast", name: "ping", value: 1 };
    const recorded = [
      await sealed(bert, state("first")),
      await sealed(bert, ping),
      await sealed(bert, state("second")),
    ];
    for (const bytes of [...recorded, ...recorded, ...[...recorded].reverse()]) {
      device.hear(bytes);
      await device.settle();
    }
    expect(device.heard()).toHaveLength(1);
    expect(device.peers()).toMatchObject([{ state: "second" }]);
    device.hear(await sealed(bert, { kind: "gone", name: "", value: null }));
    await device.settle();
    for (const bytes of recorded) device.hear(bytes);
    await device.settle();
    expect(device.peers()).toEqual([]);
  });

  it("the same whisper at the same time is heard once, though it is verified twice", async () => {
    const device = createDevice(anna, [anna.key, bert.key]);
    const bytes = await sealed(bert, { kind: "broadcast", name: "ping", value: 1 });
    for (let times = 0; times < 10; times++) device.hear(bytes);
    await device.settle();
    expect(device.heard()).toHaveLength(1);
  });

  it("recorded for later: what is older than five minutes, or from that far ahead, is not heard", async () => {
    for (const apart of [-301_000, 301_000])
      await expectUnheard(await sealed(bert, state(1), { saidAtMs: 1_800_000_000_000 + apart }));
  });

  it("another database, another tenant", async () => {
    const otherDb = bytesToId("DbId", new Uint8Array(16).fill(5));
    const otherTenant = bytesToId("TenantId", new Uint8Array(32).fill(5));
    await expectUnheard(await sealed(bert, state(1), { dbId: otherDb }));
    await expectUnheard(await sealed(bert, state(1)), undefined, otherDb);
    await expectUnheard(await sealed(bert, state(1), { tenantId: otherTenant }));
  });

  it("under the name of somebody else, and under a key that is not the tenant's", async () => {
    const mallory = await createPerson();
    const members = [anna.key, bert.key, mallory.key];
    await expectUnheard(await sealed(bert, state(1), { signingKey: mallory.pair.privateKey }), members);
    await expectUnheard(await sealed(bert, state(1), { content: foreign as Speaker["content"] }), members);
  });

  it("of who is no member, though they hold the key", async () => {
    const mallory = await createPerson();
    await expectUnheard(await sealed(mallory, state(1)));
  });

  it("of who is revoked: not heard from then on, and gone at once", async () => {
    const device = createDevice(anna, [anna.key, bert.key]);
    device.hear(await sealed(bert, state("here")));
    await device.settle();
    expect(device.peers()).toHaveLength(1);
    device.usersByKey.delete(bert.key);
    device.presences.recheck();
    await device.settle();
    expect(device.peers()).toEqual([]);
    device.hear(await sealed(bert, state("still here")));
    device.hear(await sealed(bert, { kind: "broadcast", name: "ping", value: 1 }));
    await device.settle();
    expect(device.peers()).toEqual([]);
    expect(device.heard()).toEqual([]);
  });

  it("a flood of genuine whispers: so many are looked at in a second, and others are heard meanwhile", async () => {
    const device = createDevice(anna, [anna.key, bert.key]);
    const carl = await createPerson();
    device.usersByKey.set(carl.key, { userKey: carl.key });
    const verify = vi.spyOn(crypto, "verify");
    const flood = await Promise.all(
      Array.from({ length: 300 }, (_, index) =>
        sealed(bert, { kind: "broadcast", name: "flood", value: index }, { number: 1000 + index }),
      ),
    );
    for (const bytes of flood) device.hear(bytes);
    expect(verify.mock.calls.length).toBeLessThanOrEqual(64);
    device.hear(await sealed(carl, state("carl")));
    await device.settle();
    verify.mockRestore();
    expect(device.heard()).toHaveLength(40);
    expect(device.peers()).toMatchObject([{ user: carl.key }]);
    lastNumber = 2000;
  });

  it("a flood of voices: one member shows 32 at most", async () => {
    const device = createDevice(anna, [anna.key, bert.key]);
    for (let index = 0; index < 50; index++) {
      device.hear(
        await sealed(bert, state(index), {
          voice: new Uint8Array(16).fill(100 + index),
          saidAtMs: device.clock.nowMs,
        }),
      );
      await device.settle();
      device.pass(100);
    }
    expect(device.peers()).toHaveLength(32);
  });

  it("a flood of forgeries costs nobody else their voice", async () => {
    const device = createDevice(anna, [anna.key, bert.key]);
    const genuine = await sealed(bert, state("bert"));
    const ahead = await sealed(bert, state("x"), { number: 1_000_000 });
    const forged = ahead.slice();
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    for (let times = 0; times < 30; times++) device.hear(forged);
    await device.settle();
    device.hear(genuine);
    await device.settle();
    expect(device.peers()).toMatchObject([{ state: "bert" }]);
  });

  it("oversized, cut and meaningless bytes say nothing, and throw nothing", async () => {
    const bytes = await sealed(bert, state(1));
    await expectUnheard(new Uint8Array(100_000));
    for (let length = 0; length < bytes.length; length += 7) await expectUnheard(bytes.subarray(0, length));
    await expectUnheard(new Uint8Array([...bytes, 0]));
  });

  it("a locked device hears nothing and says nothing", async () => {
    const device = createDevice(anna, [anna.key, bert.key]);
    await device.settle();
    device.said.length = 0;
    Object.assign(device.core, { unlocked: undefined });
    device.hear(await sealed(bert, state(1)));
    device.presences.set(1, "here");
    device.pass(100);
    await device.settle();
    expect([device.peers(), device.said]).toEqual([[], []]);
  });
});
