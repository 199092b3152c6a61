import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The root folder of the repository, without a trailing slash. */
export const rootPath = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Resolve a path inside the repository.
 *
 * @param {string[]} parts
 */
export const fromRoot = (...parts) => join(rootPath, ...parts);

/**
 * The first of some paths inside the repository that exists.
 *
 * @param {string[]} candidates
 */
export function firstExisting(...candidates) {
  return candidates.map((path) => fromRoot(path)).find((path) => existsSync(path));
}
