/**
 * Live connections through WebSocket: one binary message for each frame.
 */
import { CofferError, type Env } from "../std/index.ts";
import { parseServerUrl, type HttpOptions } from "./http-transport.ts";
import { syncLimits } from "./messages.ts";
import type { LiveConnection, LiveListener, LiveTransport } from "./transport.ts";

const defaultTimeoutMs = 10_000;
/** A frame with its type and length. */
const messageBytes = syncLimits.frameBytes + 8;

/**
 * Open live connections to one server.
 *
 * @throws `input/invalid` as {@link parseServerUrl}
 */
export function createWebSocketTransport(
  env: Env,
  serverUrl: string,
  options: HttpOptions = {},
): LiveTransport {
  const { origin } = parseServerUrl(serverUrl, options);
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  return {
    open: (tenantId, listener, signal) =>
      open(
        env,
        { url: `${origin.replace(/^http/, "ws")}/v1/t/${tenantId}/live`, timeoutMs, signal },
        listener,
      ),
  };
}

interface Target {
  readonly url: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

function open(env: Env, { url, timeoutMs, signal }: Target, listener: LiveListener): Promise<LiveConnection> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(new CofferError("aborted"));
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    let state: "opening" | "open" | "closed" = "opening";
    const close = (): void => {
      state = "closed";
      stopTimer();
      signal?.removeEventListener("abort", onAbort);
      socket.close();
    };
    const fail = (error: CofferError): void => {
      const wasOpen = state === "open";
      if (state === "closed") return;
      close();
      if (wasOpen) listener.onClose();
      else reject(error);
    };
    const onAbort = (): void => {
      if (state === "opening") fail(new CofferError("aborted"));
      else close();
    };
    const stopTimer = env.setTimer(timeoutMs, () => fail(new CofferError("net/timeout")));
    signal?.addEventListener("abort", onAbort);
    socket.addEventListener("open", () => {
      if (state !== "opening") return;
      state = "open";
      stopTimer();
      resolve({
        send: (message) => {
          if (state === "open" && socket.readyState === socket.OPEN) socket.send(message);
        },
        close,
      });
    });
    socket.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      if (state !== "open") return;
      if (data instanceof ArrayBuffer && data.byteLength <= messageBytes)
        listener.onMessage(new Uint8Array(data));
      else fail(new CofferError("protocol/malformed"));
    });
    const onEnd = (): void => fail(new CofferError(env.isOnline() ? "net/failed" : "net/offline"));
    socket.addEventListener("close", onEnd);
    socket.addEventListener("error", onEnd);
  });
}
