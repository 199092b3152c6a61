/** Which servers were asked to wake this browser: it says itself only whether it can be woken. */
import { signal } from "@preact/signals";

const storageKey = "coffer-demo/woken-by";

/** Their addresses. */
export const wokenBy = signal(readWoken());

/** Note that a server wakes this browser, or does no more. */
export function noteWoken(url: string, isWoken: boolean): void {
  const others = wokenBy.value.filter((other) => other !== url);
  wokenBy.value = isWoken ? [...others, url] : others;
  localStorage.setItem(storageKey, wokenBy.value.join(" "));
}

function readWoken(): readonly string[] {
  return (localStorage.getItem(storageKey) ?? "").split(" ").filter((url) => URL.canParse(url));
}
