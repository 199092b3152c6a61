/** The wording of the state pill: one short text for everything that may be pending. Pure. */
import type { CofferStatus, LinkStatus } from "cofferdb";
import { formatClock, formatCount } from "./format.ts";

/** What the pill looks at. */
export interface PillInput {
  readonly worker: CofferStatus["worker"];
  readonly isOnline: boolean;
  /** edits on their way into this device's store */
  readonly isSaving: boolean;
  /** commits that are here and not verified yet */
  readonly unjudgedCount: number;
  /** the link's status; undefined while the space has no server */
  readonly link: LinkStatus | undefined;
}

/** What the pill shows. */
export interface PillState {
  readonly kind:
    | "restarting"
    | "failed"
    | "saving"
    | "local"
    | "offline"
    | "denied"
    | "connecting"
    | "to-send"
    | "receiving"
    | "checking"
    | "live"
    | "verified";
  readonly text: string;
  readonly tone: "calm" | "busy" | "warn" | "bad";
}

/** Say in a few words how things stand. What needs the reader most comes first. */
export function describeState({ worker, isOnline, isSaving, unjudgedCount, link }: PillInput): PillState {
  if (worker === "failed") return { kind: "failed", text: "stopped", tone: "bad" };
  if (worker !== "ready") return { kind: "restarting", text: "restarting", tone: "busy" };
  if (isSaving) return { kind: "saving", text: "saving", tone: "busy" };
  if (link === undefined)
    return { kind: "local", text: isOnline ? "on this device" : "offline", tone: "calm" };
  if (link.phase === "denied") return { kind: "denied", text: "access denied", tone: "bad" };
  const toSend = link.pendingPush > 0 ? `${formatCount(link.pendingPush)} to send` : undefined;
  if (!isOnline || link.phase === "offline") {
    return { kind: "offline", text: toSend === undefined ? "offline" : `offline · ${toSend}`, tone: "warn" };
  }
  if (toSend !== undefined) return { kind: "to-send", text: toSend, tone: "busy" };
  if (link.phase === "connecting") return { kind: "connecting", text: "connecting", tone: "busy" };
  if (link.pendingPull > 0) {
    return { kind: "receiving", text: `${formatCount(link.pendingPull)} to receive`, tone: "busy" };
  }
  if (link.phase === "syncing") return { kind: "receiving", text: "syncing", tone: "busy" };
  if (unjudgedCount > 0)
    return { kind: "checking", text: `${formatCount(unjudgedCount)} to verify`, tone: "busy" };
  if (link.verifiedCompleteAtMs === undefined) return { kind: "live", text: "live", tone: "calm" };
  return {
    kind: "verified",
    text: `verified complete at ${formatClock(link.verifiedCompleteAtMs)}`,
    tone: "calm",
  };
}

/** Say what the browser promised about keeping the data. */
export function describePersistence(persisted: boolean | undefined): string {
  if (persisted === undefined) return "The browser has not answered yet whether it will keep the data.";
  return persisted
    ? "The browser promised to keep the data until you remove it."
    : "The browser did not promise to keep the data: it may clear it when the disk is full. Sync, or save a backup.";
}

/** What to say about the room that is left; undefined while there is enough. */
export function describeRoom(room: CofferStatus["storage"]["room"]): string | undefined {
  if (room === "low") return "Little room is left. Save a backup now, and free some space on this device.";
  if (room === "full")
    return "There is no room left: new edits cannot be saved until there is. Nothing saved is lost.";
  return undefined;
}
