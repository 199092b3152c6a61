/** Storage whose databases Dexie makes, upgrades and deletes. It is loaded for that and for nothing else: see `idb-open.ts`. */
import type { Dexie } from "dexie";
import type { Env } from "../std/index.ts";
import { tables } from "./idb-log.ts";
import type { DatabaseMaker, Opened } from "./idb-open.ts";
import { createIdbStorage } from "./idb-store.ts";
import type { Storage } from "./store.ts";

/** Keep stores as IndexedDB databases `coffer/<name>` of this origin; nothing is opened yet. */
export function createDexieStorage(env: Env): Storage {
  return createIdbStorage(env, byDexie);
}

const byDexie: DatabaseMaker = {
  make: openByDexie,
  remove: async (name, onBlocked) => (await createDexie(name, onBlocked)).delete(),
  // Dexie keeps a list of those that it made.
  names: async () => (await import("dexie")).Dexie.getDatabaseNames(),
};

async function openByDexie(name: string, lost: () => void): Promise<Opened> {
  const database = await createDexie(name);
  const close = (): void => database.close();
  database.version(1).stores(tables);
  database.on("close", lost);
  // Another tab wants to upgrade or delete: give way at once. `false` keeps Dexie from a warning on the console.
  database.on("versionchange", () => {
    close();
    return false;
  });
  try {
    await database.open();
  } catch (cause) {
    close();
    throw cause;
  }
  return { database: database.backendDB(), close };
}

async function createDexie(name: string, onBlocked: () => void = () => undefined): Promise<Dexie> {
  const { Dexie: Database } = await import("dexie");
  const database = new Database(name, { autoOpen: false, addons: [] });
  database.on("blocked", () => {
    onBlocked();
    return false;
  });
  return database;
}
