/**
 * An audit report: the commits of a tenant as whoever exports it holds them, for somebody who holds no key of it.
 *
 * | field | size |
 * |---|---|
 * | magic | 16: `coffer/audit/v2\0` |
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
 * | serverCount | varint, ≤ 16: whose signed heads this device keeps |
 * | serverCount × server | text, ≤ 2 KiB: its address as the exporter's device calls it, ascending; 32: its Ed25519 key |
 * | … logCount | varint, ≤ 10 000 |
 * | … logCount × log | 16: database, ascending; u64 epoch; u64 size; 32: root; u64 time; 64: signature, see sync/merkle.ts |
 * | … … isOrdered | u8: 1: the commits under the head follow, in their order |
 * | … … size × leaf | varint: 1 + the place of a commit in this report, from 0; or 0 and the 32 bytes of a hash that none here has; ≤ 4 000 000 in all |
 * | signature | 64: Ed25519 by the exporter over "coffer/audit-signature/v2\0" ‖ digest(32) |
 *
 * The digest is a chain, so that a report is written and read in pieces: it begins with SHA-256 of all before `lineCount`, and each of the
 * three counts, each item, each server with its count of logs, and each log makes SHA-256(digest ‖ bytes) of it. A commit verifies without its ciphertexts, since its signature covers
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
  type CommitHash,
} from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import { entryLimits } from "../entry/index.ts";
import { genesisBytes } from "../keys/index.ts";
import type { SignedHead } from "../sync/index.ts";

const magic = utf8ToBytes("coffer/audit/v2\0");
const signatureDomain = utf8ToBytes("coffer/audit-signature/v2\0");
const signatureBytes = 64;
const secretBytes = 32;
const wordBytes = 64;
const addressBytes = 2048;
const verdicts = ["accepted", "waiting", "quarantined"] as const;

/** What a report may hold. */
export const auditLimits = {
  commits: 1_000_000,
  reportBytes: 512 * 1024 * 1024,
  servers: 16,
  logs: 10_000,
  leaves: 4_000_000,
} as const;

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

/** A server, and what it signed of its logs. */
export interface ReportServer {
  readonly address: string;
  readonly key: AuthorKey;
  readonly logs: readonly ReportLog[];
}

/** A head, and where it can be told the commits under it: each by its place in the report, or by its hash where it is not there. */
export interface ReportLog {
  readonly head: SignedHead;
  readonly leaves: readonly (number | CommitHash)[] | undefined;
}

/** A report as it was read; nothing of it is verified but its form. */
export interface ReportParts {
  readonly head: ReportHead;
  readonly line: readonly ReportLine[];
  readonly commits: readonly ReportCommit[];
  readonly servers: readonly ReportServer[];
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

  server({ address, key, logs }: ReportServer): Uint8Array<ArrayBuffer> {
    const writer = new ByteWriter().text(address).fixed(idToBytes(key)).varint(logs.length);
    return this.#chain(writer.toBytes());
  }

  log({ head, leaves }: ReportLog): Uint8Array<ArrayBuffer> {
    const { dbId, epoch, root, signature, size, timeMs } = head;
    const writer = new ByteWriter().fixed(idToBytes(dbId)).u64(epoch).u64(size).fixed(root, 32);
    writer.u64(timeMs).fixed(signature, signatureBytes);
    writer.u8(leaves === undefined ? 0 : 1);
    for (const leaf of leaves ?? [])
      if (typeof leaf === "number") writer.varint(leaf + 1);
      else writer.varint(0).fixed(idToBytes(leaf));
    return this.#chain(writer.toBytes());
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
  const servers = readServers(reader, chained);
  const signature = reader.fixed(signatureBytes);
  if (!reader.finish() || head === undefined) return "malformed";
  return { head, line, commits, servers, signed: concatBytes(signatureDomain, digest), signature };
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

function readServers(reader: ByteReader, chained: <T>(read: T) => T): readonly ReportServer[] {
  const servers: ReportServer[] = [];
  let leavesLeft: number = auditLimits.leaves;
  const count = chained(reader.varint(auditLimits.servers));
  while (servers.length < count && reader.error === undefined) {
    const address = reader.text(addressBytes);
    const key = bytesToId("AuthorKey", fixedOf(reader, 32));
    const logCount = chained(reader.varint(auditLimits.logs));
    const logs: ReportLog[] = [];
    while (logs.length < logCount && reader.error === undefined) {
      const log = chained(readLog(reader, leavesLeft));
      leavesLeft -= log.leaves?.length ?? 0;
      logs.push(log);
    }
    servers.push({ address, key, logs });
  }
  return servers;
}

function readLog(reader: ByteReader, maxLeaves: number): ReportLog {
  const head: SignedHead = {
    dbId: bytesToId("DbId", fixedOf(reader, 16)),
    epoch: reader.u64(),
    size: reader.u64(),
    root: fixedOf(reader, 32),
    timeMs: reader.u64(),
    signature: fixedOf(reader, signatureBytes),
  };
  const flag = reader.u8();
  if (flag > 1 || (flag === 1 && head.size > maxLeaves)) reader.fail("limit");
  if (flag !== 1) return { head, leaves: undefined };
  const leaves: (number | CommitHash)[] = [];
  while (leaves.length < head.size && reader.error === undefined) {
    const place = reader.varint(auditLimits.commits * 2);
    leaves.push(place > 0 ? place - 1 : bytesToId("CommitHash", fixedOf(reader, 32)));
  }
  return { head, leaves };
}

/** So many bytes, of zeros after an error, which the reader remembers. */
function fixedOf(reader: ByteReader, sizeBytes: number): Uint8Array {
  const bytes = reader.fixed(sizeBytes);
  return bytes.length === sizeBytes ? bytes : new Uint8Array(sizeBytes);
}
