/**
 * Where devices are to be woken.
 *
 * | request | answer |
 * |---|---|
 * | POST /v1/t/{tenant}/wake, `{ endpoint }`: the address at the browser's push service, or null for no more | `{}` |
 *
 * The device is the key that signed in. An address elsewhere than at a push service that this server calls is `input/invalid`, one device
 * too many of its user `store/quota`, and all of it `input/unknown-id` at a server that wakes nobody.
 */
import { CofferError } from "../../src/std/index.ts";
import { jsonResponse } from "./error-status.ts";
import type { Session } from "./sessions.ts";
import type { SubscriptionStorage } from "./subscription-storage.ts";
import type { PushService } from "./waker.ts";

/** What it needs of a relay. */
export interface WakeParts {
  readonly storage: SubscriptionStorage;
  /** `undefined` where nobody is woken */
  readonly service: PushService | undefined;
}

/** Keep, or forget, where the device of a session is woken. @throws `input/…`, `store/quota` */
export async function setEndpoint(
  { service, storage }: WakeParts,
  { key: device, tenantId, userKey: user }: Session,
  body: unknown,
): Promise<Response> {
  if (service === undefined) throw new CofferError("input/unknown-id", { what: "push service" });
  const endpoint =
    typeof body === "object" && body !== null && "endpoint" in body ? body.endpoint : undefined;
  if (endpoint === null) {
    await storage.removeSubscription(tenantId, device);
    return jsonResponse({});
  }
  if (typeof endpoint !== "string" || !service.allows(endpoint))
    throw new CofferError("input/invalid", { message: "This is not an address of a push service." });
  const isKept = await storage.putSubscription(tenantId, { device, user, endpoint });
  if (!isKept) throw new CofferError("store/quota", { message: "Too many devices of this user are woken." });
  return jsonResponse({});
}
