/**
 * What the first screen does without, as one file of its own: loaded at the first use of any of it (`lazy.ts`).
 *
 * It holds no state, and no classes that anybody compares by identity: what there may be only one of on a page (drafts,
 * signals, the policy for scripts) it is handed by its callers. The built file brings its own copies of the rest.
 */
export {
  addAttachment,
  addAttachmentStream,
  appendToAttachment,
  follow,
  getAttachment,
  getAttachmentRange,
  removeAttachment,
  streamAttachment,
} from "./attachments.ts";
export { audit, exportAudit } from "./audit.ts";
export { importBackup, readBackup } from "./backup.ts";
export { importBundle, measureBundle, readBundle, summarize } from "./bundle.ts";
export { bindField } from "./bind-field.ts";
export {
  changeDocs,
  changeRecipients,
  createDocument,
  createDocumentFor,
  createDocuments,
  createEncryptedDocument,
  getRecipients,
} from "./bulk.ts";
export {
  changeDBSettings,
  changeTenantSettings,
  createDocEncryptionKey,
  dryRun,
  exportKey,
  getDBSettings,
  getGroups,
  getRole,
  getTenantSettings,
  grant,
  importKey,
  reseal,
  rotate,
  setGroup,
  setRoles,
} from "./directory.ts";
export { getStore, pullChangesFrom, pushChangesTo } from "./entry-store.ts";
export { followOutbox, keepStorage } from "./install.ts";
export {
  addKeySlot,
  changePassword,
  getKeySlots,
  lockWhen,
  removeKeySlot,
  unlock,
  unlockMessage,
} from "./key-slots.ts";
export { limitFiles, openAttachment } from "./open-attachment.ts";
export { meetPeers } from "./meeting.ts";
export { connectPeer } from "./peer.ts";
export { answerPeer, offerPeer } from "./peer-call.ts";
export {
  branch,
  deleteDocument,
  diff,
  discardBranch,
  getAllDocumentIds,
  getDocumentAtTimestamp,
  iterateChangesSince,
  iterateDocumentHistory,
  mergeBranch,
  purgeDocHistory,
  redo,
  undeleteDocument,
  undo,
  undoDepth,
} from "./past.ts";
export {
  adopt,
  mergeLines,
  approveDevice,
  approveJoinRequest,
  checkPassword,
  connectToServer,
  createJoinRequest,
  createSharePassword,
  createTenant,
  createUserId,
  inspectJoinRequest,
  joinTenant,
  pendingIdentities,
  publishToServer,
  regrantUser,
  removeTenant,
  revokeDevice,
  revokeUser,
  safetyNumber,
} from "./people.ts";
export { presence } from "./presence.ts";
export { createShape } from "./schema.ts";
export { search } from "./search.ts";
export { core, view } from "./view.ts";
export { setWebPush } from "./web-push.ts";
