/**
 * The server's data directory.
 *
 * | file | what |
 * |---|---|
 * | `relay.db`, `relay.db-wal` | the logs, sealed, and the keys of access-control records; readable by the owner only |
 * | `relay.db-lock` | empty: the process that writes holds a lock on it; readers do not |
 * | `server-key` | 32 bytes, the Ed25519 seed that signs tree heads; readable by the owner only |
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Crypto, SigningKeyPair } from "../../src/crypto/index.ts";
import { CofferError, utf8ToBytes } from "../../src/std/index.ts";
import { lockPathOf } from "./sqlite-schema.ts";

const seedBytes = 32;
const clusterDomain = utf8ToBytes("coffer/cluster/v1\0");
const pushDomain = utf8ToBytes("coffer/push/v1\0");

/** What follows from a server's key file. */
export interface ServerKeys {
  /** signs tree heads */
  readonly signing: SigningKeyPair;
  /** 32 bytes that all nodes with this file have: HMAC-SHA-256 of `coffer/cluster/v1\0` under the seed */
  readonly clusterKey: Uint8Array;
  /** 32 bytes likewise, of `coffer/push/v1\0`: what the key for push services follows from */
  readonly pushSecret: Uint8Array;
}

/** Where the things of a data directory are. */
export interface DataPaths {
  readonly databasePath: string;
  readonly keyPath: string;
}

/** Name the files of a data directory, whether they are there or not. */
export function dataPaths(folder: string): DataPaths {
  return { databasePath: join(folder, "relay.db"), keyPath: join(folder, "server-key") };
}

/** Make the directory and the database's file, readable by the owner only, where they are missing. */
export function prepareDataDirectory(folder: string): DataPaths {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const paths = dataPaths(folder);
  // SQLite gives the files beside it the same mode.
  for (const path of [paths.databasePath, lockPathOf(paths.databasePath)])
    closeSync(openSync(path, "a", 0o600));
  return paths;
}

/** Make the directory of a node that keeps only the server's key there. @returns where the key is */
export function prepareKeyDirectory(folder: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return dataPaths(folder).keyPath;
}

/**
 * Read the server's signing key, or make it at the first start. A crash leaves a whole key or none.
 *
 * @throws `entry/corrupt` when the file is not a key: it is never replaced, since clients remember the old one
 */
export async function openServerKey(
  crypto: Pick<Crypto, "importSigningPair" | "randomBytes" | "hmacSha256">,
  path: string,
): Promise<ServerKeys> {
  if (!existsSync(path)) writeNewFile(path, crypto.randomBytes(seedBytes), crypto.randomBytes(4));
  const seed = readFileSync(path);
  const pair = seed.length === seedBytes ? await crypto.importSigningPair(new Uint8Array(seed)) : undefined;
  const clusterKey = crypto.hmacSha256(new Uint8Array(seed), clusterDomain);
  const pushSecret = crypto.hmacSha256(new Uint8Array(seed), pushDomain);
  seed.fill(0);
  if (pair === undefined) throw new CofferError("entry/corrupt", { message: `${path} is not a server key.` });
  return { signing: pair, clusterKey, pushSecret };
}

function writeNewFile(path: string, bytes: Uint8Array, suffix: Uint8Array): void {
  const draft = `${path}.${Buffer.from(suffix).toString("hex")}`;
  const file = openSync(draft, "wx", 0o600);
  try {
    writeSync(file, bytes);
    fsyncSync(file);
  } finally {
    closeSync(file);
    bytes.fill(0);
  }
  try {
    // A link fails where a rename would replace another process's key.
    linkSync(draft, path);
  } catch (cause) {
    if (!existsSync(path)) throw cause;
  } finally {
    rmSync(draft);
  }
}
