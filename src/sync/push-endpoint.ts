/** Asks a server to wake this device when there is news, or no more: it is told the address at the browser's push service. */
import { CofferError, parseBase64url, type TenantId } from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import type { Store } from "../store/index.ts";
import { authenticate, type Signer } from "./auth.ts";
import { readServerKey } from "./remote-slots.ts";
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
  link: {
    readonly crypto: Pick<Verifier, "sign" | "randomBytes">;
    readonly http: HttpTransport;
    readonly signer: Signer;
    readonly store: Store;
    readonly tenantId: TenantId;
  },
  endpoint: string | null,
): Promise<void> {
  const { crypto, http, signer, store, tenantId } = link;
  const serverKey = await readServerKey(store, http.origin);
  const { token } = await authenticate(http, crypto, signer, { tenantId, serverKey });
  await http.postJson(`/v1/t/${tenantId}/wake`, { endpoint }, undefined, token);
}
