/** Errors in plain words: what happened, and what to do about it. Pure. */
import { isCofferError, type CofferErrorCode } from "cofferdb";

/** What is shown of an error. */
export interface Explanation {
  readonly what: string;
  /** what to do next */
  readonly advice: string | undefined;
  readonly code: CofferErrorCode | undefined;
}

const advice: Partial<Record<CofferErrorCode, string>> = {
  "input/expired": "Ask the person who invited you to answer again; your request is still good.",
  "input/used": "Make a new join request.",
  "input/too-large": "Make it shorter or split it; your text is still here.",
  "input/unknown-id": "Look at the list of spaces on this device.",
  "access/unauthenticated":
    "It is tried again by itself. If it stays, ask an admin whether you are still a member.",
  "access/revoked": "What is on this device can still be read. Ask an admin if this is a mistake.",
  "access/denied": "Ask an admin what your role allows.",
  "access/not-admin": "Ask the person who started the space.",
  "access/locked": "Unlock the space with your password, then do it again.",
  "key/missing": "It can be read as soon as the key arrives from another device.",
  "key/wrong-password": "Look at Caps Lock and the keyboard layout, then try again.",
  "doc/deleted": "It can be restored.",
  "doc/missing": "It may still be on its way.",
  "entry/forged": "Do not use it. Get it again from its source, by another way.",
  "store/quota": "Free some space on the disk, then try again.",
  "store/blocked": "Close the other tabs of this app.",
  "store/closed": "Reload the page.",
  "net/offline": "It is sent by itself as soon as there is a network.",
  "net/timeout": "It is tried again by itself.",
  "net/failed": "Look at the server's address. What you wrote is safe on this device.",
  "protocol/version": "Reload the page to get the newest version.",
  "protocol/malformed": "Copy the whole text again: it may have been cut.",
  "worker/restarted": "Look whether it was saved, and do it again if not.",
  "worker/failed": "Reload the page; what was saved stays saved.",
};

/** Explain anything that was thrown. */
export function explain(error: unknown): Explanation {
  if (isCofferError(error)) {
    // What the browser's push service or another device does has nothing to do with the server.
    const isElsewhere = error.details["what"] === "push service" || error.details["what"] === "peer";
    return {
      what: error.message,
      advice: isElsewhere ? undefined : advice[error.code],
      code: error.code,
    };
  }
  const reason = error instanceof Error ? error.message : String(error);
  return { what: `Something unexpected happened: ${reason}`, advice: "Try again.", code: undefined };
}

/** Explain the code that stopped a link, which comes without a message. */
export function explainCode(code: CofferErrorCode): string {
  const words: Partial<Record<CofferErrorCode, string>> = {
    "net/offline": "There is no network.",
    "net/timeout": "The server did not answer in time.",
    "net/failed": "The server could not be reached.",
    "net/rate-limited": "The server asks to slow down. It is tried again later.",
    "directory/behind": "The server does not know the newest members yet. It is tried again by itself.",
    "access/revoked": "An admin has revoked your access.",
    "access/denied": "The server refuses this device.",
    "access/unauthenticated": "The server does not know this device.",
    "store/quota": "The server's or this device's storage is full.",
  };
  return [words[code] ?? `It stopped with ${code}.`, advice[code]]
    .filter((part) => part !== undefined)
    .join(" ");
}
