/**
 * tenant: opens a tenant, founds or joins one, and composes the rooms above: log, keys, directory, documents, sync.
 *
 * Guarantees
 * - one queue per tenant: no two steps touch one document, one writer or the ledger at a time
 * - what enters a document was judged: signature, author's right, key, actor, dependencies, whatever way it came
 * - locked means locked: keys, catalogs and documents are dropped; sealed commits still move
 * - a backup file adds and never takes away; what it brings is verified and judged like anything else
 * - what is derived is rebuilt when it is lost, stale or damaged; the log is the truth
 *
 * It talks to no page: the worker turns its events into messages.
 */
export {
  adoptCommits,
  mergeLines,
  approveRequest,
  createPublication,
  inspectRequest,
  regrantUser,
  revokeUser,
} from "./admin.ts";
export {
  chunksOf,
  nameParts,
  pinPart,
  readPartPieces,
  readPartRange,
  type FetchChunk,
  type FilePlace,
  type PartRange,
} from "./attachments.ts";
export { Upload } from "./upload.ts";
export type { PeerAttachments } from "./peers.ts";
export { auditSteps, createReport } from "./audit.ts";
export type { AdminPassword } from "./directory-writes.ts";
export { openBackup } from "./backup.ts";
export { openDeviceEntries, openServerEntries } from "./entry-stores.ts";
export { BundleImport, exportBundle, measureBundle, summarize } from "./bundles.ts";
export { changeDocuments, changesSince, readDocuments, type BulkDraft } from "./bulk.ts";
export { createBranch, endBranch } from "./branch-writes.ts";
export { lineOf } from "./branches.ts";
export { keyNames, TenantCore, type TenantWorld, type Unlocked } from "./core.ts";
export { DatabaseSession } from "./database.ts";
export { missingSnapshot } from "./doc-snapshot.ts";
export { changeSettings, setGroup, type GroupEdits } from "./organise.ts";
export { approveDevice, linkOwnDevice, revokeDevice } from "./devices.ts";
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
export {
  addKeySlot,
  changePassword,
  kindsOfWays,
  listKeySlots,
  removeKeySlot,
  type AddedSlot,
  type VaultPlace,
} from "./key-slots.ts";
export { listKept, provesIdentity } from "./kept-session.ts";
export { purgeDocument, purgeEverywhere } from "./erasing.ts";
export { exportKey, importKey } from "./key-exports.ts";
export { LiveView } from "./live-view.ts";
export type { FollowRows, LiveViewSource } from "./view-building.ts";
export { createKey } from "./named-keys.ts";
export { isBranchName } from "./note.ts";
export type { SearchDefinition } from "./live-search.ts";
export { ownRole, roleNow } from "./rights.ts";
export { databaseNames, dryRun, setRoles, type RoleChange } from "./roles.ts";
export { grantKey, rotateKey, type Grantees } from "./rotate.ts";
export { changeRecipients, createListKey, recipientsOf } from "./recipients.ts";
export { resealDocuments, type ResealProgress } from "./reseal.ts";
export { Restore } from "./restore.ts";
export { Serial } from "./serial.ts";
export { TenantSession, type SessionOptions } from "./session.ts";
export { compileShape, shapePatches, shapeSnapshot, versionField, type CompiledShape } from "./shape.ts";
export { slotNames } from "./slots.ts";
export { sourceRows } from "./source-rows.ts";
export { diffVersions, documentAt, readHistory, readMarks } from "./time-travel.ts";
export { undoDepth, undoLast } from "./undo.ts";
export type { DocRequest } from "./watched-doc.ts";
