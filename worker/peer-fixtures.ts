/** Devices with the page's half of peers, for tests. */
import type { Session, SubscriptionEvent } from "../src/page/session.ts";
import type { WorkerCall } from "../src/page/supervisor.ts";
import type { Env } from "../src/std/index.ts";
import { createMemoryStorage } from "../src/store/index.ts";
import { env, newSubscription, people, startDevice, type Device } from "./device-fixtures.ts";

export const guestPassword = "marble tunnel saffron";
const sharePassword = "lusab-babad-gutih-tugad";

/** A device of the tenant, with the part of a page that peers need. */
export interface Party {
  readonly device: Device;
  readonly session: Session;
  readonly tenantId: string;
  readonly database: number;
  /** who it is, and for the owner what proves that it is the admin's */
  readonly key: string;
  readonly proof: { readonly adminKey: string; readonly adminPassword: string } | undefined;
}

/** A device with the part of a page that peers need. */
async function startParty(world: Env = env): Promise<Pick<Party, "device" | "session">> {
  const listeners = new Map<number, (event: SubscriptionEvent) => void>();
  const device = await startDevice(createMemoryStorage(env), world, undefined, (events) => {
    for (const event of events) if ("subscription" in event) listeners.get(event.subscription)?.(event);
  });
  const session: Session = {
    isReady: () => true,
    ready: async () => undefined,
    call: async <T>(run: WorkerCall<T>) => run(device.api as unknown as Parameters<typeof run>[0]),
    nextNumber: newSubscription,
    listen(subscription, listener) {
      listeners.set(subscription, listener);
      return () => void listeners.delete(subscription);
    },
  };
  return { device, session };
}

/** Found a tenant on a device. */
async function found(): Promise<Party> {
  const owner = await startParty();
  const tenant = await owner.device.api.createTenant(people);
  const proof = { adminKey: tenant.adminUser?.key ?? "", adminPassword: people.adminPassword };
  return open({ ...owner, tenantId: tenant.id, key: tenant.self?.key ?? "", proof });
}

/** Join that tenant with a device of one's own, of which the join response is all it knows. `clock`: how wrong its clock is. */
export async function joinParty(
  { device, proof, tenantId }: Party,
  name: string,
  clock: { readonly ms: number } = { ms: 0 },
): Promise<Party> {
  if (proof === undefined) throw new Error("only the owner's device can approve");
  const guest = await startParty({ ...env, nowMs: () => env.nowMs() + clock.ms });
  const { api } = guest.device;
  const { key } = await api.createUserId(`cn=${name}/o=acme`, guestPassword);
  const request = await api.createJoinRequest(key);
  const join = { ...proof, sharePassword, serverUrl: undefined, expiresInMs: 60_000 };
  const response = await device.api.approveJoinRequest(tenantId, request, join);
  await api.joinTenant(response, { key, password: guestPassword, sharePassword });
  return open({ ...guest, tenantId, key, proof: undefined });
}

/** Two members of a tenant, each with a device, that no server ever saw. */
export async function createPair(clock?: { readonly ms: number }): Promise<readonly [Party, Party]> {
  const owner = await found();
  return [owner, await joinParty(owner, "guest", clock)];
}

async function open(party: Omit<Party, "database">): Promise<Party> {
  const database = newSubscription();
  await party.device.api.openDatabase(party.tenantId, "contacts", database);
  return { ...party, database };
}
