/**
 * page: the main thread's reactive API over the worker.
 *
 * Guarantees
 * - P1 every promise settles, and rejects with a `CofferError` only
 * - P2 what a draft changed is shown at once; when it fails, it and the drafts recorded upon it are taken
 *   back and reject
 * - P3 after the worker's death the same signals go on: tenants, databases, documents and queries are opened
 *   again by themselves
 * - P4 a signal changes only when its value did: equal parts of a value keep their identity between versions
 * - P5 nothing here can read a key: what a restarted worker needs is kept as opaque handles that no part of
 *   the API leads to
 * - P6 what the first screen does without is one file of its own, loaded at its first use (`more.ts`): its calls
 *   reject when it cannot be had, and try again the next time
 *
 * It never loads Automerge, Dexie or cryptography, and it decides nothing about documents: the worker does.
 */
export { bindText, type BindTextOptions, type TextField } from "./bind-text.ts";
export { openCoffer } from "./coffer.ts";
export type {
  Attachment,
  AttachmentName,
  AttachmentProgress,
  AttachmentRange,
  AttachmentRun,
  AttachmentState,
  Attachments,
  Extracted,
  ExtractedFile,
  ExtractKind,
  Extractor,
  ExtractRun,
  ExtractVerdict,
  FileLimits,
  FileSums,
  KeptFiles,
  NewAttachment,
  OpenAttachment,
} from "./attachment-types.ts";
export type {
  AddedKeySlot,
  AdminOptions,
  AlarmEvent,
  AuditDeed,
  AuditOptions,
  AuditReportOptions,
  AuditStep,
  AutoLockLimits,
  BackupOptions,
  BackupProgress,
  BackupReport,
  BundleImportOptions,
  BundleOptions,
  BundleReport,
  Bundles,
  ChangedDocument,
  Coffer,
  CofferStatus,
  CreateOptions,
  Database,
  DatabaseStatus,
  Doc,
  Directory,
  DocStatus,
  DryRun,
  GivenRole,
  Group,
  HistoryStep,
  Identity,
  KeyGrant,
  KeySlot,
  KeySlotProof,
  Keys,
  KnownTenant,
  LinkStatus,
  Member,
  Migration,
  NewKeySlot,
  OpenCofferOptions,
  OpenDatabaseOptions,
  QuarantinedCommit,
  Query,
  QueryCursor,
  QueryDefinition,
  QueryGroup,
  QueryGrouping,
  QueryRow,
  RefusedChange,
  Role,
  RoleChange,
  RoleHolder,
  Peer,
  Presence,
  Search,
  SearchHit,
  SearchExcerpt,
  SearchMark,
  SearchOptions,
  SearchStatus,
  ServerLink,
  SettingValues,
  StandardResult,
  StandardSchema,
  Tenant,
  TenantStatus,
  UndoOptions,
  UserDevice,
  UnlockWay,
} from "./types.ts";
export type {
  CategoryName,
  CategoryRow,
  CategoryValue,
  ColumnInput,
  DocumentRow,
  FoundRow,
  MetaField,
  RowName,
  ShownRow,
  TotalFunction,
  TotalValue,
  View,
  ViewDefinitionInput,
  ViewMark,
  ViewOptions,
  ViewSearchOptions,
  ViewSource,
  ViewState,
  ViewTotal,
  Whereabouts,
} from "./view-types.ts";
export type {
  BloomSummary,
  ChangesRemote,
  CompactionStatus,
  EntryPage,
  EntryReader,
  EntryStore,
  EntryStores,
  StoreEntry,
  StoreEntryMetadata,
  TransferReport,
} from "./store-types.ts";
export type { PeerConnection, PeerOptions, PeerStatus, PeerWay } from "./peer-types.ts";
