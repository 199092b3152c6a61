/**
 * Devices of a tenant that connect by themselves: they find each other by what members whisper over the tenant's servers, and exchange
 * offer and answer the same way. Nothing of it is kept anywhere, nor readable to a server.
 *
 * ```
 *  shows that it is there, under a name of its own ──────────►◄  as presences do
 *  whose name is lower    offer, to the other's name ─────────►
 *                                     ◄───────────────── answer
 *  ═══ the channel opens ═══
 *  it did not, or broke: once more after 2 s, 8 s, 32 s, for as long as both are there
 * ```
 *
 * What is heard was sealed and signed by a member's device, in the last five minutes, and never before (tenant/presences.ts). Whoever it
 * was, the link knows, and ends when that is no member any more.
 */
import { bytesToHex, createPageEnv, type PageEnv, type Release } from "../std/index.ts";
import { linkCall } from "./peer-call.ts";
import type { PeerPlace } from "./peer.ts";
import type { PeerCallOptions, PeerConnection, PeerDevice, PeerMeeting } from "./peer-types.ts";
import type { Peer } from "./presence-types.ts";
import { parseSignal, type RtcSignal } from "./rtc-signal.ts";
import { findRtc, startCall, type RtcCall } from "./rtc.ts";
import { inBackground, runCallers, type SubscriptionEvent } from "./session.ts";

type MeetingOptions = PeerCallOptions & { readonly onPeer?: (peer: PeerConnection) => void };

const withinMs = 30_000;
const retryMs = [2000, 8000, 32_000];
const maxPeers = 16;
const nameForm = /^[\da-f]{32}$/;
const words = { offer: "peer-offer", answer: "peer-answer" } as const;

/** Be there for the other devices of a tenant. */
export async function meetPeers(
  place: PeerPlace,
  options: MeetingOptions = {},
  env: Pick<PageEnv, "randomBytes" | "setTimer"> = createPageEnv(),
): Promise<PeerMeeting> {
  findRtc();
  const meeting = new Meeting(place, options, env);
  await meeting.open();
  return {
    get peers() {
      return meeting.peers;
    },
    leave: async () => meeting.leave(),
  };
}

/** What there is with one other device. */
interface Other {
  isHere: boolean;
  /** what was begun with it last, by the count of who offers: what belongs to a former attempt counts no more */
  attempt: number;
  /** an attempt is under way, or led to a link */
  isBusy: boolean;
  tries: number;
  call: RtcCall | undefined;
  link: PeerConnection | undefined;
  stopRetry: Release;
}

/** An offer or an answer, as it was whispered. */
interface Said {
  readonly from: string;
  readonly to: string;
  /** the number of the attempt, by who offers */
  readonly attempt: number;
  readonly signal: RtcSignal;
}

class Meeting {
  readonly #place: PeerPlace;
  readonly #options: MeetingOptions;
  readonly #env: Pick<PageEnv, "randomBytes" | "setTimer">;
  readonly #name: string;
  readonly #subscription: number;
  readonly #unlisten: Release;
  readonly #others = new Map<string, Other>();
  #attempts = 0;
  #hasLeft = false;

  constructor(place: PeerPlace, options: MeetingOptions, env: Pick<PageEnv, "randomBytes" | "setTimer">) {
    this.#place = place;
    this.#options = options;
    this.#env = env;
    this.#name = bytesToHex(env.randomBytes(16));
    this.#subscription = place.session.nextNumber();
    this.#unlisten = place.session.listen(this.#subscription, (event) => this.#hear(event));
  }

