/**
 * A document with what judging later changes needs, for this device alone.
 *
 * | field | bytes |
 * |---|---|
 * | version | 01 |
 * | checksum | the first 8 bytes of the SHA-256 of the rest |
 * | actors | count, then (length, bytes, last seq) each |
 * | depths | count, then (index of the actor, counter, depth) of each object that is deeper than a field of the document |
 * | document | Automerge's save, its columns not deflated: that opens soonest |
 *
 * Numbers are uleb128. Which changes there are is asked of Automerge when it is needed: listing their hashes takes longer than the rest.
 */
import {
  assert,
  bytesToHex,
  ByteReader,
  ByteWriter,
  concatBytes,
  equalBytes,
  parseHex,
} from "../std/index.ts";
import type { Hashes, History } from "./history.ts";
import { freeHandle, type Handle, type Library } from "./library.ts";
import type { State } from "./state.ts";

const version = 1;
const checksumBytes = 8;
const maxActorBytes = 64;

/** Write a document whole. */
export function encodeSaved({ library, handle, history }: State): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter();
  const indexes = new Map<string, number>();
  writer.varint(history.lastSeqs.size);
  for (const [actor, seq] of history.lastSeqs) {
    indexes.set(actor, indexes.size);
    writer.sized(hexToBytes(actor)).varint(seq);
  }
  writer.varint(history.depths.size);
  for (const [id, depth] of history.depths) {
    const [counter = "", actor = ""] = id.split("@");
    writer
      .varint(indexes.get(actor) ?? 0)
      .varint(Number(counter))
      .varint(depth);
  }
  const content = concatBytes(writer.toBytes(), handle.saveNoCompress());
  return concatBytes(Uint8Array.of(version), checksumOf(library, content), content);
}

/** Automerge's save, its columns not deflated. */
export function encodeSnapshot({ handle }: State): Uint8Array<ArrayBuffer> {
  return new Uint8Array(handle.saveNoCompress());
}

/** A handle, to be freed by the caller, and what it has. */
export interface Saved {
  readonly handle: Handle;
  readonly history: Omit<History, "hashes">;
}

/** Read what {@link encodeSaved} wrote; `undefined` when it is damaged or of another version. */
export function decodeSaved(library: Library, bytes: Uint8Array): Saved | undefined {
  const content = bytes.subarray(1 + checksumBytes);
  if (bytes[0] !== version || bytes.length <= 1 + checksumBytes) return undefined;
  if (!equalBytes(bytes.subarray(1, 1 + checksumBytes), checksumOf(library, content))) return undefined;
  const reader = new ByteReader(content);
  const actors: string[] = [];
  const lastSeqs = new Map<string, number>();
  for (let left = reader.varint(); left > 0 && reader.error === undefined; left--) {
    const actor = bytesToHex(reader.sized(maxActorBytes));
    actors.push(actor);
    lastSeqs.set(actor, reader.varint());
  }
  const depths = new Map<string, number>();
  for (let left = reader.varint(); left > 0 && reader.error === undefined; left--) {
    const actor = actors[reader.varint()];
    depths.set(`${reader.varint()}@${actor}`, reader.varint());
  }
  if (reader.error !== undefined) return undefined;
  const handle = loadHandle(library, content.subarray(reader.offset));
  return handle && { handle, history: { lastSeqs, depths } };
}

/** A handle from Automerge's save; `undefined` when Automerge does not read it. */
export function loadHandle(library: Library, bytes: Uint8Array): Handle | undefined {
  const handle = library.empty.clone();
  try {
    handle.loadIncremental(bytes);
    handle.updateDiffCursor();
    return handle;
  } catch {
    freeHandle(handle);
    return undefined;
  }
}

const hashForm = /^[0-9a-f]{64}$/;

/** The changes of a loaded handle: those that it was loaded with are looked up one by one. */
export function createLoadedHashes(hasChange: (hash: string) => boolean): Hashes {
  const known = new Set<string>();
  return {
    has(hash) {
      if (known.has(hash)) return true;
      if (!hashForm.test(hash) || !hasChange(hash)) return false;
      known.add(hash);
      return true;
    },
    add: (hash) => void known.add(hash),
  };
}

function checksumOf(library: Library, content: Uint8Array): Uint8Array {
  return library.sha256(content).subarray(0, checksumBytes);
}

function hexToBytes(hex: string): Uint8Array {
  const bytes = parseHex(hex);
  assert(bytes !== undefined, "doc: actors are hexadecimal");
  return bytes;
}
