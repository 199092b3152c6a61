/** The suite that every transport passes, in every place it runs. */
import { describe, expect, it } from "vitest";
import { bytesToId, concatBytes } from "../std/index.ts";
import { decodeFrames, encodeFrames } from "./frames.ts";
import type { Frame } from "./messages.ts";
import type { LiveListener, LiveTransport, Transport } from "./transport.ts";

/** A transport over a server that echoes, and the ways to make that server misbehave. */
export interface TransportBench {
  readonly transport: Transport;
  /** The next exchange is answered with this many bytes, one by one chunk of them. */
  answerWith(sizeBytes: number): void;
  /** The next exchange never gets an answer. */
  answerNever(): void;
  close(): Promise<void>;
}

const tenantId = bytesToId("TenantId", new Uint8Array(32));
const token = new Uint8Array(32);

/** Declare the tests of the transport contract; the server answers an exchange with the bytes it got. */
export function describeTransport(name: string, open: () => Promise<TransportBench>): void {
  const exchange = async (
    bench: TransportBench,
    body: Uint8Array<ArrayBuffer>,
    signal?: AbortSignal,
  ): Promise<Uint8Array> => {
    const chunks: Uint8Array[] = [];
    await bench.transport.http.exchange({
      tenantId,
      token,
      body,
      onChunk: (chunk) => void chunks.push(chunk),
      signal,
    });
    return concatBytes(...chunks);
  };
  describe(`transport: ${name}`, () => {
    it("T1 bytes come out as they went in, in order", async () => {
      const bench = await open();
      const body = Uint8Array.from({ length: 100_000 }, (_, n) => (n * 31) & 255);
      expect(await exchange(bench, body)).toEqual(body);
      bench.answerWith(250_000);
      expect((await exchange(bench, body)).length).toBe(250_000);
      await bench.close();
    });

    it("T2 what the owner throws while reading comes out of the exchange", async () => {
      const bench = await open();
      const onChunk = (): never => {
        throw new RangeError("enough");
      };
      await expect(
        bench.transport.http.exchange({ tenantId, token, body: new Uint8Array(9), onChunk }),
      ).rejects.toThrow();
      await bench.close();
    });

    it("T2, T3 an aborted exchange settles as aborted and delivers nothing", async () => {
      const bench = await open();
      bench.answerNever();
      const abort = new AbortController();
      const pending = exchange(bench, new Uint8Array(9), abort.signal);
      setTimeout(() => abort.abort(), 5);
      await expect(pending).rejects.toMatchObject({ code: "aborted" });
      await expect(exchange(bench, new Uint8Array(9), abort.signal)).rejects.toMatchObject({
        code: "aborted",
      });
      await bench.close();
    });
  });
}

/** A live transport, and the server's end of what it opens. */
export interface LiveBench {
  readonly live: LiveTransport;
  /** every frame that reached the server, in order */
  readonly heard: readonly Frame[];
  /** Whether somebody listens to what the server says. */
  isHeard(): boolean;
  /** Say frames to whoever is connected. */
  say(...frames: readonly Frame[]): void;
  /** Say bytes that are no frames. */
  babble(): void;
  /** Break off every connection. */
  cut(): void;
  close(): Promise<void>;
}

const opening: readonly Frame[] = [
  { type: "hello", version: 1, replicaId: new Uint8Array(16).fill(1) },
  { type: "auth", token: new Uint8Array(32).fill(2) },
  { type: "pull", allDatabases: true, full: false, cursors: [], maxBytes: 1000 },
];
const dbId = bytesToId("DbId", new Uint8Array(16).fill(4));

/** Declare the tests of the transport contract for live connections. */
export function describeLiveTransport(name: string, open: () => Promise<LiveBench>): void {
  const connect = async (bench: LiveBench) => {
    const got: Frame[] = [];
    const told = { closedCount: 0, newsCount: 0 };
    const listener: LiveListener = {
      onMessage: (message) => void got.push(...(decodeFrames(message) ?? [])),
      onClose: () => void told.closedCount++,
      onNews: () => void told.newsCount++,
    };
    const connection = await bench.live.open(tenantId, listener);
    for (const frame of opening) connection.send(encodeFrames([frame]));
    await expect.poll(() => bench.isHeard() && bench.heard.some(({ type }) => type === "pull")).toBe(true);
    return { connection, got, told };
  };
  const push = (byte: number): Frame => ({
    type: "push",
    dbId,
    commits: [new Uint8Array(3000).fill(byte)],
  });
  const commits = (fromSeq: number): Frame => ({
    type: "commits",
    dbId,
    epoch: 1,
    fromSeq,
    items: [{ commit: new Uint8Array(5000).fill(fromSeq) }],
  });

  describe(`live transport: ${name}`, () => {
    it("T1 frames reach the server as they were sent, in order", async () => {
      const bench = await open();
      const { connection } = await connect(bench);
      for (const byte of [1, 2, 3]) connection.send(encodeFrames([push(byte)]));
      const pushes = (): readonly Frame[] => bench.heard.filter(({ type }) => type === "push");
      await expect.poll(() => pushes().length).toBe(3);
      expect(pushes()).toEqual([push(1), push(2), push(3)]);
      expect(bench.heard.slice(0, 1)).toEqual(opening.slice(0, 1));
      connection.close();
      await bench.close();
    });

    it("T1 frames come from the server as they were sent, in order", async () => {
      const bench = await open();
      const { connection, got } = await connect(bench);
      for (const from of [1, 2, 3]) bench.say(commits(from));
      await expect.poll(() => got.filter(({ type }) => type === "commits").length).toBe(3);
      expect(got.filter(({ type }) => type === "commits")).toEqual([commits(1), commits(2), commits(3)]);
      connection.close();
      await bench.close();
    });

    it("T2 a connection that is cut, or brings what is no frame, is closed once", async () => {
      const bench = await open();
      const first = await connect(bench);
      bench.cut();
      await expect.poll(() => [first.told.closedCount, bench.isHeard()]).toEqual([1, false]);
      first.connection.send(encodeFrames([push(1)]));
      first.connection.close();
      const second = await connect(bench);
      bench.babble();
      await expect.poll(() => second.told.closedCount).toBe(1);
      expect(first.told.closedCount).toBe(1);
      await bench.close();
      const listener: LiveListener = { onMessage: () => undefined, onClose: () => undefined };
      await expect(bench.live.open(tenantId, listener)).rejects.toMatchObject({ code: "net/failed" });
    });

    it("T3 after close() and after `aborted` nothing is delivered", async () => {
      const bench = await open();
      const { connection, got, told } = await connect(bench);
      const before = got.length;
      connection.close();
      bench.say(commits(1));
      bench.cut();
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect(got.length).toBe(before);
      expect(told).toEqual({ closedCount: 0, newsCount: 0 });
      const listener: LiveListener = { onMessage: () => undefined, onClose: () => undefined };
      await expect(bench.live.open(tenantId, listener, AbortSignal.abort())).rejects.toMatchObject({
        code: "aborted",
      });
      await bench.close();
    });
  });
}
