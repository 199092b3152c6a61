import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesToHex, bytesToId, idToBytes, type CommitHash } from "../std/index.ts";
import { createWebVerifier } from "../crypto/index.ts";
import {
  appendLeaves,
  checkHead,
  digestHeads,
  emptyFrontier,
  headPreimage,
  rootOf,
  signHead,
  signTenantHead,
  tenantHeadPreimage,
  verifyHead,
  verifyTenantHead,
} from "./merkle.ts";
import vectors from "./merkle.vectors.json";

const crypto = createWebVerifier();
const hashOf = (n: number): CommitHash =>
  bytesToId("CommitHash", crypto.sha256(Uint8Array.of(n >> 8, n & 255)));
const tenantId = bytesToId("TenantId", new Uint8Array(32).fill(1));
const dbId = bytesToId("DbId", new Uint8Array(16).fill(2));

/** RFC 6962 §2.1 word for word, over Node's own SHA-256. */
function treeHash(leaves: readonly Uint8Array[]): Uint8Array {
  const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => {
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  };
  const [only] = leaves;
  if (only === undefined) return sha256();
  if (leaves.length === 1) return sha256(Uint8Array.of(0), only);
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return sha256(Uint8Array.of(1), treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k)));
}

test("vectors: roots by size", () => {
  for (const { size, root } of vectors.roots) {
    const hashes = Array.from({ length: size }, (_, n) => hashOf(n));
    expect(bytesToHex(rootOf(crypto, appendLeaves(crypto, emptyFrontier, hashes)))).toBe(root);
  }
});

test("vectors: signing preimages", () => {
  const claim = { dbId, epoch: 5, size: 6, root: new Uint8Array(32).fill(3), timeMs: 7 };
  expect(bytesToHex(headPreimage(tenantId, claim))).toBe(vectors.headPreimage);
  const digest = digestHeads(crypto, [claim]);
  expect(bytesToHex(digest)).toBe(vectors.headsDigest);
  expect(bytesToHex(tenantHeadPreimage(tenantId, { databaseCount: 1, digest, timeMs: 7 }))).toBe(
    vectors.tenantHeadPreimage,
  );
});

test("property: a frontier appended in any portions has the root of the plain recomputation", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 20 }), (portions) => {
      let log = emptyFrontier;
      const all: CommitHash[] = [];
      for (const portion of portions) {
        const some = Array.from({ length: portion }, (_, n) => hashOf(all.length + n));
        all.push(...some);
        log = appendLeaves(crypto, log, some);
        expect(log.size).toBe(all.length);
        expect(rootOf(crypto, log)).toEqual(treeHash(all.map((hash) => new Uint8Array(idToBytes(hash)))));
      }
    }),
  );
});

test("a digest does not depend on the order of the heads, and on nothing else less", () => {
  const other = bytesToId("DbId", new Uint8Array(16).fill(8));
  const heads = [dbId, other].map((id) => ({ dbId: id, epoch: 1, size: 2, root: new Uint8Array(32) }));
  expect(digestHeads(crypto, heads)).toEqual(digestHeads(crypto, heads.toReversed()));
  const [first, second] = heads;
  if (first === undefined || second === undefined) throw new Error("two heads");
  for (const change of [
    { epoch: 9 },
    { size: 9 },
    { root: new Uint8Array(32).fill(1) },
    { dbId: bytesToId("DbId", new Uint8Array(16)) },
  ]) {
    expect(digestHeads(crypto, [{ ...first, ...change }, second])).not.toEqual(digestHeads(crypto, heads));
  }
});

describe("heads", () => {
  const log = { epoch: 4, ...appendLeaves(crypto, emptyFrontier, [hashOf(1), hashOf(2), hashOf(3)]) };
  const root = rootOf(crypto, log);
  test.each([
    [{ epoch: 4, size: 3, root }, "match"],
    [{ epoch: 4, size: 3, root: new Uint8Array(32) }, "fork"],
    [{ epoch: 4, size: 2, root }, "rollback"],
    [{ epoch: 4, size: 4, root }, "ahead"],
    [{ epoch: 5, size: 3, root }, "other-epoch"],
  ])("%o stands as %s", (head, verdict) => expect(checkHead(crypto, log, head)).toBe(verdict));

  test("hold only for their key, tenant and every field", async () => {
    const pair = await crypto.createSealedSigningPair();
    const head = await signHead(crypto, pair.privateKey, tenantId, {
      dbId,
      epoch: 1,
      size: 2,
      root,
      timeMs: 3,
    });
    expect(await verifyHead(crypto, pair.publicKey, tenantId, head)).toBe(true);
    const otherTenant = bytesToId("TenantId", new Uint8Array(32));
    expect(await verifyHead(crypto, pair.publicKey, otherTenant, head)).toBe(false);
    for (const change of [{ epoch: 9 }, { size: 9 }, { timeMs: 9 }, { root: new Uint8Array(32) }]) {
      expect(await verifyHead(crypto, pair.publicKey, tenantId, { ...head, ...change })).toBe(false);
    }
    const tenantHead = await signTenantHead(crypto, pair.privateKey, tenantId, {
      databaseCount: 1,
      digest: root,
      timeMs: 3,
    });
    expect(await verifyTenantHead(crypto, pair.publicKey, tenantId, tenantHead)).toBe(true);
    for (const change of [{ databaseCount: 2 }, { timeMs: 9 }, { digest: new Uint8Array(32) }]) {
      expect(await verifyTenantHead(crypto, pair.publicKey, tenantId, { ...tenantHead, ...change })).toBe(
        false,
      );
    }
  });
});
