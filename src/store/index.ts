/**
 * store: the device log of a tenant and the small slots beside it, in one transactional database per name.
 *
 * Guarantees: S1 to S6 of `store.ts`, proved for both forms by one contract suite.
 * - `createDexieStorage` keeps IndexedDB databases of this origin; tabs and the service worker share them
 * - `createOpenOnlyStorage` is the same for the service worker, which makes no database and so needs no Dexie
 * - `createMemoryStorage` keeps plain objects; the stores opened from one storage share them
 * - `withNewJournal` keeps a torn end of the browser's own journal from taking everything with it
 *
 * It does not judge, decrypt, deduplicate or delete records, though their bytes can be replaced (`rewrite`); and it encrypts nothing:
 * callers store sealed bytes only.
 */
export { createDexieStorage } from "./dexie-store.ts";
export { createOpenOnlyStorage } from "./idb-store.ts";
export { createMemoryStorage } from "./memory-store.ts";
export { withNewJournal } from "./new-journal.ts";
export type {
  Batch,
  BatchResult,
  Damage,
  LogRecord,
  NewRecord,
  RewriteResult,
  RewrittenRecord,
  Slot,
  SlotValue,
  SlotWrite,
  Storage,
  Store,
  WriteEvent,
} from "./store.ts";
