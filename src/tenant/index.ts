/**
 * tenant: opens a tenant, founds or joins one, and composes the rooms above: log, keys, directory, documents, sync.
 *
 * Guarantees
 * - one queue per tenant: no two steps touch one document, one writer or the ledger at a time
 * - what enters a document was judged: signature, author's right, key, actor, dependencies, whatever way it came
 * - locked means locked: keys, catalogs and documents are dropped; sealed commits still move
 * - what is derived is rebuilt when it is lost, stale or damaged; the log is the truth
 *
 * It talks to no page: the worker turns its events into messages.
 */
export {
  approveRequest,
  createPublication,
  inspectRequest,
  revokeUser,
  type AdminPassword,
  type DirectoryAction,
} from "./admin.ts";
export { keyNames, TenantCore, type TenantWorld, type Unlocked } from "./core.ts";
export { DatabaseSession } from "./database.ts";
export { Device, type DeviceTenant } from "./device.ts";
export {
  createPendingIdentity,
  deviceStoreName,
  foundTenant,
  joinTenant,
  openCore,
  removeTenant,
  type FoundingOptions,
} from "./founding.ts";
export { TenantSession, type SessionOptions } from "./session.ts";
export { slotNames } from "./slots.ts";
