/** Takes the ways out of a thread that reads strangers' files. Imported before everything else of it. */

const ways = [
  "fetch",
  "XMLHttpRequest",
  "WebSocket",
  "WebSocketStream",
  "WebTransport",
  "EventSource",
  "RTCPeerConnection",
  "importScripts",
  "BroadcastChannel",
  "SharedWorker",
  "Worker",
  "indexedDB",
  "caches",
] as const;

// What a name means is found anywhere up the chain of a global object.
for (let owner: object | null = globalThis; owner !== null; owner = Reflect.getPrototypeOf(owner))
  for (const way of ways)
    if (owner === globalThis || Object.hasOwn(owner, way))
      Reflect.defineProperty(owner, way, { value: undefined, writable: false, configurable: false });

/** The names that were taken away. */
export const closedWays: readonly string[] = ways;
