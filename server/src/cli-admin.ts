import { createWebCrypto } from "../../src/crypto/index.ts";
import { CofferError, createSystemEnv } from "../../src/std/index.ts";
import { backUp, restore } from "./backup.ts";
import type { BackendOptions } from "./backend.ts";
import type { AdminCommand } from "./cli-options.ts";
import { dataPaths } from "./data-directory.ts";
import { openPostgresSnapshot, openPostgresStorage } from "./postgres-storage.ts";
import { openSqliteSnapshot, openSqliteStorage, type SqliteStorageOptions } from "./sqlite-storage.ts";
import { listAllTenants, type RelayReader } from "./storage.ts";
import { verifyStore } from "./verify-store.ts";

/**
 * Do what is to be done with the data; what there is to say are lines of JSON.
 *
 * @returns the process's exit code: 0, or 3 when `verify` found damage
 * @throws `store/blocked` when a server runs and the command writes, `input/unknown-id` when there is no such tenant
 */
export async function runAdminCommand(command: AdminCommand, write: (line: string) => void): Promise<number> {
  const env = createSystemEnv();
  const crypto = createWebCrypto(env);
  const options = { crypto, env };
  const say = (value: unknown): void => write(JSON.stringify(value));
  switch (command.name) {
    case "list-tenants":
      await reading(command, options, (storage) => listTenants(storage, say));
      return 0;
    case "remove-tenant":
      await removeTenant(command, options);
      say({ removed: command.tenantId });
      return 0;
    case "backup":
      backUp(command.dataFolder, command.to);
      say({ backup: command.to });
      return 0;
    case "restore":
      await restore(command.from, command.dataFolder, options);
      say({ restored: command.dataFolder });
      return 0;
    case "verify": {
      const report = await reading(command, options, (storage) => verifyStore(crypto, storage));
      const { damages, ...counts } = report;
      for (const damage of damages) say({ damage });
      say({ ...counts, isWhole: damages.length === 0 });
      return damages.length === 0 ? 0 : 3;
    }
  }
}

async function reading<Result>(
  { dataFolder, postgresUrl }: BackendOptions,
  options: SqliteStorageOptions,
  read: (storage: RelayReader) => Promise<Result>,
): Promise<Result> {
  const storage =
    postgresUrl === undefined
      ? openSqliteSnapshot(dataPaths(dataFolder).databasePath, options)
      : await openPostgresSnapshot(postgresUrl);
  try {
    return await read(storage);
  } finally {
    await storage.close();
  }
}

async function listTenants(storage: RelayReader, say: (value: unknown) => void): Promise<void> {
  for await (const tenant of listAllTenants(storage)) {
    const { logCount, commitCount, sizeBytes } = await storage.tenantUsage(tenant);
    say({ tenant, databases: logCount, commits: commitCount, bytes: sizeBytes });
  }
}

async function removeTenant(
  command: Extract<AdminCommand, { name: "remove-tenant" }>,
  options: SqliteStorageOptions,
): Promise<void> {
  const { dataFolder, postgresUrl } = command;
  // Opening for writing makes what is missing; a wrong place should stay as it is.
  await reading(command, options, async () => undefined);
  const storage =
    postgresUrl === undefined
      ? openSqliteStorage(dataPaths(dataFolder).databasePath, options)
      : await openPostgresStorage(postgresUrl, options);
  try {
    if (await storage.removeTenant(command.tenantId)) return;
    throw new CofferError("input/unknown-id", { message: "There is no such tenant." });
  } finally {
    await storage.close();
  }
}
