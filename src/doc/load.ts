import { createWebVerifier } from "../crypto/index.ts";
import type { DocEngine } from "./doc.ts";
import { createDocEngine } from "./engine.ts";

let loading: Promise<DocEngine> | undefined;

/** Where `automerge.wasm` is: its URL, a request for it, or a function that gives its bytes. */
export type WasmSource = string | Request | (() => Promise<Uint8Array>);

/**
 * Load Automerge, once for each thread; later calls give the same engine. A load that failed is tried again by the next call.
 */
export function loadAutomerge(wasm: WasmSource): Promise<DocEngine> {
  loading ??= load(wasm).catch((cause: unknown) => {
    loading = undefined;
    throw cause;
  });
  return loading;
}

async function load(wasm: WasmSource): Promise<DocEngine> {
  const automerge = await import("@automerge/automerge/slim");
  await automerge.initializeWasm(typeof wasm === "function" ? await wasm() : wasm);
  const { sha256 } = createWebVerifier();
  return createDocEngine({
    empty: automerge.getBackend(automerge.init()),
    counter: (start) => new automerge.Counter(start),
    atomic: (text) => new automerge.ImmutableString(text),
    unbox: (value) => {
      if (automerge.isImmutableString(value)) return value.val;
      return automerge.isCounter(value) ? value.value : value;
    },
    sha256: (bytes) => sha256(bytes),
  });
}
