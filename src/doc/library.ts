/** Automerge's parts that this room uses, gathered once it is loaded. */
import type { ReplayTarget } from "../draft/index.ts";
import type * as Automerge from "@automerge/automerge/slim";

/** A document in wasm memory. */
export type Handle = ReturnType<typeof Automerge.getBackend>;

export interface Library {
  /** An empty document; clones share its memory until one of them is written to, so that a clone costs microseconds. */
  readonly empty: Handle;
  readonly counter: ReplayTarget["counter"];
  readonly atomic: ReplayTarget["atomic"];
  /** What a box of the two above holds; any other value as it is. */
  unbox(value: unknown): unknown;
  sha256(bytes: Uint8Array): Uint8Array;
}

/** Free a handle; one that a hostile change has broken may refuse, and is left to the collector. */
export function freeHandle(handle: Handle): void {
  try {
    handle.free();
  } catch {
    // nothing of ours refers to it any more
  }
}

/** Automerge keeps whole seconds. */
export function toSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000);
}

/** The target of a replay: an open handle with the boxes of counters and atomic strings. */
export function replayTarget(library: Library, doc: Handle): ReplayTarget {
  return { doc, counter: library.counter, atomic: library.atomic };
}
