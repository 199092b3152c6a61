/** Web push on the page: the browser's push service is asked for an address, which the server is told. */
import { bytesToBase64url, CofferError } from "../std/index.ts";
import type { Session } from "./session.ts";

const what = "push service";

/**
 * Have a server wake this device's service worker when there is news, or no more.
 *
 * A browser has one subscription for each service worker, tied to one server's key: the server that is asked last has it. Asking again is
 * cheap, and renews what the browser has dropped. Taken back is only what the server was told: the subscription may serve other tenants.
 *
 * @throws `access/denied` when the user allows no notifications, `input/unknown-id` without a service worker, in a browser without push,
 *   for a server that is no link of the tenant or wakes nobody, `net/failed` when the push service cannot be reached, `net/…`
 */
export async function setWebPush(
  { id, session }: { readonly id: string; readonly session: Session },
  url: string,
  isWanted = true,
): Promise<void> {
  const tell = async (endpoint: string | null): Promise<void> =>
    session.call((api) => api.setPushEndpoint(id, url, endpoint));
  if (!isWanted) return tell(null);
  const { serviceWorker } = globalThis.navigator as { readonly serviceWorker?: ServiceWorkerContainer };
  const manager = (await serviceWorker?.getRegistration())?.pushManager as PushManager | undefined;
  if (manager === undefined)
    throw new CofferError("input/unknown-id", {
      message: "This page has no service worker that could be woken.",
      what,
    });
  const key = await session.call((api) => api.readPushKey(id, url));
  const { endpoint } = await subscribe(manager, key);
  await tell(endpoint);
}

async function subscribe(manager: PushManager, key: string): Promise<PushSubscription> {
  const known = await manager.getSubscription();
  if (known !== null && keyOf(known) === key) return known;
  await known?.unsubscribe();
  try {
    return await manager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  } catch (cause) {
    const isRefused = cause instanceof Error && cause.name === "NotAllowedError";
    if (isRefused)
      throw new CofferError(
        "access/denied",
        { message: "This browser allows no notifications here.", what },
        { cause },
      );
    throw new CofferError(
      "net/failed",
      { message: "The browser's push service did not answer.", what },
      { cause },
    );
  }
}

/** The key that a subscription is tied to, base64url as servers say it. */
function keyOf({ options }: PushSubscription): string {
  return options.applicationServerKey === null
    ? ""
    : bytesToBase64url(new Uint8Array(options.applicationServerKey));
}
