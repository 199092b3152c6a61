/**
 * Decides which thread of an origin talks to a server for one store: one Web Lock, whose holder answers whoever waits for it.
 *
 * A thread that is gone lets go of its lock; one that is frozen (a tab in the background of a telephone, a stopped process)
 * keeps it and answers nothing. So whoever waits asks the holder every 400 ms, and takes the lock from one that left three
 * questions in a row unanswered: 1.6 s after its last answer at the latest. Questions are counted, not time, so that one who
 * was asleep itself asks again before it takes anything. With one thread, nobody asks.
 *
 * ```
 * waiting ──granted──▶ holding ──stop──▶ end
 *    │ ▲                  ▲ │
 *    │ └──robbed, thawed──┼─┘
 *    └──3 × no answer─────┘ robs
 * ```
 *
 * A holder that was only busy loses a connection by this, and nothing else: what it had in hand is dropped when it hears of
 * it, and its cursors are written by compare-and-swap.
 */
import {
  CofferError,
  isErrorCode,
  parseId,
  type Channel,
  type CofferErrorCode,
  type Env,
  type Release,
} from "../std/index.ts";
import type { LinkProgress, Whisper } from "./conversation-types.ts";
import { syncLimits } from "./messages.ts";

/** What threads that share a link say to each other. */
export type LinkMessage =
  | { readonly kind: "status"; readonly status: LinkProgress }
  /** whoever waits wants to know the status, and whether the holder still lives */
  | { readonly kind: "ask" }
  /** the lock was taken from a holder that did not answer */
  | { readonly kind: "taken" }
  /** `isOut`: for the server too */
  | ({ readonly kind: "whisper"; readonly isOut: boolean } & Whisper)
  | { readonly kind: "sync"; readonly id: string }
  | { readonly kind: "synced"; readonly id: string; readonly code: CofferErrorCode | undefined };

/** The lock of one link, and the channel of all who want it. */
export interface LinkLock {
  readonly env: Env;
  readonly name: string;
  readonly channel: Channel;
}

const askMs = 400;
const askCount = 3;

/** Say something to the other threads of a link. */
export function tellLink(channel: Channel, message: LinkMessage): void {
  channel.post(message);
}

/** Hear what the other threads of a link say; an older or newer version of this code may say something else. */
export function onLinkMessage(channel: Channel, listener: (message: LinkMessage) => void): Release {
  return channel.onMessage((message) => {
    if (isLinkMessage(message)) listener(message);
  });
}

function isLinkMessage(message: unknown): message is LinkMessage {
  if (typeof message !== "object" || message === null || !("kind" in message)) return false;
  if (message.kind === "status")
    return "status" in message && typeof message.status === "object" && message.status !== null;
  if (message.kind === "ask" || message.kind === "taken") return true;
  if (message.kind === "whisper") return isWhisper(message);
  if (!("id" in message) || typeof message.id !== "string") return false;
  if (message.kind === "sync") return true;
  return (
    message.kind === "synced" &&
    (!("code" in message) || message.code === undefined || isErrorCode(message.code))
  );
}

function isWhisper(message: object): boolean {
  const { dbId, sealed, isOut } = message as Readonly<Record<string, unknown>>;
  const isShort =
    sealed instanceof Uint8Array && sealed.length > 0 && sealed.length <= syncLimits.whisperBytes;
  return isShort && typeof isOut === "boolean" && parseId("DbId", dbId) !== undefined;
}

/**
 * Hold the link whenever it can be had, until `signal` aborts: `hold` runs each time, to its end when it is stopped, and until
 * `lost` aborts when another thread has taken the lock away.
 *
 * @throws what `hold` throws
 */
export async function keepLink(
  lock: LinkLock,
  signal: AbortSignal,
  hold: (lost: AbortSignal) => Promise<void>,
): Promise<void> {
  let isHolderSilent = false;
  while (!signal.aborted) {
    const waiting = new AbortController();
    const stopWaiting = (): void => waiting.abort();
    signal.addEventListener("abort", stopWaiting);
    const stopWatching = isHolderSilent ? () => undefined : watchHolder(lock, stopWaiting);
    const options = isHolderSilent ? { steal: true } : { signal: waiting.signal };
    const outcome = await takeLink(lock, options, async (lost) => {
      stopWatching();
      if (!signal.aborted) await hold(lost);
    });
    stopWatching();
    signal.removeEventListener("abort", stopWaiting);
    isHolderSilent = outcome === "not-granted";
  }
}

/**
 * Hold the link for one piece of work, unless another thread holds it and answers.
 *
 * @returns whether the work was begun; it ends early when `lost` aborts
 * @throws what `work` throws
 */
export async function borrowLink(
  lock: LinkLock,
  work: (lost: AbortSignal) => Promise<void>,
): Promise<boolean> {
  if ((await takeLink(lock, { ifAvailable: true }, work)) === "held") return true;
  if (await isAnswered(lock)) return false;
  return (await takeLink(lock, { steal: true }, work)) === "held";
}

/** Ask for the lock once. What was taken from this thread meanwhile is no failure; the work is told, and waited for. */
async function takeLink(
  { env, name, channel }: LinkLock,
  options: { readonly ifAvailable?: boolean; readonly signal?: AbortSignal; readonly steal?: boolean },
  work: (lost: AbortSignal) => Promise<void>,
): Promise<"held" | "not-granted"> {
  const lost = new AbortController();
  const stopListening = onLinkMessage(channel, ({ kind }) => {
    if (kind === "taken" && working !== undefined) lost.abort();
  });
  let working: Promise<void> | undefined;
  try {
    await env.withLock(name, options, () => {
      working = work(lost.signal);
      if (options.steal === true) tellLink(channel, { kind: "taken" });
      return working;
    });
  } catch (error) {
    if (working === undefined && !isAbort(error)) throw error;
    lost.abort();
  } finally {
    stopListening();
  }
  await working;
  return working === undefined ? "not-granted" : "held";
}

/** What the platform rejects with when a signal ends the waiting, or another thread takes the lock. */
function isAbort(error: unknown): boolean {
  return error instanceof CofferError
    ? error.code === "aborted"
    : error instanceof Error && error.name === "AbortError";
}

/** Ask the holder again and again, until it has not answered for too long. */
function watchHolder({ env, channel }: LinkLock, onSilent: () => void): Release {
  let unanswered = 0;
  let stopTimer: Release = () => undefined;
  const stopListening = onLinkMessage(channel, ({ kind }) => {
    if (kind === "status" || kind === "synced" || kind === "taken") unanswered = 0;
  });
  const ask = (): void => {
    if (unanswered === askCount) {
      onSilent();
      return;
    }
    unanswered += 1;
    tellLink(channel, { kind: "ask" });
    stopTimer = env.setTimer(askMs, ask);
  };
  ask();
  return () => {
    stopTimer();
    stopListening();
  };
}

function isAnswered(lock: LinkLock): Promise<boolean> {
  return new Promise((resolve) => {
    let stopListening: Release = () => undefined;
    const end = (isThere: boolean): void => {
      stopListening();
      stopWatching();
      resolve(isThere);
    };
    const stopWatching = watchHolder(lock, () => end(false));
    stopListening = onLinkMessage(lock.channel, ({ kind }) => {
      if (kind === "status" || kind === "synced" || kind === "taken") end(true);
    });
  });
}
