/**
 * A server in the same process, for tests and the simulator, with hooks to lose, cut and double what travels.
 */
import { CofferError, copyBytes, type TenantId } from "../std/index.ts";
import type { Capabilities } from "./messages.ts";
import type { LiveConnection, LiveListener, Transport } from "./transport.ts";

/** What a server in memory answers. Everything may throw a CofferError, which the client then sees. */
export interface MemoryServer {
  readonly origin: string;
  capabilities(): Promise<Capabilities>;
  postJson(path: string, body: unknown): Promise<unknown>;
  publish(publication: Uint8Array<ArrayBuffer>): Promise<void>;
  exchange(request: {
    tenantId: TenantId;
    token: Uint8Array;
    body: Uint8Array<ArrayBuffer>;
  }): Promise<Uint8Array>;
  /** Take a live connection; `undefined`: the server has none. */
  connect?: (tenantId: TenantId, client: LiveListener) => LiveConnection;
}

/** What may happen on the way; each gets a message and gives what arrives: nothing, one, or several. */
export interface Weather {
  /** Throw to lose a request before the server saw it. */
  readonly request?: (body: Uint8Array<ArrayBuffer>) => void;
  /** The chunks of an answer as they arrive; throw to cut it after those already handed over. */
  readonly answer?: (body: Uint8Array) => Iterable<Uint8Array>;
  readonly live?: (message: Uint8Array, towards: "server" | "client") => readonly Uint8Array[];
}

/** Reach a server in memory through some weather. */
export function createMemoryTransport(server: MemoryServer, weather: Weather = {}): Transport {
  const { connect } = server;
  const checkSignal = (signal: AbortSignal | undefined): void => {
    if (signal?.aborted === true) throw new CofferError("aborted");
  };
  return {
    http: {
      origin: server.origin,
      async readCapabilities(signal) {
        checkSignal(signal);
        return server.capabilities();
      },
      async postJson(path, body, signal) {
        checkSignal(signal);
        return structuredClone(await server.postJson(path, structuredClone(body)));
      },
      async publish(publication, signal) {
        checkSignal(signal);
        await server.publish(copyBytes(publication));
      },
      async exchange({ tenantId, token, body, onChunk, signal }) {
        checkSignal(signal);
        weather.request?.(body);
        const answering = server.exchange({ tenantId, token: copyBytes(token), body: copyBytes(body) });
        const answer = await untilAborted(answering, signal);
        for (const chunk of weather.answer?.(answer) ?? [answer]) {
          checkSignal(signal);
          onChunk(copyBytes(chunk));
        }
      },
    },
    live:
      connect === undefined
        ? undefined
        : {
            async open(tenantId, listener, signal) {
              checkSignal(signal);
              return join(tenantId, connect, listener, weather);
            },
          },
  };
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new CofferError("aborted"));
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function join(
  tenantId: TenantId,
  connect: (tenantId: TenantId, client: LiveListener) => LiveConnection,
  listener: LiveListener,
  weather: Weather,
): LiveConnection {
  let isOpen = true;
  const pass = (message: Uint8Array, towards: "server" | "client"): readonly Uint8Array[] =>
    weather.live?.(copyBytes(message), towards) ?? [copyBytes(message)];
  const remote = connect(tenantId, {
    onMessage: (message) => {
      for (const one of pass(message, "client")) if (isOpen) listener.onMessage(one);
    },
    onClose: () => {
      if (isOpen) listener.onClose();
      isOpen = false;
    },
  });
  return {
    send: (message) => {
      for (const one of pass(message, "server")) if (isOpen) remote.send(copyBytes(one));
    },
    close: () => {
      if (isOpen) remote.close();
      isOpen = false;
    },
  };
}
