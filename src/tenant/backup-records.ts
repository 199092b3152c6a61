/** The records inside a backup file, see the tables in backup-codec.ts: written, and read from chunks cut anywhere. */
import {
  bytesToId,
  ByteReader,
  ByteWriter,
  bytesToUtf8,
  concatBytes,
  copyBytes,
  idToBytes,
  type AuthorKey,
  type CommitHash,
} from "../std/index.ts";
import { entryLimits } from "../entry/index.ts";
import { chunkLimits, linkSlots } from "../sync/index.ts";
import { slotNames } from "./slots.ts";

const kinds = { tenant: 1, vault: 2, slot: 3, commit: 4, end: 5, part: 6, chunk: 7, chunks: 8 } as const;
const partBytes = 35;
const namedFlag = 1;
const maxGenesisBytes = 4096;
const maxVaultBytes = 4096;
const maxSlotNameBytes = 2100;
/** A sealed record of the vault has at most 1 MiB inside. */
const maxSlotBytes = 1024 * 1024 + 4096;

/** One record of a backup. */
export type BackupRecord =
  | {
      readonly kind: "tenant";
      readonly userKey: AuthorKey;
      readonly adminKey: AuthorKey | undefined;
      readonly createdAtMs: number;
      readonly genesis: Uint8Array<ArrayBuffer>;
    }
  | { readonly kind: "vault"; readonly key: AuthorKey; readonly vault: Uint8Array<ArrayBuffer> }
  | { readonly kind: "slot"; readonly name: string; readonly value: Uint8Array<ArrayBuffer> }
  | { readonly kind: "commit"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "end"; readonly commitCount: number; readonly commitsHash: Uint8Array<ArrayBuffer> }
  | {
      readonly kind: "part";
      readonly commitHash: CommitHash;
      readonly isNamed: boolean;
      readonly which: number;
    }
  | { readonly kind: "chunk"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "chunks"; readonly chunkCount: number };

/** What is sealed under the vault or needed to find the servers again; nothing that is derived, or this device's alone. */
const backedUpSlots: readonly string[] = [
  slotNames.bag,
  slotNames.names,
  slotNames.joined,
  slotNames.purged,
  linkSlots.links,
  linkSlots.documentsOnly,
];
const serverKeySlot = /^remote\/[^\0]{1,2048}\/server$/u;

/** Whether a slot of a tenant's store belongs into a backup: keys, names, servers with their keys as they were first seen. */
export function isBackedUpSlot(name: string): boolean {
  return backedUpSlots.includes(name) || serverKeySlot.test(name);
}

/** Write one record. */
export function encodeBackupRecord(record: BackupRecord): Uint8Array<ArrayBuffer> {
  const body = encodeBody(record);
  return concatBytes(new ByteWriter(8).u8(kinds[record.kind]).varint(body.length).toBytes(), body);
}

function encodeBody(record: BackupRecord): Uint8Array {
  switch (record.kind) {
    case "tenant": {
      const writer = new ByteWriter().fixed(idToBytes(record.userKey), 32);
      writer.u8(record.adminKey === undefined ? 0 : 1);
      if (record.adminKey !== undefined) writer.fixed(idToBytes(record.adminKey), 32);
      return writer.u64(record.createdAtMs).sized(record.genesis).toBytes();
    }
    case "vault":
      return concatBytes(idToBytes(record.key), record.vault);
    case "slot":
      return concatBytes(new ByteWriter().text(record.name).toBytes(), record.value);
    case "commit":
      return record.bytes;
    case "end":
      return new ByteWriter(40).u64(record.commitCount).fixed(record.commitsHash, 32).toBytes();
    case "part":
      return new ByteWriter(partBytes)
        .fixed(idToBytes(record.commitHash), 32)
        .u8(record.isNamed ? namedFlag : 0)
        .u16(record.which)
        .toBytes();
    case "chunk":
      return record.bytes;
    case "chunks":
      return new ByteWriter(8).u64(record.chunkCount).toBytes();
  }
}

