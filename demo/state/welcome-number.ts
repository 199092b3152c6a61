/** The safety number to compare right after joining. */
import { signal } from "@preact/signals";

/** Shown until the newcomer has seen it; undefined at all other times. */
export const welcomeNumber = signal<string | undefined>(undefined);
