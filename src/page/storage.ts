/** What the page knows of the browser's storage: how much there is, and whether it will be kept. */
import { signal } from "@preact/signals-core";
import type { CofferStatus } from "./types.ts";

type StorageStatus = CofferStatus["storage"];

/** less than this is little, whatever the quota */
const littleBytes = 50_000_000;

interface World {
  readonly navigator?: {
    readonly storage?: { persist?(): Promise<boolean>; persisted?(): Promise<boolean> };
  };
  readonly document?: EventTarget;
}

/** The storage as one `openCoffer` sees it. */
export class StorageWatch {
  readonly status = signal<StorageStatus>({
    usageBytes: 0,
    quotaBytes: 0,
    persisted: undefined,
    room: "unknown",
  });
  readonly #over = new AbortController();
  /** what was left when a write was refused: only more than that is room again */
  #refusedAtBytes: number | undefined;
  #isAsked = false;

  /** `measure` asks the worker to measure again: done each time that the page comes into view. */
  constructor(measure: () => void) {
    (globalThis as World).document?.addEventListener("visibilitychange", measure, {
      signal: this.#over.signal,
    });
    void this.#ask("persisted");
  }

  /** Take in a measure. */
  hear({ usageBytes, quotaBytes }: Pick<StorageStatus, "usageBytes" | "quotaBytes">): void {
    const leftBytes = quotaBytes - usageBytes;
    const isFull = this.#refusedAtBytes !== undefined && leftBytes <= this.#refusedAtBytes;
    if (!isFull) this.#refusedAtBytes = undefined;
    const isLow = leftBytes < Math.max(littleBytes, quotaBytes / 10);
    const room = isFull ? "full" : isLow ? "low" : "enough";
    this.#show({ usageBytes, quotaBytes, room: quotaBytes === 0 ? "unknown" : room });
  }

  /** A write was refused for want of room. */
  refuse(): void {
    const { usageBytes, quotaBytes } = this.status.peek();
    this.#refusedAtBytes = quotaBytes - usageBytes;
    this.#show({ room: "full" });
  }

  /** Something was stored: the first time, the browser is asked to keep it. One may ask the user, so nobody waits. */
  stored(): void {
    if (!this.#isAsked && this.status.peek().persisted !== true) void this.keep();
  }

  /** Ask the browser to keep what is stored. */
  async keep(): Promise<boolean> {
    this.#isAsked = true;
    return this.#ask("persist");
  }

  close(): void {
    this.#over.abort();
  }

  async #ask(question: "persist" | "persisted"): Promise<boolean> {
    try {
      const persisted = await (globalThis as World).navigator?.storage?.[question]?.();
      this.#show({ persisted });
      return persisted === true;
    } catch {
      return false;
    }
  }

  #show(news: Partial<StorageStatus>): void {
    this.status.value = { ...this.status.peek(), ...news };
  }
}
