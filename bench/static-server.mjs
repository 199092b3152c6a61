/** Serves the bench's pages from this device, isolated (COOP and COEP), so that the browser's timers have 5 µs steps. */
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize, sep } from "node:path";

/** @type {Record<string, string>} */
const contentTypes = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
  ".css": "text/css",
};

const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-cache",
};

/**
 * Serve files and folders by the beginning of their address, the longest first.
 *
 * @param {Readonly<Record<string, string>>} places `{ "/dist/": folder, "/": file }`
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function startStaticServer(places) {
  const starts = Object.keys(places).sort((a, b) => b.length - a.length);

  /** @param {string} pathname */
  const findFile = (pathname) => {
    const start = starts.find((candidate) =>
      candidate.endsWith("/") && candidate !== "/" ? pathname.startsWith(candidate) : pathname === candidate,
    );
    const place = start === undefined ? undefined : places[start];
    if (start === undefined || place === undefined) return undefined;
    const path =
      start.endsWith("/") && start !== "/" ? normalize(join(place, pathname.slice(start.length))) : place;
    const isInside = path === place || path.startsWith(place + sep);
    return isInside && statSync(path, { throwIfNoEntry: false })?.isFile() === true ? path : undefined;
  };

  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const path = findFile(decodeURIComponent(pathname));
    if (path === undefined) {
      response.writeHead(404, headers).end();
      return;
    }
    response.writeHead(200, {
      ...headers,
      "Content-Type": contentTypes[extname(path)] ?? "application/octet-stream",
    });
    createReadStream(path).pipe(response);
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(undefined));
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The system gave no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
