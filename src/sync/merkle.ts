/**
 * The Merkle tree over the commits of one database, as RFC 6962 §2.1 defines it, and the heads that a server signs over it.
 *
 * | value | bytes |
 * |---|---|
 * | leaf | SHA-256(0x00 ‖ commitHash(32)) |
 * | node | SHA-256(0x01 ‖ left(32) ‖ right(32)) |
 * | root of nothing | SHA-256("") |
 * | signed head | "coffer/head/v1\0" ‖ tenantId(32) ‖ dbId(16) ‖ u64 epoch ‖ u64 size ‖ root(32) ‖ u64 timeMs |
 * | heads digest | SHA-256("coffer/heads/v1\0" ‖ for each database by ascending dbId: dbId(16) ‖ u64 epoch ‖ u64 size ‖ root(32)) |
 * | signed tenant head | "coffer/tenant-head/v1\0" ‖ tenantId(32) ‖ u64 databaseCount ‖ digest(32) ‖ u64 timeMs |
 *
 * A frontier holds the roots of the perfect subtrees, largest first: one for each bit of the size that is set. It is all that
 * is needed to append and to compute the root, and it never needs the leaves again.
 *
 * ```
 * size 6 = 4 + 2        root = node(A, B)
 *    A         B
 *  /   \      / \
 * 0 1 2 3    4   5
 * ```
 */
import {
  assert,
  ByteWriter,
  compareBytes,
  equalBytes,
  idToBytes,
  utf8ToBytes,
  type CommitHash,
  type TenantId,
} from "../std/index.ts";
import type { Key, Verifier } from "../crypto/index.ts";
import type { RemoteState, SignedHead, SignedTenantHead } from "./messages.ts";

type Hashing = Pick<Verifier, "sha256">;

/** A log's size and the roots of its perfect subtrees, largest first. */
export type Frontier = Pick<RemoteState, "size" | "frontier">;
/** What a head says before it is signed. */
export type HeadClaim = Omit<SignedHead, "signature">;
/** What a tenant head says before it is signed. */
export type TenantHeadClaim = Omit<SignedTenantHead, "signature">;

const leafPrefix = Uint8Array.of(0);
const nodePrefix = Uint8Array.of(1);
const headDomain = utf8ToBytes("coffer/head/v1\0");
const headsDomain = utf8ToBytes("coffer/heads/v1\0");
const tenantHeadDomain = utf8ToBytes("coffer/tenant-head/v1\0");

/** The log without commits. */
export const emptyFrontier: Frontier = { size: 0, frontier: [] };

/** Hash a commit hash as a leaf. */
export function hashLeaf(crypto: Hashing, commitHash: CommitHash): Uint8Array<ArrayBuffer> {
  return crypto.sha256(leafPrefix, idToBytes(commitHash));
}

/** Hash two subtrees into their parent. */
export function hashNode(crypto: Hashing, left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  return crypto.sha256(nodePrefix, left, right);
}

/** Append commits to a log; O(1) hashes for each, amortised. */
export function appendLeaves(crypto: Hashing, log: Frontier, commitHashes: readonly CommitHash[]): Frontier {
  const frontier = [...log.frontier];
  let size = log.size;
  for (const commitHash of commitHashes) {
    let node = hashLeaf(crypto, commitHash);
    // Each trailing one of the old size is a subtree as large as the new node: it becomes its left sibling.
    for (let rest = size; rest % 2 === 1; rest = Math.floor(rest / 2)) {
      const left = frontier.pop();
      assert(left !== undefined, "merkle: its subtrees");
      node = hashNode(crypto, left, node);
    }
    frontier.push(node);
    size++;
  }
  return { size, frontier };
}

/** The root of a log, 32 bytes. */
export function rootOf(crypto: Hashing, log: Pick<Frontier, "frontier">): Uint8Array<ArrayBuffer> {
  const [smallest, ...larger] = [...log.frontier].reverse();
  if (smallest === undefined) return crypto.sha256();
  let root = new Uint8Array(smallest);
  for (const left of larger) root = hashNode(crypto, left, root);
  return root;
}

