/** Data channels of WebRTC in one process, for tests: as awkward as those of browsers. */
import type { DataChannelLike } from "../std/index.ts";

/** One end of a channel as browsers make them: small messages, a buffer that drains in its time, and nothing kept for who listens late. */
export class TestChannel extends EventTarget implements DataChannelLike {
  readyState: DataChannelLike["readyState"] = "connecting";
  ordered = true;
  maxRetransmits: number | null = null;
  maxPacketLifeTime: number | null = null;
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  binaryType = "blob";
  highestBuffered = 0;
  largestMessage = 0;
  /** the other end reads nothing more */
  isStuck = false;
  other: TestChannel | undefined;
  #queue: (string | ArrayBuffer)[] = [];

  open(): void {
    this.readyState = "open";
    this.dispatchEvent(new Event("open"));
  }

  send(message: string | Uint8Array<ArrayBuffer>): void {
    if (this.readyState !== "open") throw new DOMException("not open", "InvalidStateError");
    const size = message.length;
    if (size > 64 * 1024) throw new TypeError("too large");
    this.largestMessage = Math.max(this.largestMessage, size);
    this.#queue.push(typeof message === "string" ? message : message.slice().buffer);
    this.bufferedAmount += size;
    this.highestBuffered = Math.max(this.highestBuffered, this.bufferedAmount);
    if (this.#queue.length === 1) setTimeout(() => this.#drain());
  }

  #drain(): void {
    if (this.isStuck) return;
    for (const message of this.#queue.splice(0, 20)) {
      const size = typeof message === "string" ? message.length : message.byteLength;
      const before = this.bufferedAmount;
      this.bufferedAmount -= size;
      if (this.other?.readyState === "open")
        this.other.dispatchEvent(new MessageEvent("message", { data: message }));
      const isLow =
        before > this.bufferedAmountLowThreshold && this.bufferedAmount <= this.bufferedAmountLowThreshold;
      if (isLow) this.dispatchEvent(new Event("bufferedamountlow"));
    }
    if (this.#queue.length > 0) setTimeout(() => this.#drain());
    else if (this.readyState === "closing") this.#end();
  }

  close(): void {
    if (this.readyState === "closing" || this.readyState === "closed") return;
    this.readyState = "closing";
    if (this.#queue.length === 0) this.#end();
  }

  #end(): void {
    this.readyState = "closed";
    setTimeout(() => {
      this.dispatchEvent(new Event("close"));
      this.other?.break();
    });
  }

  break(): void {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    this.dispatchEvent(new Event("close"));
  }
}

/** Both ends of a channel, which is still connecting. */
export function createChannels(): readonly [TestChannel, TestChannel] {
  const [a, b] = [new TestChannel(), new TestChannel()];
  a.other = b;
  b.other = a;
  return [a, b];
}
