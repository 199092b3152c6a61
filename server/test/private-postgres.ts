/** A PostgreSQL server of a test's own, in a temporary folder, reached through a socket in it. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import pg from "pg";
import { findPostgres } from "../../build/postgres.mjs";

export interface PrivatePostgres {
  /** Make an empty database. @returns the address that it is opened at */
  createDatabase(): Promise<string>;
  stop(): Promise<void>;
}

/** Whether there is a PostgreSQL to start; without it the tests that need one are skipped, and counted as skipped. */
export const hasPostgres = findPostgres() !== undefined;

/** Only what hangs ends by time. */
export const startTimeoutMs = 180_000;

/** initdb refuses to run with all rights, so that somebody without any does it. */
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

/** Postgres ends when its standard input does, however this process ends. */
const untilInputEnds = 'program=$1; shift; "$program" "$@" <&- & read -r _; kill -INT $!; wait $!';

export async function startPostgres(): Promise<PrivatePostgres> {
  const folder = mkdtempSync(join(tmpdir(), "coffer-pg-"));
  const data = join(folder, "data");
  mkdirSync(data, { mode: 0o700 });
  for (const path of [folder, data]) if (nobody.uid !== undefined) chownSync(path, nobody.uid, nobody.gid);
  chmodSync(folder, 0o755);
  const bin = programsIn(folder);
  const options = ["--username=coffer", "--auth=trust", "--no-sync", "--encoding=UTF8", "--no-locale"];
  const made = spawnSync(join(bin, "initdb"), ["-D", data, ...options], {
    ...nobody,
    cwd: folder,
    encoding: "utf8",
  });
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
  const settings = ["listen_addresses=", "fsync=off", "max_connections=80", "shared_buffers=32MB"];
  const args = ["-D", data, "-k", folder, ...settings.flatMap((setting) => ["-c", setting])];
  const child = spawn("/bin/sh", ["-c", untilInputEnds, "sh", join(bin, "postgres"), ...args], {
    ...nobody,
    cwd: folder,
    stdio: ["pipe", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const urlOf = (name: string): string =>
    `postgres://coffer@localhost/${name}?host=${encodeURIComponent(folder)}`;
  await waitUntilReady(urlOf("postgres"), () => (child.exitCode === null ? undefined : log));
  let count = 0;
  return {
    async createDatabase() {
      const name = `coffer_${count++}`;
      const client = new pg.Client({ connectionString: urlOf("postgres") });
      await client.connect();
      await client.query(`CREATE DATABASE ${name}`);
      await client.end();
      return urlOf(name);
    },
    async stop() {
      child.stdin.end();
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The programs, copied to where somebody without rights may run them when they lie where he may not. */
function programsIn(folder: string): string {
  const found = findPostgres();
  if (found === undefined) throw new Error("there is no PostgreSQL here");
  const works = spawnSync(join(found, "initdb"), ["--version"], nobody).status === 0;
  if (works) return found;
  const copy = join(folder, "programs");
  cpSync(dirname(found), copy, { recursive: true });
  return join(copy, basename(found));
}

async function waitUntilReady(url: string, failure: () => string | undefined): Promise<void> {
  for (;;) {
    const log = failure();
    if (log !== undefined) throw new Error(`postgres ended: ${log}`);
    const client = new pg.Client({ connectionString: url });
    // A server that is starting breaks connections off.
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.end();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