/** How a head stands to what is known of its log. */
export type HeadVerdict =
  /** the same log, to its end */
  | "match"
  /** it covers more than is known here */
  | "ahead"
  /** the same epoch and size with another root: two histories were shown */
  | "fork"
  /** the same epoch, but shorter than it was */
  | "rollback"
  /** another epoch than the known one */
  | "other-epoch";

/** Compare a head with what is known of its log; its signature is judged by {@link verifyHead}. */
export function checkHead(
  crypto: Hashing,
  known: Pick<RemoteState, "epoch" | "size" | "frontier">,
  head: Pick<SignedHead, "epoch" | "size" | "root">,
): HeadVerdict {
  if (head.epoch !== known.epoch) return "other-epoch";
  if (head.size < known.size) return "rollback";
  if (head.size > known.size) return "ahead";
  return equalBytes(rootOf(crypto, known), head.root) ? "match" : "fork";
}

/** The bytes a server signs for a head. */
export function headPreimage(tenantId: TenantId, head: HeadClaim): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().fixed(headDomain).fixed(idToBytes(tenantId)).fixed(idToBytes(head.dbId));
  return writer.u64(head.epoch).u64(head.size).fixed(head.root, 32).u64(head.timeMs).toBytes();
}

/** The bytes a server signs for a tenant head. */
export function tenantHeadPreimage(tenantId: TenantId, head: TenantHeadClaim): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().fixed(tenantHeadDomain).fixed(idToBytes(tenantId));
  return writer.u64(head.databaseCount).fixed(head.digest, 32).u64(head.timeMs).toBytes();
}

/** The digest of a tenant head over the databases' heads, in any order; databases without commits are not listed. */
export function digestHeads(
  crypto: Hashing,
  heads: readonly Pick<SignedHead, "dbId" | "epoch" | "size" | "root">[],
): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(heads.length * 64 + 16).fixed(headsDomain);
  const rows = heads.map((head) => ({ head, dbIdBytes: idToBytes(head.dbId) }));
  rows.sort((a, b) => compareBytes(a.dbIdBytes, b.dbIdBytes));
  for (const { head, dbIdBytes } of rows)
    writer.fixed(dbIdBytes).u64(head.epoch).u64(head.size).fixed(head.root, 32);
  return crypto.sha256(writer.toBytes());
}

/** Sign a head with the server's key. */
export async function signHead(
  crypto: Pick<Verifier, "sign">,
  serverPrivateKey: Key,
  tenantId: TenantId,
  head: HeadClaim,
): Promise<SignedHead> {
  return { ...head, signature: await crypto.sign(serverPrivateKey, headPreimage(tenantId, head)) };
}

/** Sign a tenant head with the server's key. */
export async function signTenantHead(
  crypto: Pick<Verifier, "sign">,
  serverPrivateKey: Key,
  tenantId: TenantId,
  head: TenantHeadClaim,
): Promise<SignedTenantHead> {
  return { ...head, signature: await crypto.sign(serverPrivateKey, tenantHeadPreimage(tenantId, head)) };
}

/** Judge a head's signature. Never throws. */
export async function verifyHead(
  crypto: Pick<Verifier, "verify">,
  serverKey: Uint8Array,
  tenantId: TenantId,
  head: SignedHead,
): Promise<boolean> {
  return crypto.verify(serverKey, head.signature, headPreimage(tenantId, head));
}

/** Judge a tenant head's signature. Never throws. */
export async function verifyTenantHead(
  crypto: Pick<Verifier, "verify">,
  serverKey: Uint8Array,
  tenantId: TenantId,
  head: SignedTenantHead,
): Promise<boolean> {
  return crypto.verify(serverKey, head.signature, tenantHeadPreimage(tenantId, head));
}
