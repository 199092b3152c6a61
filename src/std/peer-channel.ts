/**
 * A way to one other end for bytes, whatever carries them: a message port, a data channel, a pair in memory.
 *
 * Guarantees, for every implementation (sync/peer-channel-contract.ts proves each)
 * - C1 the bytes come out as they went in, in order, each once. Where a message ends says nothing: a carrier of small messages may cut
 *      them, and a reader puts frames together again
 * - C2 what arrives before somebody listens is kept for the one who does
 * - C3 when either end closes, the other hears of it once, after what was posted before; after its own `close()` an end hears nothing
 * - C4 posting never throws; after a close it does nothing
 * - C5 what an end keeps, for another that does not read or for its own listener that is not there yet, is at most {@link maxWaitingBytes}:
 *      beyond that the way breaks
 *
 * Bytes are untrusted. Nobody is told to wait before posting: of a peer that waits for the answer to each question no more than two
 * messages can be under way, see sync/peer-talk.ts, and who asks on without reading any answer meets C5. A message port keeps nothing at
 * this end, and nobody can ask what waits at the other, which is in the same browser.
 */
import { copyBytes } from "./bytes.ts";
import type { Release } from "./env.ts";

/** 16 MiB: more than any peer has under way that reads what it asked for. */
export const maxWaitingBytes = 16 * 1024 * 1024;

/** One end of a connection between two peers. */
export interface PeerChannel {
  /** Send bytes; the carrier keeps or copies them at once. */
  post(message: Uint8Array<ArrayBuffer>): void;
  /** Take what arrives; one listener, which stays until it is released. */
  onMessage(listener: (message: Uint8Array) => void): Release;
  /** Called once when the other end closed, or the way to it broke. */
  onClose(listener: () => void): Release;
  /** Close this end; again does nothing. */
  close(): void;
}

/** What a port says instead of its last message. */
const closeWord = "close";

/** The part of a MessagePort that is used. */
interface PortLike {
  postMessage(message: unknown): void;
  addEventListener(type: "message" | "messageerror" | "close", listener: (event: Event) => void): void;
  removeEventListener(type: "message" | "messageerror" | "close", listener: (event: Event) => void): void;
  start(): void;
  close(): void;
}

/** Keeps what arrives until somebody listens, and the close after it: C2 and C3 for every carrier. */
export function createArrival(): {
  readonly arrive: (message: Uint8Array) => void;
  readonly end: () => void;
  readonly stop: () => void;
} & Pick<PeerChannel, "onMessage" | "onClose"> {
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let onMessage: ((message: Uint8Array) => void) | undefined;
  let onClose: (() => void) | undefined;
  let state: "open" | "ended" | "told" = "open";
  const tellEnd = (): void => {
    if (state !== "ended" || waiting.length > 0 || onClose === undefined) return;
    state = "told";
    onClose();
  };
  return {
    arrive(message) {
      if (state !== "open") return;
      if (onMessage !== undefined) return onMessage(message);
      waiting.push(message);
      waitingBytes += message.length;
      if (waitingBytes <= maxWaitingBytes) return;
      waiting = [];
      state = "ended";
      tellEnd();
    },
    end() {
      if (state === "open") state = "ended";
      tellEnd();
    },
    stop() {
      state = "told";
      waiting = [];
    },
    onMessage(listener) {
      onMessage = listener;
      const kept = waiting;
      waiting = [];
      waitingBytes = 0;
      for (const message of kept) if (state !== "told") listener(message);
      tellEnd();
      return () => {
        if (onMessage === listener) onMessage = undefined;
      };
    },
    onClose(listener) {
      onClose = listener;
      tellEnd();
      return () => {
        if (onClose === listener) onClose = undefined;
      };
    },
  };
}

/** Two ends in one thread. Messages arrive in later turns, as everywhere. */
export function createPeerChannels(): readonly [PeerChannel, PeerChannel] {
  const arrivals = [createArrival(), createArrival()] as const;
  const isClosed = [false, false];
  const endOf = (own: 0 | 1): PeerChannel => {
    const other = own === 0 ? 1 : 0;
    return {
      post(message) {
        if (isClosed[own] === true || isClosed[other] === true) return;
        const copy = copyBytes(message);
        queueMicrotask(() => arrivals[other].arrive(copy));
      },
      onMessage: arrivals[own].onMessage,
      onClose: arrivals[own].onClose,
      close() {
        if (isClosed[own] === true) return;
        isClosed[own] = true;
        arrivals[own].stop();
        queueMicrotask(() => arrivals[other].end());
      },
    };
  };
  return [endOf(0), endOf(1)];
}

/**
 * Speak over a message port: between threads, tabs and frames. A close is said as `"close"`, since not every platform tells of a port that
 * was closed; anything else that is no bytes is ignored.
 */
export function openPortChannel(port: PortLike): PeerChannel {
  const { arrive, end, stop, onMessage, onClose } = createArrival();
  let isOpen = true;
  const heard = (event: Event): void => {
    const data = (event as MessageEvent<unknown>).data;
    if (data instanceof Uint8Array) arrive(data);
    else if (data === closeWord) ended();
  };
  const release = (): void => {
    isOpen = false;
    port.removeEventListener("message", heard);
    port.removeEventListener("messageerror", ended);
    port.removeEventListener("close", ended);
    port.close();
  };
  const ended = (): void => {
    if (!isOpen) return;
    release();
    end();
  };
  port.addEventListener("message", heard);
  port.addEventListener("messageerror", ended);
  port.addEventListener("close", ended);
  port.start();
  return {
    post(message) {
      // A copy: of a view the whole of its buffer would be cloned.
      if (isOpen) port.postMessage(message.slice());
    },
    onMessage,
    onClose,
    close() {
      if (!isOpen) return;
      stop();
      port.postMessage(closeWord);
      release();
    },
  };
}
