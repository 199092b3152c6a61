import { bytesToHex, idToBytes, utf8ToBytes, type AuthorKey, type TenantId } from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";

const safetyDomain = utf8ToBytes("coffer/safety/v1\0");
const digitCount = 60;

/**
 * Write the number that an admin and a newcomer compare aloud: equal on both sides only if both see the same tenant, admin
 * key and member key.
 *
 * @returns 60 digits in 15 groups of four: SHA-256("coffer/safety/v1\0" ‖ tenantId ‖ adminKey ‖ memberKey) mod 10^60
 */
export function safetyNumber(
  crypto: Pick<Verifier, "sha256">,
  parties: { readonly tenantId: TenantId; readonly adminKey: AuthorKey; readonly memberKey: AuthorKey },
): string {
  const { tenantId, adminKey, memberKey } = parties;
  const digest = crypto.sha256(safetyDomain, idToBytes(tenantId), idToBytes(adminKey), idToBytes(memberKey));
  // 2^256 is 10^17 times 10^60, so the remainder favours no digits worth mentioning.
  const number = BigInt(`0x${bytesToHex(digest)}`) % 10n ** BigInt(digitCount);
  const digits = number.toString().padStart(digitCount, "0");
  return (digits.match(/.{4}/g) ?? []).join(" ");
}
