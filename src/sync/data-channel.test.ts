import { describe, expect, it } from "vitest";
import { openDataChannel, type DataChannelLike } from "../std/index.ts";
import { describePeerChannel } from "./peer-channel-contract.ts";

/** One end of a channel as browsers make them: small messages, a buffer that drains in its time, and nothing kept for who listens late. */
class TestChannel extends EventTarget implements DataChannelLike {
  readyState: DataChannelLike["readyState"] = "connecting";
  ordered = true;
  maxRetransmits: number | null = null;
  maxPacketLifeTime: number | null = null;
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  binaryType = "blob";
  highestBuffered = 0;
  largestMessage = 0;
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

function createPair(): readonly [TestChannel, TestChannel] {
  const [a, b] = [new TestChannel(), new TestChannel()];
  a.other = b;
  b.other = a;
  return [a, b];
}

describePeerChannel("data channels that are open", async () => {
  const [a, b] = createPair();
  a.open();
  b.open();
  return [openDataChannel(a), openDataChannel(b)];
});
describePeerChannel("data channels that connect, one end later than the other", async () => {
  const [a, b] = createPair();
  const first = openDataChannel(a);
  a.open();
  b.open();
  // What the first one says now is lost: nobody listens.
  await new Promise((resolve) => setTimeout(resolve, 5));
  return [first, openDataChannel(b)];
});

describe("a data channel", () => {
  it("is given small messages, and no more than its buffer holds", async () => {
    const [a, b] = createPair();
    a.open();
    b.open();
    const [here, there] = [openDataChannel(a), openDataChannel(b)];
    let arrived = 0;
    const done = new Promise<void>((resolve) => {
      there.onMessage(({ length }) => {
        arrived += length;
        if (arrived === 5_000_000) resolve();
      });
    });
    here.post(new Uint8Array(5_000_000));
    await done;
    expect(a.largestMessage).toBe(16 * 1024);
    expect(a.highestBuffered).toBeLessThan(1024 * 1024 + 32 * 1024);
  });

  it("that is not ordered, or may lose something, is refused", () => {
    for (const lossy of [{ ordered: false }, { maxRetransmits: 0 }, { maxPacketLifeTime: 100 }]) {
      const channel = Object.assign(new TestChannel(), lossy);
      expect(() => openDataChannel(channel)).toThrow(expect.objectContaining({ code: "input/invalid" }));
    }
  });

  it("that breaks, in the middle or before it opened, is told once, and takes nothing more", async () => {
    const [a] = createPair();
    const channel = openDataChannel(a);
    const heard: string[] = [];
    channel.onClose(() => heard.push("close"));
    channel.post(Uint8Array.of(1));
    a.dispatchEvent(new Event("error"));
    a.break();
    channel.post(Uint8Array.of(2));
    channel.close();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(heard).toEqual(["close"]);
    expect(a.highestBuffered).toBe(0);
    const closed = openDataChannel(a);
    const told = new Promise<void>((resolve) => closed.onClose(resolve));
    await told;
  });

  it("whose sending fails ends: nothing is sent behind a gap", async () => {
    const [a, b] = createPair();
    a.open();
    b.open();
    const [here, there] = [openDataChannel(a), openDataChannel(b)];
    await new Promise((resolve) => setTimeout(resolve, 5));
    a.send = () => {
      throw new DOMException("full", "OperationError");
    };
    const ended = new Promise<void>((resolve) => here.onClose(resolve));
    const heard: Uint8Array[] = [];
    there.onMessage((message) => heard.push(message));
    here.post(Uint8Array.of(1));
    await ended;
    expect(a.readyState).not.toBe("open");
    expect(heard).toEqual([]);
  });

  it("that brings words and other things than bytes brings nothing", async () => {
    const [a, b] = createPair();
    a.open();
    b.open();
    const there = openDataChannel(b);
    const heard: Uint8Array[] = [];
    there.onMessage((message) => heard.push(message));
    for (const data of ["text", "here?", 7, undefined, new Blob(["x"]), [1]])
      b.dispatchEvent(new MessageEvent("message", { data }));
    b.dispatchEvent(new MessageEvent("message", { data: Uint8Array.of(9).buffer }));
    expect(heard).toEqual([Uint8Array.of(9)]);
    there.close();
  });
});
