import { beforeEach, describe, expect, it } from "vitest";
import type { WorkerEvent } from "../../worker/api.ts";
import { connectEachTest } from "../../worker/rtc-fixtures.ts";
import { meetPeers } from "./meeting.ts";
import type { PeerConnection } from "./peer-types.ts";
import { sdpOf, signalOf, type RtcSignal } from "./rtc-signal.ts";
import type { Session, SubscriptionEvent } from "./session.ts";
import type { WorkerCall } from "./supervisor.ts";

/* The meeting alone: a room in which words can be lost, doubled and made up, timers that run when the test says, and no worker. */

const browser = connectEachTest();
type Said = { readonly from: string; readonly name: string; readonly value: Record<string, unknown> };
type Hook = (said: Said) => readonly Said[];

let members: Map<string, { state: unknown; hear: (event: SubscriptionEvent) => void; subscription: number }>;
let pass: Hook;
let heard: Said[];
/** what of files each link is opened for */
let wanted: unknown[];
let timers: { afterMs: number; run: () => void }[];
beforeEach(() => {
  members = new Map();
  pass = (said) => [said];
  heard = [];
  wanted = [];
  timers = [];
});

const env = {
  randomBytes: (sizeBytes: number) => crypto.getRandomValues(new Uint8Array(sizeBytes)),
  setTimer(afterMs: number, run: () => void) {
    const timer = { afterMs, run };
    timers.push(timer);
    return () => void (timers = timers.filter((one) => one !== timer));
  },
};

/** Let the timers of a length run. */
async function runTimers(afterMs: number): Promise<void> {
  for (const timer of timers.filter((one) => one.afterMs === afterMs)) {
    timers = timers.filter((one) => one !== timer);
    timer.run();
  }
  await settle();
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));

function tellWho(): void {
  for (const [id, member] of members) {
    const peers = [...members]
      .filter(([other, { state }]) => other !== id && state !== undefined)
      .map(([other, { state }]) => ({ id: other, device: `device ${other}`, user: `user ${other}`, state }));
    member.hear({ kind: "presence", subscription: member.subscription, peers });
  }
}

function deliver(said: Said): void {
  for (const [id, { hear, subscription }] of members)
    if (id !== said.from)
      hear({
        kind: "broadcast",
        subscription,
        name: said.name,
        value: JSON.parse(JSON.stringify(said.value)),
        from: { id: said.from, device: `device ${said.from}`, user: `user ${said.from}` },
      } satisfies Extract<WorkerEvent, { kind: "broadcast" }>);
}

/** A page whose worker is this test: its links carry nothing, and are there as soon as they are opened. */
function createSession(id: string): Session {
  const listeners = new Map<number, (event: SubscriptionEvent) => void>();
  let last = 0;
  const hear = (event: SubscriptionEvent): void => listeners.get(event.subscription)?.(event);
  const api = {
    async openMeeting(_tenant: string, subscription: number) {
      members.set(id, { state: undefined, hear, subscription });
    },
    async setPresence(_subscription: number, state: unknown) {
      const member = members.get(id);
      if (member !== undefined) member.state = state;
      queueMicrotask(tellWho);
    },
    async broadcast(_subscription: number, name: string, value: Record<string, unknown>) {
      expect(JSON.stringify(value).length).toBeLessThanOrEqual(2048);
      const said = { from: id, name, value };
      heard.push(said);
      for (const one of pass(said)) queueMicrotask(() => deliver(one));
    },
    async closePresence() {
      members.delete(id);
      queueMicrotask(tellWho);
    },
    openPeer: async (...[, , , attachments]: readonly unknown[]) => void wanted.push(attachments),
    tellPeer: async () => undefined,
    closePeer: async () => undefined,
  };
  return {
    isReady: () => true,
    ready: async () => undefined,
    call: async <T>(run: WorkerCall<T>) => run(api as unknown as Parameters<typeof run>[0]),
    nextNumber: () => (last += 1),
    listen(subscription, listener) {
      listeners.set(subscription, listener);
      return () => void listeners.delete(subscription);
    },
  };
}

async function join(id: string, options: Parameters<typeof meetPeers>[1] = {}) {
  const found: PeerConnection[] = [];
  const meeting = await meetPeers(
    { id: "tenant", session: createSession(id) },
    { onPeer: (peer) => found.push(peer), ...options },
    env,
  );
  return { found, meeting };
}

