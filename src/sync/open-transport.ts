/**
 * How a server is reached from a browser: requests, and live through a WebSocket or, where none gets through, through requests too.
 */
import { toCofferError, type Env, type TenantId } from "../std/index.ts";
import { createHttpTransport, type HttpOptions } from "./http-transport.ts";
import { createStreamTransport } from "./stream-transport.ts";
import type { LiveConnection, LiveListener, LiveTransport, Transport } from "./transport.ts";
import { createWebSocketTransport } from "./websocket-transport.ts";

/**
 * Make the transport to one server.
 *
 * @throws `input/invalid` unless the address is one that `parseServerUrl` takes
 */
export function createTransport(env: Env, serverUrl: string, options: HttpOptions = {}): Transport {
  const http = createHttpTransport(env, serverUrl, options);
  const sockets = createWebSocketTransport(env, serverUrl, options);
  return { http, live: createFallbackTransport(env, sockets, createStreamTransport(env, http)) };
}

/** How long what worked is taken again before a WebSocket is tried. */
const keepMs = 10 * 60_000;

/**
 * Put two ways to the live link together: `first`, and where it does not open or stays dumb, `second` for some time.
 *
 * @param env its clock says when `first` is tried again
 */
export function createFallbackTransport(
  env: Pick<Env, "monotonicMs">,
  first: LiveTransport,
  second: LiveTransport,
): LiveTransport {
  let secondUntilMs = -Infinity;
  return {
    async open(tenantId, listener, signal) {
      if (env.monotonicMs() >= secondUntilMs) {
        try {
          return await openFirst(tenantId, listener, signal);
        } catch (error) {
          const { code } = toCofferError(error, "net/failed");
          if (!code.startsWith("net/") || code === "net/offline") throw error;
        }
      }
      try {
        const connection = await second.open(tenantId, listener, signal);
        secondUntilMs = Math.max(secondUntilMs, env.monotonicMs() + keepMs);
        return connection;
      } catch (error) {
        secondUntilMs = -Infinity;
        throw error;
      }
    },
  };

  /** A connection that opens and then brings nothing is none: the next one is the other. */
  async function openFirst(
    tenantId: TenantId,
    listener: LiveListener,
    signal?: AbortSignal,
  ): Promise<LiveConnection> {
    let hasHeard = false;
    let hasSaid = false;
    const end = (): void => {
      if (hasSaid && !hasHeard) secondUntilMs = env.monotonicMs() + keepMs;
    };
    const connection = await first.open(
      tenantId,
      {
        ...listener,
        onMessage(message) {
          hasHeard = true;
          listener.onMessage(message);
        },
        onClose() {
          end();
          listener.onClose();
        },
      },
      signal,
    );
    return {
      send(message) {
        hasSaid = true;
        connection.send(message);
      },
      close() {
        end();
        connection.close();
      },
    };
  }
}
