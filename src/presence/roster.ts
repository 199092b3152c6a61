/**
 * Who is here, from what was heard: replays and what is too old are not heard, whoever falls silent is gone.
 *
 * ```
 * whisper ─► isNew? ─► verified ─► hear ─► here, with a state ──45 s of silence, `gone`, or no member any more──► gone
 *               └ heard before, too old, too many voices of one sender: nothing happens
 * ```
 *
 * What was heard of a voice is remembered for longer than anything said by it could still be new, so that nothing is heard twice.
 * Times are of two clocks: how old a whisper is says the wall clock, of which both sides have one of their own, so that devices whose
 * clocks are more than five minutes apart do not see each other; how long somebody has been silent says this device's own.
 */
import type { AuthorKey } from "../std/index.ts";
import type { Saying, WhisperHeader } from "./whisper.ts";

export const rosterLimits = {
  /** how far the time of a whisper may be from this device's */
  windowMs: 5 * 60_000,
  /** who is silent for longer is gone */
  silenceMs: 45_000,
  voicesOfSender: 32,
  senders: 1000,
} as const;

/** Somebody who is here. */
export interface Present {
  readonly sender: AuthorKey;
  readonly voice: string;
  readonly state: unknown;
}

interface Voice {
  lastNumber: number;
  /** wall clock of the latest whisper, by the sender's clock or this device's, whichever is later */
  lastAtMs: number;
  /** monotonic; `undefined`: not here */
  heardAtMs: number | undefined;
  state: unknown;
}

/** The two clocks of this device. */
export interface Clocks {
  nowMs(): number;
  monotonicMs(): number;
}

/** What was heard in one database. */
export class Roster {
  readonly #clocks: Clocks;
  readonly #voicesBySender = new Map<AuthorKey, Map<string, Voice>>();

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
  }

  /** Whether a whisper, if it is genuine, is to be heard. */
  isNew({ sender, voice, number, saidAtMs }: WhisperHeader): boolean {
    if (Math.abs(this.#clocks.nowMs() - saidAtMs) > rosterLimits.windowMs) return false;
    const voices = this.#voicesBySender.get(sender);
    const known = voices?.get(voice);
    if (known !== undefined) return number > known.lastNumber;
    this.#forget();
    return voices === undefined || !this.#voicesBySender.has(sender)
      ? this.#voicesBySender.size < rosterLimits.senders
      : voices.size < rosterLimits.voicesOfSender;
  }

  /** Take in what was said, proven to be `header`'s; `false` when it was not new after all. */
  hear(header: WhisperHeader, { kind, value }: Pick<Saying, "kind" | "value">): boolean {
    if (!this.isNew(header)) return false;
    const { sender, voice, number, saidAtMs } = header;
    const voices = this.#voicesBySender.get(sender) ?? new Map<string, Voice>();
    this.#voicesBySender.set(sender, voices);
    const known = voices.get(voice);
    const lastAtMs = Math.max(saidAtMs, this.#clocks.nowMs());
    const isHere = kind === "state" || (kind === "broadcast" && known?.heardAtMs !== undefined);
    voices.set(voice, {
      lastNumber: number,
      lastAtMs,
      heardAtMs: isHere ? this.#clocks.monotonicMs() : kind === "ask" ? known?.heardAtMs : undefined,
      state: kind === "state" ? value : kind === "gone" ? undefined : known?.state,
    });
    return true;
  }

  /** Who is here now, in the order in which they were first heard. */
  present(): readonly Present[] {
    const now = this.#clocks.monotonicMs();
    return [...this.#voicesBySender].flatMap(([sender, voices]) =>
      [...voices].flatMap(([voice, { heardAtMs, state }]) =>
        heardAtMs !== undefined && now - heardAtMs <= rosterLimits.silenceMs
          ? [{ sender, voice, state }]
          : [],
      ),
    );
  }

  /** How long until somebody who stays silent is gone; `undefined`: nobody is here. */
  silentInMs(): number | undefined {
    const now = this.#clocks.monotonicMs();
    let soonest: number | undefined;
    for (const voices of this.#voicesBySender.values())
      for (const { heardAtMs } of voices.values()) {
        const left = heardAtMs === undefined ? -1 : heardAtMs + rosterLimits.silenceMs - now;
        if (left >= 0 && (soonest === undefined || left < soonest)) soonest = left;
      }
    return soonest;
  }

  /** Nobody is here any more, say while the tenant is locked; what was heard stays known. */
  clear(): void {
    for (const voices of this.#voicesBySender.values())
      for (const voice of voices.values()) {
        voice.heardAtMs = undefined;
        voice.state = undefined;
      }
  }

  /** Forget voices of which nothing could be new any more. */
  #forget(): void {
    const beforeMs = this.#clocks.nowMs() - 2 * rosterLimits.windowMs;
    const present = new Set(this.present().map(({ voice }) => voice));
    for (const [sender, voices] of this.#voicesBySender) {
      for (const [name, { lastAtMs }] of voices)
        if (lastAtMs < beforeMs && !present.has(name)) voices.delete(name);
      if (voices.size === 0) this.#voicesBySender.delete(sender);
    }
  }
}
