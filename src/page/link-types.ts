/** What the page says of servers, and of the links with them. */
import type { ReadonlySignal } from "@preact/signals-core";
import type { CofferErrorCode } from "../std/index.ts";
import type { Identity } from "./types.ts";

export interface LinkStatus {
  readonly phase: "offline" | "connecting" | "syncing" | "live" | "denied";
  readonly pendingPush: number;
  readonly pendingPull: number;
  readonly verifiedCompleteAtMs: number | undefined;
  readonly error: CofferErrorCode | undefined;
  /** bytes of bodies up and down since the link was opened */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export interface ServerLink {
  readonly url: string;
  readonly status: ReadonlySignal<LinkStatus>;
  /** Run one full cycle now; resolves when nothing is left, rejects with the code that stopped it. */
  sync(): Promise<void>;
  /** End it for good. Where this device asked to be woken, the server is told to stop: at once, or when it can be reached again. */
  disconnect(): Promise<void>;
}

/** What goes over a link. */
export interface LinkOptions {
  /**
   * The bytes of attachments go this way too: sent there, and fetched from there. Left out, a new link has them, and one that is there stays
   * as it is. A server keeps bytes only where its log names them, so one that is to have attachments has the documents too.
   */
  readonly attachments?: boolean;
}

/** The part of a tenant that is about servers. */
export interface Servers {
  publishToServer(url: string, options: { adminUser: Identity; adminPassword: string }): Promise<void>;
  /** Connect and stay connected: live while there is a network, retried by itself, also after a reload. */
  connectToServer(url: string, options?: LinkOptions): Promise<ServerLink>;
  /**
   * Have a server of this tenant wake this device's service worker when there is news, also with every page closed, or no more.
   * Ask from a click: the browser asks its user whether notifications are allowed.
   *
   * @throws access/denied when they are not; input/unknown-id without a service worker, push or such a link; net/…
   */
  setWebPush(url: string, isWanted?: boolean): Promise<void>;
  /** links of this tenant on this device; after unlocking they resume by themselves */
  readonly links: ReadonlySignal<readonly ServerLink[]>;
}
