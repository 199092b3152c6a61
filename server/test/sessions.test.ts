import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesToHex, bytesToId } from "../../src/std/index.ts";
import { createSessions, type Session } from "../src/sessions.ts";
import { crypto } from "./fixtures.ts";
import vectors from "./token.vectors.json";

const key = new Uint8Array(32).fill(9);
const session: Session = {
  tenantId: bytesToId("TenantId", new Uint8Array(32).fill(1)),
  userKey: bytesToId("AuthorKey", new Uint8Array(32).fill(2)),
  key: bytesToId("AuthorKey", new Uint8Array(32).fill(3)),
  expiresAtMs: 1_700_000_000_000,
};
const at = (nowMs: number) => ({ nowMs: () => nowMs });
const before = createSessions(crypto, at(session.expiresAtMs - 1), key);

describe("a token", () => {
  it("has its frozen bytes, and gives back its session", () => {
    const token = before.open(session);
    expect(bytesToHex(token)).toBe(vectors.token);
    expect(before.find(token)).toEqual(session);
  });

  it("ends at its time, and is unknown under another key", () => {
    const token = before.open(session);
    expect(createSessions(crypto, at(session.expiresAtMs), key).find(token)).toBeUndefined();
    const other = createSessions(crypto, at(0), new Uint8Array(32).fill(8));
    expect(other.find(token)).toBeUndefined();
  });

  it("is unknown with any bit changed, and so is everything else", () => {
    const token = before.open(session);
    fc.assert(
      fc.property(fc.nat(token.length * 8 - 1), (bit) => {
        const changed = Uint8Array.from(token);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(before.find(changed)).toBeUndefined();
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(before.find(bytes)).toBeUndefined();
      }),
    );
  });
});
