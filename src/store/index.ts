/**
 * store: the device log of a tenant and the small slots beside it, in one transactional database per name.
 *
 * Guarantees: S1 to S6 of `store.ts`, proved for both forms by one contract suite.
 * - `createDexieStorage` keeps IndexedDB databases of this origin; tabs and the service worker share them
 * - `createMemoryStorage` keeps plain objects; the stores opened from one storage share them
 *
 * It does not judge, decrypt, deduplicate or delete records, though their bytes can be replaced (`rewrite`); and it encrypts nothing:
 * callers store sealed bytes only.
 */
export { createDexieStorage } from "./dexie-store.ts";
export { createMemoryStorage } from "./memory-store.ts";
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
