import { describe, expect, it } from "vitest";
import { maxWaitingBytes, openDataChannel } from "../std/index.ts";
import { createChannels, TestChannel } from "./data-channel-fixtures.ts";
import { describePeerChannel } from "./peer-channel-contract.ts";
import { peerLimits } from "./peer-limits.ts";

describePeerChannel("data channels that are open", async () => {
  const [a, b] = createChannels();
  a.open();
  b.open();
  return [openDataChannel(a), openDataChannel(b)];
});
describePeerChannel("data channels that connect, one end later than the other", async () => {
  const [a, b] = createChannels();
  const first = openDataChannel(a);
  a.open();
  b.open();
  // What the first one says now is lost: nobody listens.
  await new Promise((resolve) => setTimeout(resolve, 5));
  return [first, openDataChannel(b)];
});

describe("a data channel", () => {
  it("is given small messages, and no more than its buffer holds", async () => {
    const [a, b] = createChannels();
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

  it("that nobody reads any more keeps 16 MiB and breaks, once, and takes nothing more", async () => {
    const [a, b] = createChannels();
    a.open();
    b.open();
    const [here] = [openDataChannel(a), openDataChannel(b)];
    let closeCount = 0;
    here.onClose(() => (closeCount += 1));
    await new Promise((resolve) => setTimeout(resolve, 5));
    a.isStuck = true;
    // What the buffer of the channel has taken does not wait here.
    for (let count = 0; count < 17; count++) here.post(new Uint8Array(1024 * 1024));
    expect([closeCount, a.readyState]).toEqual([0, "open"]);
    here.post(new Uint8Array(64 * 1024));
    expect([closeCount, a.readyState]).toEqual([1, "closing"]);
    here.post(new Uint8Array(1024));
    expect(closeCount).toBe(1);
    expect(maxWaitingBytes).toBeGreaterThanOrEqual(2 * peerLimits.messageBytes);
  });

  it("whose owner does not listen keeps 16 MiB and breaks", () => {
    const [, b] = createChannels();
    b.open();
    const there = openDataChannel(b);
    const heard: string[] = [];
    there.onClose(() => heard.push("close"));
    const piece = new Uint8Array(1024 * 1024);
    for (let count = 0; count < 16; count++)
      b.dispatchEvent(new MessageEvent("message", { data: piece.buffer }));
    expect(heard).toEqual([]);
    b.dispatchEvent(new MessageEvent("message", { data: piece.buffer }));
    expect(heard).toEqual(["close"]);
    there.onMessage(() => heard.push("message"));
    expect(heard).toEqual(["close"]);
  });

  it("that is not ordered, or may lose something, is refused", () => {
    for (const lossy of [{ ordered: false }, { maxRetransmits: 0 }, { maxPacketLifeTime: 100 }]) {
      const channel = Object.assign(new TestChannel(), lossy);
      expect(() => openDataChannel(channel)).toThrow(expect.objectContaining({ code: "input/invalid" }));
    }
  });

  it("that breaks, in the middle or before it opened, is told once, and takes nothing more", async () => {
    const [a] = createChannels();
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
    const [a, b] = createChannels();
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
    const [a, b] = createChannels();
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
