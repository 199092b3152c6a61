/**
 * directory: who belongs to a tenant, in which groups, with which settings, folded from admin-signed records.
 *
 * Guarantees
 * - only commits of the genesis admin key are folded, in one line; of lines that were written apart all replicas take the same one, and no
 *   revocation of the others is lost
 * - the fold and the judgement are pure: page, worker, server and simulator reach the same verdicts from the same commits
 * - a revocation is a causal cut: what it does not cover is rejected on every replica, in whatever order things arrive, and stays so when
 *   the user is granted access again
 * - groups nest, circles included; settings and members are changed one by one, so that edits made apart are all there
 * - what a member may do is a role, judged at the directory head that their commit names; what takes rights away is a causal cut
 * - what names an older directory head than a commit that it follows is rejected
 * - what is sealed under an older epoch of a key than its own directory head prescribes is told, without a clock
 * - a user links further devices without the admin, by their own signature and the device's; who was revoked links none
 * - a device of a user has a key of its own and the user's role, and is revoked alone or with the user
 * - reading a record never throws, whatever the bytes
 *
 * It never reads a store, never decrypts and holds no key: commits come verified, records come opened.
 */
export { createAuthorGraph } from "./author-graph.ts";
export type {
  AuthorGraph,
  AuthorVerdict,
  DeviceAct,
  DirectoryCuts,
  DirectoryEpoch,
  DirectoryGroup,
  DirectoryRecord,
  DirectoryRole,
  DirectoryState,
  DirectoryUser,
  FoldVerdict,
  MemberEdit,
  MemberRef,
  NarrowedUsers,
  Role,
  RoleEdit,
  RoleSubject,
  SettingEdit,
  Settings,
} from "./directory.ts";
export { roles } from "./directory.ts";
export { activeUsers, isSameUser, keysOfUsers, userOf } from "./devices.ts";
export { createDirectory, foldCommit, foldPreview, type OpenedCommit } from "./fold.ts";
export { foldLines } from "./fold-lines.ts";
export { directoryLimits, rolePlace } from "./fold-record.ts";
export { groupsOfUser, maxGroupDepth, usersOfGroup } from "./groups.ts";
export {
  forgetsHead,
  indexOfHead,
  isCut,
  isMember,
  judgeAuthor,
  prescribedEpoch,
  wasRevoked,
} from "./judge.ts";
export { recordLimits } from "./record-fields.ts";
export { encodeRecord, parseRecord } from "./records.ts";
export { isAtLeast, judgeRole, mayWrite, roleAt, type RoleVerdict } from "./rights.ts";
export { groupIdOf, hashUserName } from "./user-name.ts";
export { isWipeOf, wipeMark } from "./wipe.ts";
