/** Asks a server to wake this device when there is news, or no more: it is told the address at the browser's push service. */
import { CofferError, parseBase64url } from "../std/index.ts";
import { createAsMember, type MemberOptions } from "./as-member.ts";
import type { HttpTransport } from "./transport.ts";

/** an uncompressed point of P-256 */
const pushKeyBytes = 65;

/**
 * The key that a push subscription for a server is tied to, base64url.
 *
 * @throws `input/unknown-id` for a server that wakes nobody, `protocol/malformed`, `net/…`
 */
export async function readPushKey(http: Pick<HttpTransport, "readCapabilities">): Promise<string> {
  const { pushKey } = await http.readCapabilities();
  if (pushKey === undefined)
    throw new CofferError("input/unknown-id", {
      message: "This server does not wake devices.",
      what: "push service",
    });
  const bytes = parseBase64url(pushKey);
  if (bytes?.length !== pushKeyBytes || bytes[0] !== 4)
    throw new CofferError("protocol/malformed", { field: "pushKey" });
  return pushKey;
}

/** Tell a server where this device is woken, `null` for nowhere. @throws `input/…`, `store/quota`, `access/…`, `net/…` */
export async function tellPushEndpoint(
  member: MemberOptions,
  endpoint: string | null,
  signal?: AbortSignal,
): Promise<void> {
  const { http, tenantId } = member;
  const tell = (token: Uint8Array): Promise<unknown> =>
    http.postJson(`/v1/t/${tenantId}/wake`, { endpoint }, signal, token);
  await createAsMember(member)(tell, signal);
}
