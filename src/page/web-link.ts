/**
 * Requests and answers as addresses of a web page: `https://app.example/#mdb://join-request/…`. They stand behind the `#`, which browsers
 * do not send, so that the page's server does not see them.
 */
import { CofferError } from "../std/index.ts";

/** Write a text of ours as an address of a page. @throws input/invalid unless the page's own is http or https */
export function asWebLink(uri: string, page: string | URL | undefined): string {
  if (page === undefined) return uri;
  const url = URL.canParse(page) ? new URL(page) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new CofferError("input/invalid", { message: "The address of a page begins with https://" });
  url.hash = uri;
  return url.href;
}

/** Read one: what stands behind the `#` of an address, anything else as it is. */
export function fromWebLink(text: string): string {
  return /^\s*https?:/i.test(text) ? text.slice(text.indexOf("#") + 1).trim() : text;
}
