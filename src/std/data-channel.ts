/**
 * A data channel of WebRTC as a way between two peers: bytes one way and the other, with no server in between.
 *
 * ```
 *  a text "here?"            who begins to listen asks; whoever listens already answers
 *  a text "here"             who hears either begins to send
 *  bytes, at most 16 KiB     what was posted, cut: larger messages are not carried by all browsers
 * ```
 *
 * A data channel drops what arrives before anybody listens, so nothing is sent before the other end has said that it does. What is posted
 * waits here as long as the channel's own buffer is full: the browser breaks off a channel whose buffer overflows. When more than 16 MiB
 * wait, nobody reads at the other end, and this one breaks off.
 */
import { CofferError } from "./error.ts";
import { createArrival, maxWaitingBytes, type PeerChannel } from "./peer-channel.ts";

/** The part of an RTCDataChannel that is used. */
export interface DataChannelLike {
  readonly readyState: "connecting" | "open" | "closing" | "closed";
  readonly ordered: boolean;
  readonly maxRetransmits: number | null;
  readonly maxPacketLifeTime: number | null;
  readonly bufferedAmount: number;
  bufferedAmountLowThreshold: number;
  binaryType: string;
  send(message: string | Uint8Array<ArrayBuffer>): void;
  addEventListener(type: ChannelEvent, listener: (event: Event) => void): void;
  removeEventListener(type: ChannelEvent, listener: (event: Event) => void): void;
  close(): void;
}

type ChannelEvent = "open" | "message" | "bufferedamountlow" | "close" | "error";

const question = "here?";
const answer = "here";
const pieceBytes = 16 * 1024;
/** a full buffer; Chromium breaks off at 16 MiB */
const fullBytes = 1024 * 1024;
const lowBytes = 256 * 1024;

/**
 * Speak over a data channel, which may still be connecting.
 *
 * @throws `input/invalid` for a channel that may lose bytes or bring them in another order
 */
export function openDataChannel(channel: DataChannelLike): PeerChannel {
  const { maxPacketLifeTime, maxRetransmits, ordered } = channel;
  if (!ordered || maxRetransmits !== null || maxPacketLifeTime !== null)
    throw new CofferError("input/invalid", { reason: "the channel must be ordered and reliable" });
  const end = new End(channel);
  const { onClose, onMessage } = end.arrival;
  return { post: (message) => end.post(message), onMessage, onClose, close: () => end.close() };
}

/** This end of a channel, from its first question to its close. */
class End {
  readonly arrival = createArrival();
  readonly #channel: DataChannelLike;
  readonly #listeners: readonly (readonly [ChannelEvent, (event: Event) => void])[];
  #state: "open" | "closing" | "closed" = "open";
  /** the other end listens */
  #isHeard = false;
  #waiting: Uint8Array<ArrayBuffer>[] = [];
  #waitingBytes = 0;

  constructor(channel: DataChannelLike) {
    this.#channel = channel;
    const finish = (): void => this.#finish();
    this.#listeners = [
      ["open", () => this.#send(question)],
      ["message", (event) => this.#hear((event as MessageEvent<unknown>).data)],
      ["bufferedamountlow", () => this.#flush()],
      ["close", finish],
      ["error", finish],
    ];
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = lowBytes;
    for (const [type, listener] of this.#listeners) channel.addEventListener(type, listener);
    this.#send(question);
    if (channel.readyState === "closing" || channel.readyState === "closed") finish();
  }

  post(message: Uint8Array<ArrayBuffer>): void {
    if (this.#state !== "open") return;
    for (let at = 0; at < message.length; at += pieceBytes)
      this.#waiting.push(message.slice(at, at + pieceBytes));
    this.#waitingBytes += message.length;
    this.#flush();
    if (this.#waitingBytes > maxWaitingBytes) this.#finish();
  }

  close(): void {
    if (this.#state !== "open") return;
    this.arrival.stop();
    this.#state = "closing";
    this.#flush();
  }

  #flush(): void {
    const channel = this.#channel;
    while (this.#isHeard && channel.readyState === "open" && channel.bufferedAmount < fullBytes) {
      const piece = this.#waiting.shift();
      if (piece === undefined) break;
      this.#waitingBytes -= piece.length;
      this.#send(piece);
    }
    // Of the channel's own buffer its closing takes care; what nobody listens to yet waits for who does.
    const isDone = this.#waiting.length === 0 || channel.readyState !== "open";
    if (this.#state === "closing" && isDone) this.#finish();
  }

  #hear(data: unknown): void {
    if (data === question) this.#send(answer);
    if (data === question || data === answer) {
      this.#isHeard = true;
      this.#flush();
    } else if (data instanceof ArrayBuffer) this.arrival.arrive(new Uint8Array(data));
  }

  #send(message: string | Uint8Array<ArrayBuffer>): void {
    try {
      if (this.#channel.readyState === "open") this.#channel.send(message);
    } catch {
      // What was not sent leaves a gap: nothing behind it may be.
      this.#finish();
    }
  }

  #finish(): void {
    if (this.#state === "closed") return;
    const isWanted = this.#state === "closing";
    this.#state = "closed";
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const [type, listener] of this.#listeners) this.#channel.removeEventListener(type, listener);
    this.#channel.close();
    if (!isWanted) this.arrival.end();
  }
}
