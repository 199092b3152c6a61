/**
 * Opens a database that is there, without the library that makes and upgrades them: that one takes ten times as long to load and to
 * open, and every start would pay for it.
 */
import { CofferError } from "../std/index.ts";
import { isStoreVersion } from "./idb-log.ts";

/** An open connection. */
export interface Opened {
  readonly database: IDBDatabase;
  close(): void;
}

/** Makes, upgrades and deletes databases. */
export interface DatabaseMaker {
  /** Make a database, or bring it to this version. */
  make(name: string, onLost: () => void): Promise<Opened>;
  /** Delete a database, if it is there; whoever asked is told when somebody else has it open. */
  remove(name: string, onBlocked: () => void): Promise<void>;
  /** The names of databases where the platform does not tell them. */
  names(): Promise<readonly string[]>;
}

const refuse = async (): Promise<never> => {
  throw new CofferError("store/failed", { reason: "missing" });
};

/** For a thread that opens what others made, and makes nothing: it needs no library for that. */
export const openOnly: DatabaseMaker = { make: refuse, remove: refuse, names: refuse };

/**
 * Open a database that has the tables of this version.
 *
 * @param onLost the connection is gone: closed by the browser, or given up because another tab upgrades or deletes
 * @returns `undefined` when it is not there, or of another version: then nothing was made or changed
 */
export function openExisting(name: string, onLost: () => void): Promise<Opened | undefined> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name);
    let isNew = false;
    request.onupgradeneeded = () => {
      // Without a version, only a database that was not there is upgraded. Aborted, it is not there again.
      isNew = true;
      request.transaction?.abort();
    };
    request.onerror = () => (isNew ? resolve(undefined) : reject(request.error ?? new DOMException("open")));
    request.onsuccess = () => {
      const database = request.result;
      const close = (): void => database.close();
      if (!isStoreVersion(database)) {
        close();
        resolve(undefined);
        return;
      }
      database.onclose = onLost;
      // Another tab wants to upgrade or delete: give way at once.
      database.onversionchange = () => {
        close();
        onLost();
      };
      resolve({ database, close });
    };
  });
}

/** The names of all databases of this origin; `undefined` where the platform does not tell. */
export async function databaseNames(): Promise<readonly string[] | undefined> {
  const { databases } = indexedDB as Partial<IDBFactory>;
  return (await databases?.call(indexedDB))?.flatMap(({ name }) => name ?? []);
}
