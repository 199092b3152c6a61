/** Makes, upgrades and deletes databases with Dexie, which is loaded for that and for nothing else: see `idb-open.ts`. */
import type { Dexie } from "dexie";
import { tables } from "./idb-log.ts";
import type { Opened } from "./idb-open.ts";

/** Make a database, or bring it to this version. */
export async function openByDexie(name: string, lost: () => void): Promise<Opened> {
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

/** Delete a database, if it is there; how long that may take is for the caller to say, who is told when somebody else has it open. */
export async function deleteByDexie(name: string, onBlocked: () => void): Promise<void> {
  await (await createDexie(name, onBlocked)).delete();
}

/** The names of databases where the platform does not tell them: Dexie keeps a list of those that it made. */
export async function namesByDexie(): Promise<readonly string[]> {
  return (await import("dexie")).Dexie.getDatabaseNames();
}