const bodyLimits: Readonly<Record<number, number>> = {
  [kinds.tenant]: maxGenesisBytes + 128,
  [kinds.vault]: maxVaultBytes + 32,
  [kinds.slot]: maxSlotBytes + maxSlotNameBytes,
  [kinds.commit]: entryLimits.commitBytes,
  [kinds.end]: 40,
  [kinds.part]: partBytes,
  [kinds.chunk]: chunkLimits.ciphertextBytes,
  [kinds.chunks]: 8,
};

/** Reads records from content that comes in pieces. It holds at most one record and one piece. */
export class BackupRecordReader {
  #rest: Uint8Array = new Uint8Array(0);

  /** Bytes that are no whole record yet. */
  get restBytes(): number {
    return this.#rest.length;
  }

  /** The records that are whole now; the last is `"malformed"` when what follows is none, and nothing more is to be pushed then. */
  *push(piece: Uint8Array): Generator<BackupRecord | "malformed", void> {
    this.#rest = this.#rest.length === 0 ? piece : concatBytes(this.#rest, piece);
    for (;;) {
      const reader = new ByteReader(this.#rest);
      const kind = reader.u8();
      const limit = bodyLimits[kind] ?? 0;
      if (this.#rest.length > 0 && limit === 0) return void (yield "malformed");
      const sizeBytes = reader.varint();
      if (reader.error === "truncated") break;
      if (reader.error !== undefined || sizeBytes > limit) return void (yield "malformed");
      if (reader.remaining < sizeBytes) break;
      const record = readBody(kind, reader.fixed(sizeBytes));
      this.#rest = this.#rest.subarray(reader.offset);
      yield record ?? "malformed";
      if (record === undefined) return;
    }
    // What was read of the piece is not kept alive by what is left of it.
    this.#rest = copyBytes(this.#rest);
  }
}

function readBody(kind: number, body: Uint8Array): BackupRecord | undefined {
  const reader = new ByteReader(body);
  switch (kind) {
    case kinds.tenant:
      return readTenant(reader);
    case kinds.vault: {
      const key = reader.fixed(32);
      const vault = copyBytes(reader.fixed(reader.remaining));
      if (!reader.finish() || vault.length === 0) return undefined;
      return { kind: "vault", key: bytesToId("AuthorKey", key), vault };
    }
    case kinds.slot: {
      const name = bytesToUtf8(reader.sized(maxSlotNameBytes)) ?? "";
      const value = copyBytes(reader.fixed(reader.remaining));
      const isGood = reader.finish() && isBackedUpSlot(name) && value.length <= maxSlotBytes;
      return isGood ? { kind: "slot", name, value } : undefined;
    }
    case kinds.commit:
      return body.length === 0 ? undefined : { kind: "commit", bytes: copyBytes(body) };
    case kinds.end: {
      const commitCount = reader.u64();
      const commitsHash = copyBytes(reader.fixed(32));
      return reader.finish() ? { kind: "end", commitCount, commitsHash } : undefined;
    }
    case kinds.part: {
      const commitHash = reader.fixed(32);
      const flags = reader.u8();
      const which = reader.u16();
      if (!reader.finish() || flags > namedFlag || which === 0) return undefined;
      const isNamed = flags === namedFlag;
      return { kind: "part", commitHash: bytesToId("CommitHash", commitHash), isNamed, which };
    }
    case kinds.chunk:
      return body.length === 0 ? undefined : { kind: "chunk", bytes: copyBytes(body) };
    case kinds.chunks: {
      const chunkCount = reader.u64();
      return reader.finish() ? { kind: "chunks", chunkCount } : undefined;
    }
    default:
      return undefined;
  }
}

function readTenant(reader: ByteReader): BackupRecord | undefined {
  const userKey = reader.fixed(32);
  const hasAdmin = reader.u8();
  if (hasAdmin > 1) reader.fail("flag");
  const adminKey = hasAdmin === 1 ? reader.fixed(32) : undefined;
  const createdAtMs = reader.u64();
  const genesis = copyBytes(reader.sized(maxGenesisBytes));
  if (!reader.finish()) return undefined;
  return {
    kind: "tenant",
    userKey: bytesToId("AuthorKey", userKey),
    adminKey: adminKey === undefined ? undefined : bytesToId("AuthorKey", adminKey),
    createdAtMs,
    genesis,
  };
}
