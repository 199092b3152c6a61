/**
 * An audit report: the commits of a tenant as whoever exports it holds them, for somebody who holds no key of it.
 *
 * | field | size |
 * |---|---|
 * | magic | 16: `coffer/audit/v1\0` |
 * | genesis | 113: see keys/genesis.ts |
 * | createdAt | u64, milliseconds since 1970 |
 * | exporter | 32: the Ed25519 key of the member who made it |
 * | lineCount | varint, ≤ 1 000 000 |
 * | lineCount × directory commit | sized, ≤ 1 MiB: of its line, and of those beside it, in the order of order.ts; what no key below opens comes without ciphertext |
 * | … keyCount | u8, ≤ 16 |
 * | … keyCount × key | u8 index into the commit's keys, ascending; 32: the key of this one commit, see entry/sealing-key.ts |
 * | commitCount | varint, ≤ 1 000 000 |
 * | commitCount × verdict | u8: 0 accepted, 1 waiting, 2 quarantined |
 * | … reason, refused | text each, ≤ 64 bytes: why it is not accepted, why some of its entries were not |
 * | … commit | sized, ≤ 1 MiB: without any ciphertext; in the order of order.ts |
 * | signature | 64: Ed25519 by the exporter over "coffer/audit-signature/v1\0" ‖ digest(32) |
 *
 * The digest is a chain, so that a report is written and read in pieces: it begins with SHA-256 of all before `lineCount`, and each of the
 * two counts and each item makes SHA-256(digest ‖ bytes) of it. A commit verifies without its ciphertexts, since its signature covers
 * their hashes. The keys of directory commits open what says who may do what, and nothing else that is sealed under those content keys.
 */
import {
  bytesToId,
  ByteReader,
  ByteWriter,
  concatBytes,
  equalBytes,
  idToBytes,
  utf8ToBytes,
  type AuthorKey,
} from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import { entryLimits } from "../entry/index.ts";
import { genesisBytes } from "../keys/index.ts";

const magic = utf8ToBytes("coffer/audit/v1\0");
const signatureDomain = utf8ToBytes("coffer/audit-signature/v1\0");
const signatureBytes = 64;
const secretBytes = 32;
const wordBytes = 64;
const verdicts = ["accepted", "waiting", "quarantined"] as const;

/** What a report may hold. */
export const auditLimits = { commits: 1_000_000, reportBytes: 512 * 1024 * 1024 } as const;

/** What a report begins with. */
export interface ReportHead {
  readonly genesis: Uint8Array;
  readonly createdAtMs: number;
  readonly exporter: AuthorKey;
}

/** A directory commit, with the keys that open what of it is shown. */
export interface ReportLine {
  readonly bytes: Uint8Array;
  readonly keys: ReadonlyMap<number, Uint8Array>;
}

/** What the exporter's device says of a commit. */
export interface AuditClaim {
  readonly verdict: (typeof verdicts)[number];
  readonly reason: string;
  readonly refused: string;
}

/** A commit with what is said of it. */
export interface ReportCommit extends AuditClaim {
  readonly bytes: Uint8Array;
}

/** A report as it was read; nothing of it is verified but its form. */
export interface ReportParts {
  readonly head: ReportHead;
  readonly line: readonly ReportLine[];
  readonly commits: readonly ReportCommit[];
  /** what `signature` is over */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/** Encodes a report piece by piece. */
export class ReportWriter {
  readonly #crypto: Pick<Verifier, "sha256">;
  #digest: Uint8Array;

  constructor(crypto: Pick<Verifier, "sha256">) {
    this.#crypto = crypto;
    this.#digest = new Uint8Array(0);
  }

  head({ createdAtMs, exporter, genesis }: ReportHead): Uint8Array<ArrayBuffer> {
    const writer = new ByteWriter().fixed(magic).fixed(genesis, genesisBytes).u64(createdAtMs);
    return this.#chain(writer.fixed(idToBytes(exporter)).toBytes());
  }

