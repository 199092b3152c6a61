/** What is under way: edits that are not durable yet, and short messages about what has just happened. */
import { computed, effect, signal } from "@preact/signals";
import type { LinkStatus } from "cofferdb";
import { describeState } from "../text/pill.ts";
import { coffer, isOnline } from "./coffer.ts";
import { isLocked, space } from "./space.ts";

const savingCount = signal(0);

/** Count a promise as saving until it settles; its outcome passes through. */
export async function whileSaving<T>(work: Promise<T>): Promise<T> {
  savingCount.value += 1;
  try {
    return await work;
  } finally {
    savingCount.value -= 1;
  }
}

/** The status of the first server of the open space; undefined without one. */
export const linkStatus = computed<LinkStatus | undefined>(
  () => space.value?.tenant.links.value[0]?.status.value,
);

/** How things stand, in a few words. */
export const pillState = computed(() =>
  describeState({
    worker: coffer.value?.status.value.worker ?? "starting",
    isOnline: isOnline.value,
    isSaving: savingCount.value > 0,
    unjudgedCount: space.value?.tenant.status.value.unjudgedCount ?? 0,
    link: linkStatus.value,
  }),
);

/** A short message; it may offer to take something back. */
export interface Notice {
  readonly id: number;
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => Promise<void> };
}

/** The messages now shown, the newest last. */
export const notices = signal<readonly Notice[]>([]);

effect(() => {
  if (isLocked.value) forgetNotices();
});

/** Take all messages away: one may name what is in the space, or offer to change it. */
export function forgetNotices(): void {
  notices.value = [];
}

let lastNotice = 0;
const noticeMs = 12_000;

/** Show a message for a while. */
export function notify(text: string, action?: Notice["action"]): void {
  lastNotice += 1;
  const id = lastNotice;
  notices.value = [...notices.value.slice(-2), action === undefined ? { id, text } : { id, text, action }];
  setTimeout(() => dismiss(id), noticeMs);
}

/** Take a message away. */
export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}
