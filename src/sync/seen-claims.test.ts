import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createWebCrypto } from "../crypto/index.ts";
import { bytesToId, createSystemEnv, type AuthorKey, type CommitHash } from "../std/index.ts";
import { appendLeaves, emptyFrontier, rootOf } from "./merkle.ts";
import { SeenClaims, type SeenClaim } from "./seen-claims.ts";

const crypto = createWebCrypto(createSystemEnv());
const dbId = bytesToId("DbId", new Uint8Array(16).fill(1));
const server = "0102030405060708";

function idOf<Kind extends "CommitHash" | "AuthorKey">(kind: Kind, number: number) {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytesToId(kind, bytes);
}

const authorOf = (number: number): AuthorKey => idOf("AuthorKey", number);

/** A log of commits, the same as another one up to where they part. */
const logOf = (length: number, history = 0, partedAt = 0): readonly CommitHash[] =>
  Array.from({ length }, (_, index) => idOf("CommitHash", index < partedAt ? index : history * 1e6 + index));

const at = (log: readonly CommitHash[], size: number) =>
  appendLeaves(crypto, emptyFrontier, log.slice(0, size));
const shown = (log: readonly CommitHash[], size: number, epoch = 1) => ({ dbId, epoch, ...at(log, size) });

function claim(log: readonly CommitHash[], size: number, parts: Partial<SeenClaim> = {}): SeenClaim {
  const rootPrefix = rootOf(crypto, at(log, size)).slice(0, 16);
  const commitHash = idOf("CommitHash", 9e6 + size);
  return { author: authorOf(1), commitHash, dbId, logKeyId: server, epoch: 1, size, rootPrefix, ...parts };
}

/** Decide what is open by the leaves of a log, as a server shows them. */
function settleBy(claims: SeenClaims, log: readonly CommitHash[]) {
  return claims.undecided(server).flatMap((one) => claims.settle(server, one, log.slice(one.begin.size)));
}

describe("what authors saw of a log", () => {
  const [here, there] = [logOf(100), logOf(100, 1, 40)];

  it("is decided at once where the size was proven here, before the claim or after", () => {
    const claims = new SeenClaims(crypto);
    claims.shown(server, shown(here, 50));
    expect(claims.note(claim(here, 50), 0)).toBeUndefined();
    const lie = claim(there, 50, { author: authorOf(2) });
    expect(claims.note(lie, 0)).toEqual({ kind: "fork", claim: lie });
    const ahead = claim(there, 60, { author: authorOf(3) });
    expect(claims.note(ahead, 0)).toBeUndefined();
    expect(claims.undecided(server)).toEqual([]);
    expect(claims.shown(server, shown(here, 60))).toEqual([{ kind: "fork", claim: ahead }]);
    expect(claims.shown(server, shown(here, 60))).toEqual([]);
  });

  it("is the same history up to where it parts", () => {
    const claims = new SeenClaims(crypto);
    claims.shown(server, shown(here, 40));
    expect(claims.note(claim(there, 40), 0)).toBeUndefined();
    claims.shown(server, shown(here, 41));
    expect(claims.note(claim(there, 41), 0)?.kind).toBe("fork");
  });

  it("is decided by the leaves behind the last proven size before it, for any claims on any history", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 8 }),
        fc.array(
          fc.record({
            author: fc.integer({ min: 1, max: 4 }),
            size: fc.integer({ min: 1, max: 100 }),
            isOther: fc.boolean(),
          }),
          { maxLength: 12 },
        ),
        (proven, saw) => {
          const claims = new SeenClaims(crypto);
          const found = new Set<AuthorKey>();
          const broken = (list: readonly { readonly kind: string; readonly claim: SeenClaim }[]): void => {
            for (const one of list) {
              expect(one.kind).toBe("fork");
              found.add(one.claim.author);
            }
          };
          for (const size of proven.toSorted((a, b) => a - b))
            broken(claims.shown(server, shown(here, size)));
          const largest = new Map<AuthorKey, { size: number; isOther: boolean }>();
          for (const { author: number, isOther, size } of saw) {
            const author = authorOf(number);
            const before = largest.get(author);
            if (before === undefined || size > before.size) largest.set(author, { size, isOther });
            broken([claims.note(claim(isOther ? there : here, size, { author }), 0) ?? []].flat());
          }
          broken(claims.shown(server, shown(here, 100)));
          broken(settleBy(claims, here));
          expect(claims.undecided(server)).toEqual([]);
          // Of each author at least the largest claim was decided, and no true one was called broken.
          for (const [author, { isOther, size }] of largest)
            if (isOther && size > 40) expect(found).toContain(author);
          for (const author of found)
            expect(saw.some((one) => authorOf(one.author) === author && one.isOther && one.size > 40)).toBe(
              true,
            );
        },
      ),
    );
  });

  it("is not asked about again once it agrees, nor what is smaller", () => {
    const claims = new SeenClaims(crypto);
    claims.shown(server, shown(here, 100));
    claims.note(claim(here, 70), 0);
    expect(settleBy(claims, here)).toEqual([]);
    claims.note(claim(here, 65), 0);
    expect(claims.undecided(server)).toEqual([]);
    claims.note(claim(here, 71), 0);
    expect(claims.undecided(server)).toMatchObject([{ dbId, epoch: 1, begin: { size: 0 } }]);
  });

  it("stays open while the leaves cannot be had", () => {
    const claims = new SeenClaims(crypto);
    claims.shown(server, shown(here, 30));
    claims.shown(server, shown(here, 100));
    claims.note(claim(there, 70), 0);
    const [open] = claims.undecided(server);
    expect(open?.begin.size).toBe(30);
    if (open) expect(claims.settle(server, open, [])).toEqual([]);
    expect(settleBy(claims, here)).toMatchObject([{ kind: "fork" }]);
  });

  it("of more than a server shows is told of when all was shown long enough after it", () => {
    const claims = new SeenClaims(crypto);
    claims.shown(server, shown(here, 50));
    claims.note(claim(here, 60), 1000);
    expect(claims.complete(server, 30_999)).toEqual([]);
    expect(claims.complete("other", 31_000)).toEqual([]);
    expect(claims.complete(server, 31_000)).toMatchObject([{ kind: "withheld", claim: { size: 60 } }]);
    expect(claims.complete(server, 32_000)).toEqual([]);
    claims.note(claim(here, 61, { epoch: 2 }), 1000);
    expect(claims.complete(server, 90_000)).toEqual([]);
  });

  it("of an epoch before is worth nothing once the log began anew, and of the next one waits for it", () => {
    const claims = new SeenClaims(crypto);
    claims.note(claim(there, 20, { epoch: 2 }), 0);
    claims.shown(server, shown(here, 50));
    claims.note(claim(there, 45, { author: authorOf(2) }), 0);
    expect(claims.shown(server, shown(here, 20, 2))).toMatchObject([]);
    expect(claims.shown(server, shown(logOf(45, 2), 45, 2))).toEqual([]);
    expect(claims.undecided(server)).toEqual([]);
  });

  it("keeps so much and no more, whoever says whatever", () => {
    const claims = new SeenClaims(crypto);
    claims.shown(server, shown(here, 100));
    for (let number = 0; number < 3000; number++)
      claims.note(claim(here, 99, { author: authorOf(number) }), 0);
    const [open] = claims.undecided(server);
    if (open) expect(claims.settle(server, open, logOf(100, 1).slice(open.begin.size))).toHaveLength(256);
  });
});