  get peers(): readonly PeerConnection[] {
    return [...this.#others.values()].flatMap(({ link }) => link ?? []);
  }

  async open(): Promise<void> {
    try {
      await this.#place.session.call(async (api) => {
        await api.openMeeting(this.#place.id, this.#subscription);
        await api.setPresence(this.#subscription, { name: this.#name });
      });
    } catch (cause) {
      this.#unlisten();
      throw cause;
    }
  }

  async leave(): Promise<void> {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#unlisten();
    for (const { call, link, stopRetry } of this.#others.values()) {
      stopRetry();
      if (link === undefined) call?.close();
    }
    await this.#place.session.call((api) => api.closePresence(this.#subscription));
  }

  #hear(event: SubscriptionEvent): void {
    if (event.kind === "presence") this.#see(event.peers);
    if (event.kind !== "broadcast") return;
    const { from, name, value } = event;
    const said = readSaid(value);
    if (said === undefined || said.to !== this.#name) return;
    const peer = { device: from.device, user: from.user };
    if (name === words.offer && said.from < this.#name) inBackground(this.#answer(said, peer));
    if (name === words.answer && said.from > this.#name) inBackground(this.#accept(said, peer));
  }

  #see(peers: readonly Peer[]): void {
    const here = new Set(peers.flatMap(({ state }) => nameOf(state) ?? []));
    for (const [name, other] of this.#others) {
      other.isHere = here.has(name);
      if (other.isHere) continue;
      // Who comes again is tried again.
      other.tries = 0;
      other.stopRetry();
      if (!other.isBusy) this.#others.delete(name);
    }
    for (const name of here)
      if (name > this.#name && !this.#others.has(name)) inBackground(this.#offer(name));
  }

  #find(name: string): Other | undefined {
    const known = this.#others.get(name);
    if (known !== undefined || this.#others.size >= maxPeers) return known;
    const other: Other = {
      isHere: true,
      attempt: 0,
      isBusy: false,
      tries: 0,
      call: undefined,
      link: undefined,
      stopRetry: () => undefined,
    };
    this.#others.set(name, other);
    return other;
  }

  async #offer(name: string): Promise<void> {
    const other = this.#find(name);
    if (other === undefined || other.isBusy) return;
    const attempt = (this.#attempts += 1);
    const call = await this.#begin(name, other, attempt);
    if (call !== undefined) await this.#say(words.offer, { to: name, attempt, signal: call.signal });
  }

  async #answer({ attempt, from: name, signal }: Said, peer: PeerDevice): Promise<void> {
    const other = this.#find(name);
    if (other === undefined || attempt <= other.attempt) return;
    // The other end begins anew: what there was is over.
    const { link } = other;
    other.link = undefined;
    if (link !== undefined) inBackground(link.disconnect());
    else other.call?.close();
    const call = await this.#begin(name, other, attempt, signal);
    if (call === undefined) return;
    await this.#say(words.answer, { to: name, attempt, signal: call.signal });
    await this.#link({ name, other, attempt, call }, peer);
  }

  async #accept({ attempt, from: name, signal }: Said, peer: PeerDevice): Promise<void> {
    const other = this.#others.get(name);
    const call = other?.call;
    if (other === undefined || call === undefined || other.attempt !== attempt) return;
    // A second answer finds nothing to answer.
    other.call = undefined;
    await call.accept(signal).catch(() => call.close());
    await this.#link({ name, other, attempt, call }, peer);
  }

  /** Begin an attempt; `undefined` when it came to nothing, or to nothing any more. */
  async #begin(name: string, other: Other, attempt: number, offer?: RtcSignal): Promise<RtcCall | undefined> {
    other.attempt = attempt;
    other.isBusy = true;
    other.call = undefined;
    const end = (): void => this.#end(name, other, attempt);
    try {
      const call = await startCall({ rtc: this.#options.rtc, withinMs }, offer, this.#env);
      call.opened.catch(end);
      if (!this.#hasLeft && other.attempt === attempt) return (other.call = call);
      call.close();
    } catch {
      end();
    }
    return undefined;
  }

  async #link(
    { attempt, call, name, other }: { name: string; other: Other; attempt: number; call: RtcCall },
    peer: PeerDevice,
  ): Promise<void> {
    const onStatus = (status: PeerConnection["status"]): void => {
      if (status.phase === "closed") this.#end(name, other, attempt);
      this.#options.onStatus?.(status);
    };
    try {
      const link = await linkCall(this.#place, call, { ...this.#options, onStatus }, peer);
      if (other.attempt !== attempt || link.status.phase === "closed") {
        await link.disconnect();
        return;
      }
      other.link = link;
      other.tries = 0;
      const { onPeer } = this.#options;
      if (onPeer !== undefined) runCallers(() => onPeer(link));
    } catch {
      this.#end(name, other, attempt);
    }
  }

  /** An attempt failed, or its link broke. Whoever offers tries again, for as long as the other is there. */
  #end(name: string, other: Other, attempt: number): void {
    if (other.attempt !== attempt || !other.isBusy) return;
    other.isBusy = false;
    other.call = undefined;
    other.link = undefined;
    const afterMs = retryMs[other.tries];
    if (!other.isHere) this.#others.delete(name);
    if (this.#hasLeft || !other.isHere || name < this.#name || afterMs === undefined) return;
    other.stopRetry();
    other.stopRetry = this.#env.setTimer(afterMs, () => inBackground(this.#offer(name)));
    other.tries += 1;
  }

  async #say(name: string, said: Omit<Said, "from">): Promise<void> {
    const value = { ...said, from: this.#name };
    await this.#place.session.call((api) => api.broadcast(this.#subscription, name, value));
  }
}

function nameOf(state: unknown): string | undefined {
  const name = typeof state === "object" && state !== null && "name" in state ? state.name : undefined;
  return typeof name === "string" && nameForm.test(name) ? name : undefined;
}

/** Read what another device whispered. Never throws. */
function readSaid(value: unknown): Said | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { attempt, from, signal: given, to } = value as Readonly<Record<string, unknown>>;
  const [name, other, signal] = [nameOf({ name: from }), nameOf({ name: to }), parseSignal(given)];
  const isNumber = typeof attempt === "number" && Number.isSafeInteger(attempt) && attempt > 0;
  if (name === undefined || other === undefined || signal === undefined || !isNumber) return undefined;
  return { from: name, to: other, attempt, signal };
}
