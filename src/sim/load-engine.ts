import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { loadAutomerge, type DocEngine } from "../doc/index.ts";

/** Automerge, from the wasm file of the installed package. Load it before a simulation begins: reading a file takes real time. */
export function loadEngine(): Promise<DocEngine> {
  return loadAutomerge(() =>
    readFile(createRequire(import.meta.url).resolve("@automerge/automerge/automerge.wasm")),
  );
}
