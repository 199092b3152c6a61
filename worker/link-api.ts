/** What a page asks of a tenant's links with servers. */
import type { AdminProof } from "./directory-api.ts";

/** The calls about servers. */
export interface LinkCalls {
  /** URLs of servers come in canonical form (`new URL(url).href` without a trailing slash) and come back unchanged. */
  publish(tenantId: string, url: string, proof: AdminProof): Promise<void>;
  /** The key that a push subscription for a server is tied to, base64url. */
  readPushKey(tenantId: string, url: string): Promise<string>;
  /** Tell a server where this device is woken, `null` for nowhere. */
  setPushEndpoint(tenantId: string, url: string, endpoint: string | null): Promise<void>;
  /** `attachments`: whether their bytes go this way too; left out, a new link has them, and one that is there stays as it is. */
  connect(tenantId: string, url: string, attachments?: boolean): Promise<void>;
  disconnect(tenantId: string, url: string): Promise<void>;
  sync(tenantId: string, url: string): Promise<void>;
}
