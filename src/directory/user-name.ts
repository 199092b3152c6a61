import { utf8ToBytes, type GroupId } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import { deriveNameId } from "../entry/index.ts";

const userDomain = utf8ToBytes("coffer/user/v1\0");

/**
 * Hash a user's name under the tenant's names key, so that a server can compare names and read none: 32 bytes.
 *
 * Names are compared without case and in one Unicode form: HMAC(names key, "coffer/user/v1\0" ‖ folded name).
 */
export function hashUserName(
  crypto: Pick<Crypto, "hmacSha256">,
  namesKey: Uint8Array,
  userName: string,
): Uint8Array<ArrayBuffer> {
  return crypto.hmacSha256(namesKey, userDomain, utf8ToBytes(foldName(userName)));
}

/** The id of a group: its name is compared as a user's is. */
export function groupIdOf(
  crypto: Pick<Crypto, "hmacSha256">,
  namesKey: Uint8Array,
  groupName: string,
): GroupId {
  return deriveNameId(crypto, namesKey, "group", foldName(groupName));
}

/*
 * JavaScript has no full case folding. Upper case first brings "ß" and "ss", "ς" and "σ" together, which lower case alone
 * keeps apart; NFKC before and after, because changing case can leave the normal form.
 */
function foldName(name: string): string {
  return name.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFKC");
}
