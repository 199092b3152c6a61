/**
 * Stands between the browser and the sync server and counts what passes, so that no one has to be believed: not the link's own
 * counters, and not the browser's tools, which do not show a worker's preflights and sockets. It can refuse live sockets, as the
 * proxies of some companies do; then the product syncs by plain requests.
 */
import { createServer, request as ask } from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * What passed since the last {@link CountingProxy.reset}. `requestCount` is without preflights; `bodyUp` and `bodyDown` are bytes of
 * bodies. A request that waits for news belongs to no cycle and is counted apart, in `pollCount` and `pollBytes`, both ways. `socketUp` and
 * `socketDown` are bytes on live sockets, with their framing.
 *
 * @typedef {{ requestCount: number, preflightCount: number, pollCount: number, pollBytes: number, bodyUp: number, bodyDown: number, socketUp: number, socketDown: number }} Counts
 * @typedef {{ url: string, counts: () => Counts, reset: () => void, refuseSockets: (isRefused: boolean) => void, forwardTo: (url: string) => void, untilSocket: () => Promise<void>, close: () => Promise<void> }} CountingProxy
 */

const socketLimitMs = 20_000;

/** @returns {Counts} */
const zero = () => ({
  requestCount: 0,
  preflightCount: 0,
  pollCount: 0,
  pollBytes: 0,
  bodyUp: 0,
  bodyDown: 0,
  socketUp: 0,
  socketDown: 0,
});

/**
 * Start the proxy; it answers once it is told where to forward to.
 *
 * @returns {Promise<CountingProxy>}
 */
export async function startCountingProxy() {
  let counts = zero();
  let isRefusing = false;
  let openSocketCount = 0;
  let target = new URL("http://127.0.0.1:9");

  const server = createServer((incoming, outgoing) => {
    const { method, headers, url } = incoming;
    const isPoll = url?.endsWith("/live") === true;
    if (method === "OPTIONS") counts.preflightCount += 1;
    else counts[isPoll ? "pollCount" : "requestCount"] += 1;
    const forwarded = ask(new URL(url ?? "/", target), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on("data", (chunk) => (counts[isPoll ? "pollBytes" : "bodyDown"] += chunk.length));
      answer.pipe(outgoing);
    });
    forwarded.once("error", () => outgoing.destroy());
    incoming.on("data", (chunk) => (counts[isPoll ? "pollBytes" : "bodyUp"] += chunk.length));
    incoming.pipe(forwarded);
  });

  server.on("upgrade", (incoming, socket, head) => {
    if (isRefusing) {
      socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n");
      return;
    }
    const onward = connect(Number(target.port), target.hostname, () => {
      const lines = [`${incoming.method} ${incoming.url} HTTP/1.1`];
      for (let index = 0; index < incoming.rawHeaders.length; index += 2)
        lines.push(`${incoming.rawHeaders[index]}: ${incoming.rawHeaders[index + 1]}`);
      onward.write(`${lines.join("\r\n")}\r\n\r\n`);
      onward.write(head);
      openSocketCount += 1;
      onward.once("close", () => (openSocketCount -= 1));
      socket.on("data", (chunk) => (counts.socketUp += chunk.length));
      onward.on("data", (chunk) => (counts.socketDown += chunk.length));
      socket.pipe(onward).pipe(socket);
    });
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ]) {
      one?.once("error", () => other?.destroy());
      one?.once("close", () => other?.destroy());
    }
  });

  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(undefined));
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The system gave no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    counts: () => counts,
    reset() {
      counts = zero();
    },
    refuseSockets(isRefused) {
      isRefusing = isRefused;
    },
    forwardTo(url) {
      target = new URL(url);
    },
    async untilSocket() {
      const endMs = Date.now() + socketLimitMs;
      while (openSocketCount === 0) {
        if (Date.now() > endMs) throw new Error("No live socket was opened");
        await sleep(20);
      }
    },
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
