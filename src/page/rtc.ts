/**
 * One attempt to reach another browser: a connection of WebRTC with one data channel, which both ends know beforehand.
 *
 * ```
 *  offers     own description, all ways gathered ─────────────►
 *             ◄──────────────────────── answers with its own, to that very offer
 *             ═══ the channel opens, encrypted under the two certificates that the descriptions name ═══
 * ```
 */
import { CofferError, createPageEnv, type PageEnv } from "../std/index.ts";
import type { PeerCallOptions } from "./peer-types.ts";
import { sdpOf, signalOf, type RtcSignal } from "./rtc-signal.ts";

/** An attempt under way. */
export interface RtcCall {
  readonly signal: RtcSignal;
  /** Take what the other end answered. @throws `net/failed` when the browser cannot make anything of it */
  accept(answer: RtcSignal): Promise<void>;
  /** Resolves when the channel is open. @throws `net/timeout`, `net/failed`, `aborted` */
  readonly opened: Promise<RTCDataChannel>;
  /** Give up, or let the connection go once its channel closed. */
  close(): void;
}

/** What is known beforehand of an attempt. */
export interface RtcOptions extends Pick<PeerCallOptions, "rtc"> {
  /** how long the channel may take to open */
  readonly withinMs: number;
}

/** The part of an RTCPeerConnection that is used. */
interface Connection {
  readonly connectionState: string;
  readonly iceGatheringState: string;
  readonly localDescription: { readonly sdp: string } | null;
  createDataChannel(
    name: string,
    options: { readonly negotiated: true; readonly id: number },
  ): RTCDataChannel;
  setLocalDescription(): Promise<void>;
  setRemoteDescription(description: {
    readonly type: "offer" | "answer";
    readonly sdp: string;
  }): Promise<void>;
  addEventListener(type: "connectionstatechange" | "icegatheringstatechange", listener: () => void): void;
  close(): void;
}

/** ways that take longer to find than this are done without */
const gatherMs = 5000;

/**
 * Begin an attempt: to offer, or to answer an offer.
 *
 * @throws `input/unknown-id` in a browser without WebRTC, `net/failed` when it cannot describe itself or read the offer
 */
export async function startCall(
  { rtc, withinMs }: RtcOptions,
  offer?: RtcSignal,
  env: Pick<PageEnv, "setTimer"> = createPageEnv(),
): Promise<RtcCall> {
  const connection = new (findRtc())(rtc);
  const channel = connection.createDataChannel("coffer", { negotiated: true, id: 0 });
  const opened = waitFor(env, { connection, channel }, withinMs);
  // Whoever waits hears of it; nobody needs to.
  opened.promise.catch(() => connection.close());
  channel.addEventListener("close", () => connection.close());
  try {
    if (offer !== undefined)
      await connection.setRemoteDescription({ type: "offer", sdp: sdpOf(offer, "offer") });
    await connection.setLocalDescription();
    await gathered(env, connection);
  } catch (cause) {
    const error = new CofferError("net/failed", {}, { cause });
    opened.fail(error);
    throw error;
  }
  const signal = signalOf(connection.localDescription?.sdp ?? "");
  if (signal === undefined) {
    opened.fail(noWay("net/failed"));
    throw new CofferError("net/failed", { what: "description" });
  }
  return {
    signal,
    async accept(answer) {
      try {
        await connection.setRemoteDescription({ type: "answer", sdp: sdpOf(answer, "answer") });
      } catch (cause) {
        throw new CofferError("net/failed", {}, { cause });
      }
    },
    opened: opened.promise,
    close() {
      opened.fail(new CofferError("aborted"));
      connection.close();
    },
  };
}

/** What makes connections in this browser. @throws `input/unknown-id` in one that has no WebRTC, or may not use it */
export function findRtc(): new (options: RtcOptions["rtc"]) => Connection {
  const { RTCPeerConnection: Rtc } = globalThis as {
    readonly RTCPeerConnection?: new (options: RtcOptions["rtc"]) => Connection;
  };
  if (Rtc === undefined)
    throw new CofferError("input/unknown-id", {
      message: "This browser cannot reach others directly.",
      what: "WebRTC",
    });
  return Rtc;
}

/** Wait until the channel is open, and see that waiting ends. */
function waitFor(
  env: Pick<PageEnv, "setTimer">,
  { connection, channel }: { readonly connection: Connection; readonly channel: RTCDataChannel },
  withinMs: number,
): { readonly promise: Promise<RTCDataChannel>; readonly fail: (error: CofferError) => void } {
  let fail: (error: CofferError) => void = () => undefined;
  const promise = new Promise<RTCDataChannel>((resolve, reject) => {
    const stopTimer = env.setTimer(withinMs, () => reject(noWay("net/timeout")));
    fail = (error) => {
      stopTimer();
      reject(error);
    };
    channel.addEventListener("open", () => {
      stopTimer();
      resolve(channel);
    });
  });
  connection.addEventListener("connectionstatechange", () => {
    if (connection.connectionState === "failed") fail(noWay("net/failed"));
  });
  return { promise, fail };
}

function noWay(code: "net/failed" | "net/timeout"): CofferError {
  return new CofferError(code, { message: "No way was found to the other device.", what: "peer" });
}

/** All ways are found, or it took long enough: what was found by then is told. */
async function gathered(env: Pick<PageEnv, "setTimer">, connection: Connection): Promise<void> {
  if (connection.iceGatheringState === "complete") return;
  await new Promise<void>((resolve) => {
    const stopTimer = env.setTimer(gatherMs, resolve);
    connection.addEventListener("icegatheringstatechange", () => {
      if (connection.iceGatheringState !== "complete") return;
      stopTimer();
      resolve();
    });
  });
}
