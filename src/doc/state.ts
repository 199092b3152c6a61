/**
 * What an open document is: one wasm handle, exchanged whole.
 *
 * Every step runs on a clone (copy on write, about 0.1 ms whatever the size) that takes the handle's place only when all of it
 * went well. A change that Automerge stumbles over breaks the handle it was applied to for good, and later honest changes with it;
 * so no handle that has thrown is ever used again.
 */
import type { DocValue } from "../draft/index.ts";
import { assert, CofferError } from "../std/index.ts";
import type { DocChange } from "./doc.ts";
import { headsAfter, judgeDepth, sameHeads, type History } from "./history.ts";
import { freeHandle, type Handle, type Library } from "./library.ts";
import { convertPatches, type RawPatch } from "./patches.ts";
import { readPlain } from "./plain.ts";

/** A document as {@link OpenDoc.value} shows it. */
export type PlainDoc = { readonly [key: string]: DocValue };

/** An open document. */
export interface State {
  readonly library: Library;
  handle: Handle;
  heads: readonly string[];
  value: PlainDoc;
  readonly history: History;
  isOpen: boolean;
}

/** Put a handle that has `changes` more in the place of the one before. Its heads must be what they say. @throws RangeError */
export function take(state: State, trial: Handle, changes: readonly DocChange[]): void {
  const heads = headsAfter(state.heads, changes);
  if (!sameHeads(trial.getHeads(), heads)) throw new RangeError("doc: a document's heads are its changes'");
  const value = renewValue(state, trial);
  freeHandle(state.handle);
  state.handle = trial;
  state.heads = heads;
  state.value = value;
  for (const { hash, actor, seq } of changes) {
    state.history.hashes.add(hash);
    state.history.lastSeqs.set(actor, seq);
  }
  for (const change of changes) judgeDepth(state.history.depths, state.history.depths, change);
}

/** Carry out what the handle tells of its new changes; where that does not fit, read all of it. */
function renewValue({ library, value }: State, trial: Handle): PlainDoc {
  const raw = newPatches(trial);
  const converted = raw === undefined ? undefined : convertPatches(library, value, raw, trial);
  return converted?.value ?? readPlain(trial, value);
}

function newPatches(handle: Handle): readonly RawPatch[] | undefined {
  try {
    return handle.diffIncremental();
  } catch {
    return undefined;
  }
}

/** Look into a document on a clone, which is freed: Automerge stumbles over some versions, and no handle that has thrown is used on. */
export function onScratch<T>(state: State, look: (handle: Handle) => T): T {
  const scratch = state.handle.clone();
  try {
    return look(scratch);
  } finally {
    freeHandle(scratch);
  }
}

/** @throws `input/invalid` for heads that are not here */
export function requireHeads(state: State, heads: readonly string[]): void {
  if (heads.every((head) => state.history.hashes.has(head))) return;
  throw new CofferError("input/invalid", { message: "This version is not in the document." });
}

/** A document that is not closed. */
export function requireOpen(state: State): State {
  assert(state.isOpen, "doc: a closed document is not used");
  return state;
}
