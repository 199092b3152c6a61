/** Automerge for tests in Node: the loaded engine, and Automerge itself as the oracle. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { DocEngine } from "./doc.ts";
import { loadAutomerge } from "./load.ts";

/** The engine, from the wasm file of the installed package. */
export function loadEngine(): Promise<DocEngine> {
  return loadAutomerge(() =>
    readFile(createRequire(import.meta.url).resolve("@automerge/automerge/automerge.wasm")),
  );
}
