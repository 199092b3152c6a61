/**
 * How a request for a file's address is answered, as plain data: the status, the headers, and which bytes.
 *
 * | asked | answer |
 * |---|---|
 * | GET without a range, or with one that cannot be read or is several | 200, all of it |
 * | GET `bytes=a-b`, `bytes=-n` | 206, those |
 * | GET `bytes=a-` | 206, from there, at most 4 MiB: who goes on watching asks again, and nothing is under way for who does not |
 * | GET of a range that begins beyond the end | 416 |
 * | GET with `If-Range` | 200: an address gives no validator, so none can match |
 * | HEAD | as GET without a range, without the bytes |
 * | another method | 405 |
 * | as a script, a style sheet, a worker, a manifest, … | 403 |
 *
 * Guarantees
 * - W1 nothing that is answered ever runs as a page of the application: the type is of a closed list or `application/octet-stream`, never
 *      sniffed; whatever is neither a picture, a film, a sound nor read by the page itself is handed out to be saved, not shown; and a policy
 *      keeps it in a sandbox without scripts, should a browser show it all the same
 * - W2 nothing of it is kept by the browser: what is sealed at rest stays so
 * - W3 any question gives an answer
 *
 * @see RFC 9110 §14 (ranges; §15.3.7 lets a server send less than was asked), RFC 6266 (names)
 */
import { cutting } from "./part.ts";
import { inlineType } from "./safe-type.ts";

/** What a request asks, as its service worker read it. */
export interface WebQuestion {
  readonly method: string;
  /** the header, or `null` */
  readonly range: string | null;
  readonly ifRange: string | null;
  /** what it is for: `Request.destination` */
  readonly destination: string;
}

/** What is told of a file to whoever asks for its address. */
export interface WebFile {
  readonly name: string;
  readonly type: string;
  readonly sizeBytes: number;
}

/** An answer; its body is the bytes `from`, up to and without `to`. */
export interface WebAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly from: number;
  readonly to: number;
}

/** what shows or plays, and cannot run; the empty one is the page's own reading */
const shows: ReadonlySet<string> = new Set(["", "audio", "image", "video"]);
/** what hands a file to the user, as one to be saved */
const saves: ReadonlySet<string> = new Set(["document", "iframe", "frame", "embed", "object"]);

/** Answer a request for a file. */
export function answerRequest(file: WebFile, question: WebQuestion): WebAnswer {
  const { destination, method } = question;
  const isShown = shows.has(destination);
  if (!isShown && !saves.has(destination)) return refusal(403);
  if (method !== "GET" && method !== "HEAD") return refusal(405, { Allow: "GET, HEAD" });
  const { sizeBytes } = file;
  const isPlain = method === "HEAD" || question.ifRange !== null || question.range === null;
  const range = isPlain ? "whole" : readRange(question.range ?? "", sizeBytes);
  if (range === "beyond") return refusal(416, { "Content-Range": `bytes */${sizeBytes}` });
  const { from, to } = range === "whole" ? { from: 0, to: sizeBytes } : range;
  const type = inlineType(file.type);
  const headers = {
    ...guards,
    "Accept-Ranges": "bytes",
    "Content-Type": type === "text/plain" ? "text/plain; charset=utf-8" : type,
    "Content-Disposition": isShown && type === file.type ? "inline" : disposition(file.name),
    "Content-Length": String(to - from),
  };
  if (range === "whole") return { status: 200, headers, from, to: method === "HEAD" ? from : to };
  const told = { ...headers, "Content-Range": `bytes ${from}-${to - 1}/${sizeBytes}` };
  return { status: 206, headers: told, from, to };
}

const guards = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "sandbox; default-src 'none'",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
} as const;

/** An answer without bytes. */
export function refusal(status: number, headers: Readonly<Record<string, string>> = {}): WebAnswer {
  return { status, headers: { ...guards, ...headers }, from: 0, to: 0 };
}

/** What a range asks for. One that cannot be read, or is several, is taken for none, as the RFC allows. */
function readRange(
  text: string,
  sizeBytes: number,
): { readonly from: number; readonly to: number } | "whole" | "beyond" {
  const [, first = "", last = ""] = /^bytes=[ \t]*(\d{0,15})-(\d{0,15})[ \t]*$/i.exec(text) ?? [];
  if (first === "") {
    if (last === "") return "whole";
    const count = Math.min(Number(last), sizeBytes);
    return count === 0 ? "beyond" : { from: sizeBytes - count, to: sizeBytes };
  }
  const from = Number(first);
  if (last !== "" && Number(last) < from) return "whole";
  if (from >= sizeBytes) return "beyond";
  const wanted = last === "" ? from + cutting.partBytes : Number(last) + 1;
  return { from, to: Math.min(wanted, sizeBytes) };
}

function disposition(name: string): string {
  const plain = name.replaceAll(/[^ !#$&+\-.0-9A-Z^_`a-z{}~]/g, "_");
  const exact = encodeURIComponent(name.toWellFormed()).replaceAll(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${exact}`;
}
