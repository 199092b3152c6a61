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

/** Longest name of a key, in UTF-16 units. */
const maxKeyNameLength = 128;

/**
 * Read the name of a new key: in NFC, 1 … 128 units, and as {@link isName} asks. `default`, and what begins with `$`, are the
 * tenant's own.
 *
 * @throws `input/invalid`
 */
export function readKeyName(text: string): string {
  const name = text.length <= 2 * maxKeyNameLength ? text.normalize("NFC") : text;
  const isFree = name !== "default" && !name.startsWith("$");
  if (isFree && name.length <= maxKeyNameLength && isName(name)) return name;
  throw new CofferError("input/invalid", {
    message:
      "The name of a key has 1 to 128 characters, no spaces around it, and is not one of the tenant's own.",
  });
}
