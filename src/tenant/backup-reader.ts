/** Reads a backup file that comes in pieces of any size: header, key, chunk after chunk. It holds one chunk at most. */
import { CofferError, concatBytes, copyBytes, equalBytes } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import {
  chainHash,
  emptyChain,
  openBackupKey,
  openChunk,
  readBackupHeader,
  sealedChunkBytes,
  sealedSizeOf,
  type BackupHeader,
  type BackupKey,
} from "./backup-codec.ts";

/** Why a backup was refused. */
export function corruptBackup(detail: string): CofferError {
  return new CofferError("entry/corrupt", { what: "backup", detail });
}

/** One file being read. After a failure nothing more is to be pushed. */
export class BackupReader {
  readonly #crypto: Crypto;
  readonly #password: string;
  readonly #chunk = new Uint8Array(sealedChunkBytes);
  #filled = 0;
  #index = 0;
  #chain = emptyChain;
  /** the file's first bytes, until they hold the header */
  #start: Uint8Array = new Uint8Array(0);
  #file: { readonly header: BackupHeader; readonly key: BackupKey } | undefined;

  constructor(crypto: Crypto, password: string) {
    this.#crypto = crypto;
    this.#password = password;
  }

  /** What the file says of itself, once its beginning was read. */
  get header(): BackupHeader | undefined {
    return this.#file?.header;
  }

  /**
   * The content of the chunks that are whole now, in order.
   *
   * @throws `entry/corrupt`, `protocol/version`, `key/parameters`, `key/wrong-password`
   */
  async *push(piece: Uint8Array): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
    let rest = piece;
    if (this.#file === undefined) {
      rest = await this.#begin(piece);
      if (this.#file === undefined) return;
    }
    while (rest.length > 0) {
      const { header, key } = this.#file;
      if (this.#index === key.chunkCount) throw corruptBackup("trailing bytes");
      const sizeBytes = sealedSizeOf(header, this.#index);
      const part = rest.subarray(0, sizeBytes - this.#filled);
      this.#chunk.set(part, this.#filled);
      this.#filled += part.length;
      rest = rest.subarray(part.length);
      if (this.#filled === sizeBytes) yield await this.#open(key, this.#chunk.subarray(0, sizeBytes));
    }
  }

  /** The file ends here. @throws `entry/corrupt` when something of it is missing */
  finish(): void {
    if (this.#file === undefined || this.#index !== this.#file.key.chunkCount || this.#filled > 0)
      throw corruptBackup("truncated");
    if (!equalBytes(this.#chain, this.#file.header.contentHash)) throw corruptBackup("content");
  }

  async #begin(piece: Uint8Array): Promise<Uint8Array> {
    // A header is small: what is put together here is, too, but for the rest of the first piece.
    this.#start = this.#start.length === 0 ? piece : concatBytes(this.#start, piece);
    const verdict = readBackupHeader(this.#crypto, this.#start);
    if (verdict.kind === "refused") throw new CofferError(verdict.code, { what: "backup" });
    if (verdict.kind === "short") {
      this.#start = copyBytes(this.#start);
      return this.#start.subarray(this.#start.length);
    }
    const { header } = verdict;
    const rest = this.#start.subarray(header.bytes.length);
    this.#start = new Uint8Array(0);
    this.#file = { header, key: await openBackupKey(this.#crypto, this.#password, header) };
    return rest;
  }

  async #open(key: BackupKey, sealed: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const plaintext = await openChunk(this.#crypto, key, this.#index, sealed);
    if (plaintext === undefined) throw corruptBackup("chunk");
    this.#chain = chainHash(this.#crypto, this.#chain, plaintext);
    this.#index++;
    this.#filled = 0;
    return plaintext;
  }
}
