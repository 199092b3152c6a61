/** When the open space locks by itself: a choice of this browser. */
import { effect, signal } from "@preact/signals";
import { space } from "./space.ts";

const storageKey = "coffer-demo/auto-lock-minutes";

/** Minutes that can be chosen; 0 is never. */
export const autoLockChoices = [0, 1, 5, 15, 60] as const;

/** The choice. */
export const autoLockMinutes = signal(readChoice());

/** Choose. What is none of the choices changes nothing. */
export function chooseAutoLock(minutes: number): void {
  if (!autoLockChoices.some((choice) => choice === minutes)) return;
  autoLockMinutes.value = minutes;
  localStorage.setItem(storageKey, String(minutes));
}

/** Lock whatever space is open by the choice that counts, for as long as this page lives. */
export function followAutoLock(): void {
  effect(() => {
    const tenant = space.value?.tenant;
    const minutes = autoLockMinutes.value;
    if (tenant === undefined || minutes === 0) return undefined;
    const watching = tenant.lockWhen({ idleMs: minutes * 60_000 });
    return () => {
      watching.then((stop) => stop()).catch(() => undefined);
    };
  });
}

function readChoice(): number {
  const stored = Number(localStorage.getItem(storageKey));
  return autoLockChoices.find((choice) => choice === stored) ?? 0;
}
