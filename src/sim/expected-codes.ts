import type { CofferErrorCode } from "../std/index.ts";

/** What a call may say when its worker is locked or closed under it, or the network is what it is. */
export const expectedCodes: ReadonlySet<CofferErrorCode> = new Set<CofferErrorCode>([
  "access/locked",
  "aborted",
  "store/closed",
  "doc/deleted",
  "net/offline",
  "net/failed",
  "net/timeout",
  "net/rate-limited",
  // the second of two equal answers to one challenge
  "access/unauthenticated",
  "directory/behind",
  "store/quota",
  "store/failed",
  // a link that is not taken up again yet, a member whom this tab has not judged again yet
  "input/unknown-id",
]);
