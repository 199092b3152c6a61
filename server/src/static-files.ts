/**
 * Serves a built application with strict headers.
 *
 * The folder is listed once, at start, and a request can only name a file of that list: no path is ever joined with input.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";
import { gzipSync } from "node:zlib";

interface StaticFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** only where it is smaller */
  readonly gzipped: Uint8Array<ArrayBuffer> | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly etag: string;
}

/** Answers GET and HEAD for files; `undefined` when it has none for this path. */
export type StaticHandler = (request: Request) => Response | undefined;

const typesByExtension: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".mjs": "text/javascript; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
};
const compressible = /^(?:text|application\/(?:json|wasm|manifest))|svg/;
/** A name that changes with its content, as bundlers write them. */
const hashedName = /-[A-Za-z0-9_-]{8,}\.[a-z0-9]+$/;

/** List a folder and serve what is in it now; unknown paths without an extension get `index.html`. */
export function createStaticHandler(folder: string): StaticHandler {
  const files = listFiles(folder);
  return (request) => {
    const { pathname, host } = new URL(request.url);
    const path = decodePath(pathname);
    if (path === undefined) return undefined;
    const isPage = extname(path) === "";
    const file = files.get(path) ?? (isPage ? files.get("/index.html") : undefined);
    if (file === undefined) return undefined;
    if (request.method !== "GET" && request.method !== "HEAD") {
      return new Response(null, { status: 405, headers: { Allow: "GET, HEAD" } });
    }
    return answer(request, file, host);
  };
}

function answer(request: Request, file: StaticFile, host: string): Response {
  const headers = new Headers({ ...file.headers, ...pageHeaders(host), ETag: file.etag });
  if (request.headers.get("If-None-Match") === file.etag) return new Response(null, { status: 304, headers });
  const takesGzip = /\bgzip\b/.test(request.headers.get("Accept-Encoding") ?? "");
  const body = takesGzip && file.gzipped !== undefined ? file.gzipped : file.bytes;
  if (body === file.gzipped) headers.set("Content-Encoding", "gzip");
  if (file.gzipped !== undefined) headers.set("Vary", "Accept-Encoding");
  headers.set("Content-Length", String(body.length));
  return new Response(request.method === "HEAD" ? null : body, { headers });
}

/** Strict headers of the application's pages; the live socket may go to the page's own host only. */
export function pageHeaders(host: string): Readonly<Record<string, string>> {
  const sockets = /^[\w.:[\]-]+$/.test(host) ? ` ws://${host} wss://${host}` : "";
  const policy = [
    "default-src 'self'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "media-src 'self' blob:",
    `connect-src 'self'${sockets}`,
    "worker-src 'self'",
    "manifest-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types coffer coffer-demo 'allow-duplicates'",
  ];
  return {
    "Content-Security-Policy": policy.join("; "),
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
  };
}

function decodePath(pathname: string): string | undefined {
  try {
    const path = decodeURIComponent(pathname);
    return path.endsWith("/") ? `${path}index.html` : path;
  } catch {
    return undefined;
  }
}

function listFiles(folder: string): ReadonlyMap<string, StaticFile> {
  const files = new Map<string, StaticFile>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    // Links could lead out of the folder, and names with a dot in front are not for the public.
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const path = `/${relative(folder, file).split(sep).join("/")}`;
    if (!path.includes("/.")) files.set(path, readStaticFile(file, path));
  }
  return files;
}

function readStaticFile(file: string, path: string): StaticFile {
  const bytes = new Uint8Array(readFileSync(file));
  const type = typesByExtension[extname(path).toLowerCase()] ?? "application/octet-stream";
  const gzipped = compressible.test(type) ? new Uint8Array(gzipSync(bytes)) : undefined;
  const isSmaller = gzipped !== undefined && gzipped.length < bytes.length;
  return {
    bytes,
    gzipped: isSmaller ? gzipped : undefined,
    etag: `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`,
    headers: {
      "Content-Type": type,
      "Cache-Control": hashedName.test(path) ? "public, max-age=31536000, immutable" : "no-cache",
    },
  };
}
