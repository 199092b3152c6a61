/** The tenant that a page of the bench has open: made, opened again, left. */
import { openCoffer, type Coffer, type Identity, type ServerLink, type Tenant } from "cofferdb";

export const adminPassword = "Admin of the bench 7419 lake";
export const userPassword = "Owner of the bench 2085 reed";

export interface BenchSession {
  readonly coffer: Coffer;
  readonly tenant: Tenant;
}

export interface OwnedSession extends BenchSession {
  readonly adminUser: Identity;
}

/** Make a tenant in a CofferDB of a fresh name. */
export async function foundTenant(cofferName: string): Promise<OwnedSession> {
  const coffer = await openCoffer({ name: cofferName });
  const { tenant, adminUser } = await coffer.createTenant({
    tenantId: "bench",
    adminName: "cn=admin/o=bench",
    adminPassword,
    userName: "cn=owner/o=bench",
    userPassword,
  });
  return { coffer, tenant, adminUser };
}

/** Close everything and forget the tenant on this device. */
export async function removeSession({ coffer, tenant }: BenchSession): Promise<void> {
  const { id } = tenant;
  tenant.dispose();
  await coffer.removeTenant(id);
  await coffer.close();
}

/** Put a tenant on a server, connect to it, and run one full cycle. */
export async function publishAndSync(
  { tenant, adminUser }: OwnedSession,
  serverUrl: string,
): Promise<ServerLink> {
  await tenant.publishToServer(serverUrl, { adminUser, adminPassword });
  return connectAndSync(tenant, serverUrl);
}

/** Connect to a server and run one full cycle. */
export async function connectAndSync(tenant: Tenant, serverUrl: string): Promise<ServerLink> {
  const link = await tenant.connectToServer(serverUrl);
  await link.sync();
  return link;
}

/** What an earlier step of the same page must have left behind. */
export function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("The steps of this bench came out of order");
  return value;
}
