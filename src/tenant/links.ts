/** Links of a tenant to its servers. */
import type { TenantCore } from "./core.ts";
import type { AlarmEvent, TenantSnapshot } from "../../worker/api.ts";
import type { AdminPassword } from "./admin.ts";
import type { TenantSession } from "./session.ts";
export interface LinkHooks { onStatus(): void; onAlarm(kind: AlarmEvent["kind"], detail: string): void }
export class Links {
  constructor(core: TenantCore, hooks: LinkHooks) { void core; void hooks; }
  async resume(): Promise<void> {}
  async connect(url: string): Promise<void> { void url; }
  async disconnect(url: string): Promise<void> { void url; }
  async sync(url: string): Promise<void> { void url; }
  async publish(url: string, session: TenantSession, proof: AdminPassword): Promise<void> { void url; void session; void proof; }
  snapshot(): TenantSnapshot["links"] { return []; }
  async close(): Promise<void> {}
}
