import type { Crypto, SigningKeyPair } from "../../src/crypto/index.ts";
import type { Env } from "../../src/std/index.ts";
import { openServerKey, prepareDataDirectory, prepareKeyDirectory } from "./data-directory.ts";
import { createFanOut, type Followed } from "./fan-out.ts";
import type { RelayCluster } from "./handler.ts";
import type { Logger } from "./logger.ts";
import { openPostgresStorage } from "./postgres-storage.ts";
import { openSqliteStorage } from "./sqlite-storage.ts";
import type { RelayStorage } from "./storage.ts";

export interface BackendOptions {
  /** where the server's key is, and the logs unless they are in PostgreSQL */
  readonly dataFolder: string;
  /** the address of a PostgreSQL database that any number of nodes share */
  readonly postgresUrl?: string | undefined;
}

/** What a node stands on: where commits are kept, and who the other nodes are. */
export interface Backend {
  readonly storage: RelayStorage;
  readonly signing: SigningKeyPair;
  /** 32 bytes that all nodes have, see {@link openServerKey} */
  readonly pushSecret: Uint8Array;
  /** `undefined` for a server that is alone */
  readonly cluster: RelayCluster | undefined;
  start(relay: Followed): void;
  close(): Promise<void>;
}

interface World {
  readonly crypto: Crypto;
  readonly env: Env;
  readonly logger: Logger;
}

/**
 * Open SQLite in the data directory, or PostgreSQL.
 *
 * @throws `store/blocked` when another process holds the directory, or the database is another key's; `store/failed`
 */
export async function openBackend(options: BackendOptions, world: World): Promise<Backend> {
  const { postgresUrl } = options;
  return postgresUrl === undefined ? openAlone(options, world) : openNode(options, postgresUrl, world);
}

async function openAlone({ dataFolder }: BackendOptions, { crypto, env }: World): Promise<Backend> {
  const { databasePath, keyPath } = prepareDataDirectory(dataFolder);
  const { signing, pushSecret } = await openServerKey(crypto, keyPath);
  const storage = openSqliteStorage(databasePath, { crypto, env });
  return {
    storage,
    signing,
    pushSecret,
    cluster: undefined,
    start: () => undefined,
    close: () => storage.close(),
  };
}

async function openNode(
  { dataFolder }: BackendOptions,
  postgresUrl: string,
  { crypto, env, logger }: World,
): Promise<Backend> {
  const keyPath = prepareKeyDirectory(dataFolder);
  const { signing, clusterKey, pushSecret } = await openServerKey(crypto, keyPath);
  const storage = await openPostgresStorage(postgresUrl, { env });
  try {
    await storage.claimServerKey(signing.publicKey);
  } catch (cause) {
    await storage.close();
    throw cause;
  }
  const fanOut = createFanOut({ storage, env, crypto, logger });
  return {
    storage,
    signing,
    pushSecret,
    cluster: {
      key: clusterKey,
      burn: (nonce, expiresAtMs) => storage.burn(nonce, expiresAtMs),
      announce: (tenantId, dbId, filled) => fanOut.announce(tenantId, dbId, filled),
      chunkStored: (tenantId, dbId, seq) => fanOut.chunkStored(tenantId, dbId, seq),
      whisper: (tenantId, whisper) => fanOut.whisper(tenantId, whisper),
    },
    start: (relay) => fanOut.start(relay),
    async close() {
      await fanOut.close();
      await storage.close();
    },
  };
}
