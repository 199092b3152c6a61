/**
 * Copies of a data directory, made while a server writes it, and what becomes of one when it is put back.
 *
 * | file in the copy | what |
 * |---|---|
 * | `relay.db` | one moment of the logs, whole and compact |
 * | `server-key` | as in the data directory; as secret as there |
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { CofferError, type Env } from "../../src/std/index.ts";
import { dataPaths } from "./data-directory.ts";
import { copyDatabase } from "./sqlite-schema.ts";
import { openSqliteStorage, type SqliteStorageOptions } from "./sqlite-storage.ts";

/**
 * Copy a data directory into a new folder, beside a server that writes it. A copy that broke off has another name.
 *
 * @throws `input/used` when there is something at the target; `store/failed` when there is nothing to copy
 */
export function backUp(folder: string, target: string): void {
  if (existsSync(target)) throw new CofferError("input/used", { message: `${target} is there already.` });
  const from = dataPaths(folder);
  if (!existsSync(from.databasePath))
    throw new CofferError("store/failed", { message: `${folder} holds no server's data.` });
  const draft = `${target}.unfinished`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  const to = dataPaths(draft);
  copyDatabase(from.databasePath, to.databasePath);
  if (existsSync(from.keyPath)) copyFileSync(from.keyPath, to.keyPath);
  for (const path of [to.databasePath, to.keyPath]) if (existsSync(path)) flush(path);
  renameSync(draft, target);
}

/** A copy is one when it is on disk. */
function flush(path: string): void {
  const file = openSync(path, "r+");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Put a copy back into an empty data directory: every log begins a new epoch, so that devices compare what they were
 * acknowledged and push again what the copy lacks. A server key that is there already stays.
 *
 * @throws `input/used` when the directory holds logs; `store/failed` when the source is no copy
 */
export async function restore(
  source: string,
  folder: string,
  options: SqliteStorageOptions & { readonly env: Pick<Env, "nowMs"> },
): Promise<void> {
  const [from, to] = [dataPaths(source), dataPaths(folder)];
  if (existsSync(to.databasePath))
    throw new CofferError("input/used", { message: `${folder} holds a server's data already.` });
  if (!existsSync(from.databasePath))
    throw new CofferError("store/failed", { message: `${source} is no backup.` });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Until it has new epochs it must not be taken for the server's data.
  const draft = join(folder, "relay.db.unfinished");
  rmSync(draft, { force: true });
  copyFileSync(from.databasePath, draft);
  const storage = openSqliteStorage(draft, options);
  await storage.startNewEpochs();
  await storage.close();
  flush(draft);
  rmSync(`${draft}-lock`, { force: true });
  if (!existsSync(to.keyPath) && existsSync(from.keyPath)) copyFileSync(from.keyPath, to.keyPath);
  renameSync(draft, to.databasePath);
}
