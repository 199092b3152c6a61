/**
 * One change to one source file, for a run of tests that must fail with it. `COFFER_MUTANT` holds it as JSON; without that the plugin
 * does nothing. The list of changes is in `src/sim/security-mutants.ts`.
 */
import process from "node:process";
import { fromRoot } from "./paths.mjs";

/** @typedef {{ file: string, from: string, to: string }} SourceChange */

/**
 * Apply a change to a source; the text that it replaces stands there exactly once.
 *
 * @param {string} code
 * @param {SourceChange} change
 */
export function applyChange(code, { file, from, to }) {
  const places = code.split(from).length - 1;
  if (places !== 1) throw new Error(`${file}: what is to be changed stands there ${places} times: ${from}`);
  return code.replace(from, () => to);
}

/**
 * The plugin that changes the source that `COFFER_MUTANT` names.
 *
 * @returns {import("vite").Plugin[]}
 */
export function mutateSource() {
  const text = process.env.COFFER_MUTANT;
  if (text === undefined) return [];
  /** @type {SourceChange} */
  const change = JSON.parse(text);
  const path = fromRoot(...change.file.split("/"));
  return [
    {
      name: "coffer:mutate",
      enforce: "pre",
      transform(code, id) {
        return id.split("?")[0] === path ? { code: applyChange(code, change), map: null } : null;
      },
    },
  ];
}
