import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { loadAutomerge, type DocEngine } from "../doc/index.ts";
import { packAtOnce } from "./node-deflate.ts";

/** Automerge, from the wasm file of the installed package. Load it before a simulation begins: reading a file takes real time. */
export function loadEngine(): Promise<DocEngine> {
  packAtOnce();
  return loadAutomerge(() =>
    readFile(createRequire(import.meta.url).resolve("@automerge/automerge/automerge.wasm")),
  );
}
