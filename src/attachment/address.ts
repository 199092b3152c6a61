/**
 * The address of a file: of the application's own origin, answered by its service worker, which asks the page that gave it out.
 *
 * ```
 * <scope>coffer-file/<client>/<token>/<name>
 *
 * <img>, <video>          service worker                    page                              worker
 *   │ GET, Range            │ no key, no bytes                │ token ─► document, file          │ keys
 *   ├──────────────────────►│ asked { token, question, port } │                                  │
 *   │                       ├────────────────────────────────►│ here                             │
 *   │                       │◄────────────────────────────────┤ reads the first chunk            │
 *   │                       │             status, headers     ├─────────────────────────────────►│
 *   │◄──────────────────────┤◄────────────────────────────────┤◄─────────────────────────────────┤
 *   │ reads on              ├─ pull ─────────────────────────►│ the next chunk, and no other     │
 *   │◄──────────────────────┤◄──────────────────────── bytes ─┤◄─────────────────────────────────┤
 *   │ goes away             ├─ stop ─────────────────────────►│ reads no more                    │
 * ```
 *
 * | part of it | what |
 * |---|---|
 * | client | the page, as its service worker names it: when it is gone, so is the address |
 * | token | 32 random bytes, base64url: who was not told it does not find it |
 * | name | the file's, for who saves it; nobody reads it |
 *
 * | message | from, to | content |
 * |---|---|---|
 * | greeting | page → service worker | `{ type: "coffer-files" }` with a port |
 * | welcome | service worker → that port | `{ client, scope }`; the page is controlled by then |
 * | asked | service worker → page | `{ type: "coffer-file", token, question }` with a port |
 * | here | page → that port | `"here"`: the token is this page's |
 * | head | page → that port | `{ status, headers, hasBody }` |
 * | pull, stop | service worker → that port | `"pull"` asks for the next piece; anything else ends it |
 * | piece | page → that port | a `Uint8Array`; `null` at the end; a code where it cannot go on |
 */
import type { WebAnswer, WebQuestion } from "./web-answer.ts";

const folder = "coffer-file/";

/** Names a page's file in a question. */
export interface AddressPlace {
  readonly client: string;
  readonly token: string;
}

/** The message by which a page asks its service worker to answer for its files. */
export const greeting = { type: "coffer-files" } as const;

/** What the service worker says to it. */
export interface Welcome {
  readonly client: string;
  readonly scope: string;
}

/** What a service worker asks a page. */
export interface AskedFile {
  readonly type: "coffer-file";
  readonly token: string;
  readonly question: WebQuestion;
}

/** What the page answers before any bytes. */
export interface AnswerHead extends Pick<WebAnswer, "status" | "headers"> {
  readonly hasBody: boolean;
}

/** Write an address: see the table above. */
export function formatAddress({ client, scope }: Welcome, token: string, name: string): string {
  return `${scope}${folder}${encodeURIComponent(client)}/${token}/${encodeURIComponent(name)}`;
}

/** Read an address; `undefined` for one that is no file's. */
export function readAddress(url: string, scope: string): AddressPlace | undefined {
  const start = scope + folder;
  if (!url.startsWith(start)) return undefined;
  const [client = "", token = ""] = url.slice(start.length).split("/");
  return { client: decoded(client), token };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
