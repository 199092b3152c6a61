import { CofferError, utf8ToBytes } from "../std/index.ts";

/** Longest name of a user or tenant, in bytes of UTF-8. */
export const maxNameBytes = 256;

/*
 * Lone surrogates have no UTF-8; control characters, line ends and direction overrides make a name show as another one.
 */
const refusedCharacters = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;

/** Tell whether text can name a user or a tenant: 1 … 256 bytes of UTF-8, no white space around it, nothing invisible. */
export function isName(text: string): boolean {
  if (text.length === 0 || text.length > maxNameBytes || text.trim() !== text) return false;
  return !refusedCharacters.test(text) && utf8ToBytes(text).length <= maxNameBytes;
}

/** @throws `input/invalid` when {@link isName} says no */
export function requireName(text: string): void {
  if (isName(text)) return;
  throw new CofferError("input/invalid", {
    message: "A name has 1 to 256 bytes, no spaces around it and no control characters.",
  });
}
