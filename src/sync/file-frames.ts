/**
 * Frames with the contents of files: between peers, see peer-files.ts, and in bundles, see bundle.ts. They stand among the frames of
 * frames.ts; whoever does not know them skips them.
 *
 * | type | name | body |
 * |---|---|---|
 * | 16 | files | nothing: whoever says it holds contents of files, and can be asked for them |
 * | 17 | want | dbId(16), commitHash(32), u16 which: a bit for each chunk of that commit, from one to four |
 * | 18 | chunk | dbId(16), commitHash(32), u8 index, 0…15, ciphertext: all of the rest, at most 307,200; nothing: it is not to be had here |
 * | 20 | held | varint count, 1…1,000, count × (dbId(16), commitHash(32)): commits of whose chunks some are here, in the order in which they are worth asking for |
 *
 * A chunk is the ciphertext of one entry of a commit, see entry/codec.ts. Its SHA-256 and its size stand in the commit, which the
 * author signed.
 */
import { ByteReader, ByteWriter, bytesToId, idToBytes, type CommitHash, type DbId } from "../std/index.ts";
import { bodyReader } from "./frames.ts";
import type { Frame } from "./messages.ts";
import { chunkLimits } from "./stored-part.ts";

const types = { files: 16, want: 17, chunk: 18, held: 20 } as const;

/** So many chunks are asked for at once: about a megabyte. */
export const wantedChunks = 4;
/** So many commits are told of at once. */
export const heldParts = 1000;

/** What names a part of a file to another device. */
export interface NamedPart {
  readonly dbId: DbId;
  readonly commitHash: CommitHash;
}

/** A frame of the table above. */
export type FileFrame =
  | { readonly type: "files" }
  | { readonly type: "held"; readonly parts: readonly NamedPart[] }
  | ({
      readonly type: "want";
      /** ascending, each once */
      readonly indexes: readonly number[];
    } & NamedPart)
  | ChunkFrame;

/** A chunk on its way, or word that it is not to be had. */
export interface ChunkFrame extends NamedPart {
  readonly type: "chunk";
  readonly index: number;
  readonly ciphertext: Uint8Array<ArrayBuffer> | undefined;
}

/** Write a frame. */
export function encodeFileFrame(frame: FileFrame): Uint8Array<ArrayBuffer> {
  const body = new ByteWriter();
  const named = frame.type === "held" ? frame.parts : frame.type === "files" ? [] : [frame];
  if (frame.type === "held") body.varint(named.length);
  for (const { commitHash, dbId } of named) body.fixed(idToBytes(dbId), 16).fixed(idToBytes(commitHash), 32);
  if (frame.type === "want") body.u16(frame.indexes.reduce((bits, index) => bits | (1 << index), 0));
  if (frame.type === "chunk") body.u8(frame.index).fixed(frame.ciphertext ?? new Uint8Array(0));
  return new ByteWriter(body.length + 5).u8(types[frame.type]).sized(body.toBytes()).toBytes();
}

/** How bodies of these frames and of those of frames.ts are read: for a reader of both. */
export function fileBodyReader(type: number): ((body: Uint8Array) => Frame | FileFrame | string) | undefined {
  if (!Object.values<number>(types).includes(type)) return bodyReader(type);
  return (body) => {
    const reader = new ByteReader(body);
    const frame = type === types.files ? ({ type: "files" } as const) : readBody(type, reader);
    return reader.finish() ? frame : (reader.error ?? "malformed");
  };
}

function readNamed(reader: ByteReader): NamedPart {
  const [db, commit] = [reader.fixed(16), reader.fixed(32)];
  // Ids are made also from bytes that are not there, so that reading goes on to its verdict.
  const isThere = reader.error === undefined;
  return {
    dbId: bytesToId("DbId", isThere ? db : new Uint8Array(16)),
    commitHash: bytesToId("CommitHash", isThere ? commit : new Uint8Array(32)),
  };
}

function readBody(type: number, reader: ByteReader): FileFrame {
  if (type === types.held) {
    const count = reader.varint(heldParts);
    if (count === 0) reader.fail("empty");
    const parts: NamedPart[] = [];
    while (parts.length < count && reader.error === undefined) parts.push(readNamed(reader));
    return { type: "held", parts };
  }
  const place = readNamed(reader);
  if (type === types.want) {
    const which = reader.u16();
    const indexes = Array.from({ length: chunkLimits.perPart }, (_, index) => index).filter(
      (index) => (which & (1 << index)) !== 0,
    );
    if (indexes.length < 1 || indexes.length > wantedChunks) reader.fail("count");
    return { type: "want", ...place, indexes };
  }
  const index = reader.u8();
  const bytes = reader.fixed(reader.remaining);
  if (index >= chunkLimits.perPart) reader.fail("index");
  if (bytes.length > chunkLimits.ciphertextBytes) reader.fail("chunk");
  const ciphertext = bytes.length === 0 ? undefined : new Uint8Array(bytes);
  return { type: "chunk", ...place, index, ciphertext };
}