const countOf = (name: string): number => heard.filter((said) => said.name === name).length;

describe("a meeting", () => {
  it("of three links each with each, once", async () => {
    const parties = [await join("a"), await join("b"), await join("c")];
    await expect.poll(() => parties.map(({ found }) => found.length)).toEqual([2, 2, 2]);
    expect(parties[0]?.found.map(({ peer }) => peer?.device).toSorted()).toEqual(["device b", "device c"]);
    expect([countOf("peer-offer"), countOf("peer-answer")]).toEqual([3, 3]);
    tellWho();
    await settle();
    expect(countOf("peer-offer")).toBe(3);
  });

  it("links for what of files each side wants", async () => {
    await join("a", { attachments: "on-demand" });
    await join("b", { attachments: false });
    await expect.poll(() => new Set(wanted)).toEqual(new Set(["on-demand", false]));
  });

  it("where an offer or an answer is lost begins again, a few times, and then waits for a new face", async () => {
    let lost = 0;
    pass = (said) => (lost++ < 2 ? [] : [said]);
    const parties = [await join("a"), await join("b")];
    await settle();
    expect(parties[0]?.found).toEqual([]);
    await runTimers(30_000);
    await runTimers(2000);
    // This time the offer came through, and the answer did as well, or was the second loss.
    await runTimers(30_000);
    await runTimers(8000);
    expect(parties.map(({ found }) => found.length)).toEqual([1, 1]);
    pass = () => [];
    const third = await join("c");
    await settle();
    for (const afterMs of [2000, 8000, 32_000, 32_000]) {
      await runTimers(30_000);
      await runTimers(afterMs);
    }
    const before = countOf("peer-offer");
    await runTimers(30_000);
    await runTimers(32_000);
    expect(countOf("peer-offer")).toBe(before);
    pass = (said) => [said];
    await third.meeting.leave();
    await settle();
    const again = await join("c");
    await settle();
    expect(again.found).toHaveLength(2);
  });

  it("takes what is doubled, late or made up for what it is", async () => {
    const [one, two] = [await join("a"), await join("b")];
    await settle();
    const [offer, answer] = [
      heard.find(({ name }) => name === "peer-offer"),
      heard.find(({ name }) => name === "peer-answer"),
    ];
    if (offer === undefined || answer === undefined) throw new Error("they met");
    for (const said of [offer, answer, offer, answer]) deliver(said);
    await settle();
    expect([one.found.length, two.found.length]).toEqual([1, 1]);
    expect(one.meeting.peers[0]?.status.phase).not.toBe("closed");
    const open = browser.count();
    const { signal } = offer.value as { signal: RtcSignal };
    const evil = (value: unknown, name = "peer-offer"): void =>
      deliver({ from: "mallory", name, value: value as Record<string, unknown> });
    evil(null);
    evil(7);
    evil({ ...offer.value, from: "x" });
    evil({ ...offer.value, to: "f".repeat(32) });
    evil({ ...offer.value, attempt: -1 });
    evil({ ...offer.value, attempt: 99, signal: { ...signal, u: "a\r\nb" } });
    evil({ ...answer.value, attempt: 99 }, "peer-answer");
    evil({ ...answer.value, from: "0".repeat(32) }, "peer-answer");
    await settle();
    expect(browser.count()).toBe(open);
    expect(one.meeting.peers).toHaveLength(1);
    // Many names of nobody are no more than so many attempts, which end.
    for (let n = 0; n < 100; n++)
      evil({
        ...offer.value,
        from: n.toString(16).padStart(32, "0"),
        attempt: 1,
        signal: signalOf(sdpOf(signal, "offer")),
      });
    await settle();
    expect(browser.count()).toBeLessThanOrEqual(open + 16);
    await runTimers(30_000);
    expect(browser.count()).toBe(open);
  });

  it("that is left begins nothing more, and keeps its links", async () => {
    const [one, two] = [await join("a"), await join("b")];
    await settle();
    await one.meeting.leave();
    await one.meeting.leave();
    expect(one.found[0]?.status.phase).not.toBe("closed");
    const third = await join("c");
    await settle();
    expect([one.found.length, two.found.length, third.found.length]).toEqual([1, 2, 1]);
  });
});
