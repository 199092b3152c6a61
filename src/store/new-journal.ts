/**
 * Makes the browser begin a new journal for this origin, so that a torn end of the old one cannot take everything with it.
 *
 * Chromium keeps an origin's IndexedDB in one LevelDB, and LevelDB writes its journal in pieces: a header that announces a length, then
 * what it announces. Killed between the two, it leaves a header without its piece. That loses nothing: the next start takes what is whole.
 * But it then *appends* to the same journal, and the start after that reads the appended bytes as the missing piece, finds a checksum
 * that does not fit, and throws away all databases of the origin without a word. A deleted database makes LevelDB write out what it holds
 * in memory and begin another journal; the torn one is not read again.
 *
 *   killed          header ┊                      nothing is lost
 *   next start      header ┊ appended …           everything is there, and will be gone after this browser ends
 *   new journal     ─────────────── deleted       everything stays
 *
 * It costs some 10 ms of the browser's storage thread, once for each thread that opens stores; nobody waits for it. Where IndexedDB is
 * kept in SQLite there is nothing torn, and it does no harm. Ref: LevelDB, `log_reader.cc` (a cut record at the end is the end) and
 * `db_impl.cc` (`reuse_logs`).
 */

import type { Storage } from "./store.ts";

/** Not the name of a store: lists of stores do not show it. */
const scratchName = "coffer-journal";

/** The same storage, which has a new journal begun as soon as its first store is open. */
export function withNewJournal(storage: Storage): Storage {
  let isBegun = false;
  return {
    ...storage,
    async openStore(name) {
      const store = await storage.openStore(name);
      if (!isBegun) beginJournal();
      isBegun = true;
      return store;
    },
  };
}

/** Where that cannot be done, what is wrong shows when something is stored. */
function beginJournal(): void {
  // Only what was there is deleted with all that this takes.
  const making = indexedDB.open(scratchName);
  making.onsuccess = () => {
    making.result.close();
    indexedDB.deleteDatabase(scratchName);
  };
}