  count(count: number): Uint8Array<ArrayBuffer> {
    return this.#chain(new ByteWriter(8).varint(count).toBytes());
  }

  line({ bytes, keys }: ReportLine): Uint8Array<ArrayBuffer> {
    const writer = new ByteWriter(bytes.length + 64).sized(bytes).u8(keys.size);
    for (const [index, secret] of [...keys].sort(([a], [b]) => a - b))
      writer.u8(index).fixed(secret, secretBytes);
    return this.#chain(writer.toBytes());
  }

  commit({ bytes, reason, refused, verdict }: ReportCommit): Uint8Array<ArrayBuffer> {
    const writer = new ByteWriter(bytes.length + 64).u8(verdicts.indexOf(verdict));
    return this.#chain(writer.text(reason).text(refused).sized(bytes).toBytes());
  }

  /** What is to be signed, at the end. */
  get signed(): Uint8Array<ArrayBuffer> {
    return concatBytes(signatureDomain, this.#digest);
  }

  #chain(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    this.#digest = this.#crypto.sha256(this.#digest, bytes);
    return bytes;
  }
}

/** Read a report from untrusted bytes; the word says what is wrong with them. */
export function parseReport(
  crypto: Pick<Verifier, "sha256">,
  bytes: Uint8Array,
): ReportParts | "malformed" | "version" | "limit" {
  if (bytes.length > auditLimits.reportBytes) return "limit";
  const reader = new ByteReader(bytes);
  if (!equalBytes(reader.fixed(magic.length), magic)) return isOurs(bytes) ? "version" : "malformed";
  let digest: Uint8Array = new Uint8Array(0);
  let from = 0;
  const chained = <T>(read: T): T => {
    digest = crypto.sha256(digest, bytes.subarray(from, reader.offset));
    from = reader.offset;
    return read;
  };
  const head = chained(readHead(reader));
  const line: ReportLine[] = [];
  const lineCount = chained(reader.varint(auditLimits.commits));
  while (line.length < lineCount && reader.error === undefined) line.push(chained(readLine(reader)));
  const commits: ReportCommit[] = [];
  const commitCount = chained(reader.varint(auditLimits.commits));
  while (commits.length < commitCount && reader.error === undefined)
    commits.push(chained(readCommit(reader)));
  const signature = reader.fixed(signatureBytes);
  if (!reader.finish() || head === undefined) return "malformed";
  return { head, line, commits, signed: concatBytes(signatureDomain, digest), signature };
}

/** A report of a later version begins alike. */
function isOurs(bytes: Uint8Array): boolean {
  const prefix = magic.subarray(0, magic.length - 2);
  return bytes.length >= magic.length && equalBytes(bytes.subarray(0, prefix.length), prefix);
}

function readHead(reader: ByteReader): ReportHead | undefined {
  const genesis = reader.fixed(genesisBytes);
  const createdAtMs = reader.u64();
  const exporter = reader.fixed(32);
  if (reader.error !== undefined) return undefined;
  return { genesis, createdAtMs, exporter: bytesToId("AuthorKey", exporter) };
}

function readLine(reader: ByteReader): ReportLine {
  const bytes = reader.sized(entryLimits.commitBytes);
  const keys = new Map<number, Uint8Array>();
  const count = reader.u8();
  if (count > entryLimits.keysPerCommit) reader.fail("limit");
  let last = -1;
  for (let i = 0; i < count && reader.error === undefined; i++) {
    const index = reader.u8();
    if (index <= last) reader.fail("order");
    keys.set(index, reader.fixed(secretBytes));
    last = index;
  }
  return { bytes, keys };
}

function readCommit(reader: ByteReader): ReportCommit {
  const verdict = verdicts[reader.u8()];
  if (verdict === undefined) reader.fail("verdict");
  const reason = reader.text(wordBytes);
  const refused = reader.text(wordBytes);
  return { verdict: verdict ?? "waiting", reason, refused, bytes: reader.sized(entryLimits.commitBytes) };
}
