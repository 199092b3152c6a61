/**
 * The bytes of attachments, as a backup brings them: each part is held against its commit, which is in the log by now, before any of it is
 * kept. So a file that somebody made up adds nothing that no commit names. It holds one part at a time.
 */
import { equalBytes, type CommitHash } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import { parseCommit } from "../entry/index.ts";
import { keepRestored, partOf, type ChunkStore, type StoredPart } from "../sync/index.ts";
import { corruptBackup } from "./backup-reader.ts";
import type { BackupRecord } from "./backup-records.ts";

/** What is needed to take parts in. */
export interface FilesRoom {
  readonly crypto: Pick<Crypto, "sha256" | "digest">;
  readonly chunks: ChunkStore;
  readonly nowMs: () => number;
  readonly close: () => void;
  /** the bytes of a commit that the file brought, or that was here; `undefined` for any other */
  readonly readCommit: (commitHash: CommitHash) => Promise<Uint8Array | undefined>;
}

/** A part whose chunks are coming. */
interface ComingPart {
  readonly part: StoredPart;
  readonly indexes: readonly number[];
  readonly bytes: Map<number, Uint8Array<ArrayBuffer>>;
}

/** The chunks of one backup file. */
export class RestoredFiles {
  readonly #room: FilesRoom;
  #coming: ComingPart | undefined;
  #chunkCount = 0;
  /** of ciphertexts, so far */
  sizeBytes = 0;

  constructor(room: FilesRoom) {
    this.#room = room;
  }

  /** @throws `entry/corrupt` when no commit of the log is this part, or the part before it is not whole */
  async part({ commitHash, isNamed, which }: Extract<BackupRecord, { kind: "part" }>): Promise<void> {
    if (this.#coming !== undefined) throw corruptBackup("chunks");
    const { crypto, nowMs, readCommit } = this.#room;
    const bytes = await readCommit(commitHash);
    const verdict = bytes && parseCommit(crypto, bytes, commitHash);
    const part =
      verdict?.kind === "verified"
        ? partOf(verdict.commit, { isNamed, isOwn: true, usedAtMs: nowMs() })
        : undefined;
    if (part === undefined || which >= 1 << part.chunks.length) throw corruptBackup("part");
    const indexes = part.chunks.flatMap((_, index) => ((which & (1 << index)) === 0 ? [] : [index]));
    this.#coming = { part, indexes, bytes: new Map() };
  }

  /** @throws `entry/corrupt` for any bytes but those that the commit names next; `store/quota` */
  async chunk({ bytes }: Extract<BackupRecord, { kind: "chunk" }>): Promise<void> {
    const coming = this.#coming;
    const index = coming?.indexes[coming.bytes.size];
    const named = index === undefined ? undefined : coming?.part.chunks[index];
    if (coming === undefined || index === undefined || named?.sizeBytes !== bytes.length)
      throw corruptBackup("chunk");
    if (!equalBytes(await this.#room.crypto.digest(bytes), named.hash)) throw corruptBackup("chunk");
    coming.bytes.set(index, bytes);
    this.#chunkCount++;
    this.sizeBytes += bytes.length;
    if (coming.bytes.size < coming.indexes.length) return;
    this.#coming = undefined;
    await keepRestored(this.#room.chunks, coming.part, coming.bytes);
  }

  /** Let go of the store. */
  close(): void {
    this.#room.close();
  }

  /** The end of them. @throws `entry/corrupt` when some are missing */
  end({ chunkCount }: Extract<BackupRecord, { kind: "chunks" }>): void {
    if (this.#coming !== undefined || chunkCount !== this.#chunkCount) throw corruptBackup("chunks");
  }
}
