import { describe, expect, test } from "vitest";
import { bytesToBase64url, bytesToId, CofferError } from "../std/index.ts";
import { createAsMember } from "./as-member.ts";

/** A server that gives numbered tokens, each for a minute. */
function createPlace(expiresInMs = 60_000) {
  const state = { nowMs: 0, given: 0, serverKeys: 0 };
  const asMember = createAsMember({
    env: { monotonicMs: () => state.nowMs },
    crypto: {
      sign: async () => new Uint8Array(64),
      randomBytes: (length) => new Uint8Array(length),
    },
    http: {
      origin: "https://relay.example",
      async postJson(path) {
        if (path.endsWith("challenge")) return { challenge: "AAAA" };
        state.given += 1;
        return { token: bytesToBase64url(new Uint8Array(32).fill(state.given)), expiresInMs };
      },
    },
    tenantId: bytesToId("TenantId", new Uint8Array(32)),
    signer: { key: bytesToId("AuthorKey", new Uint8Array(32)), privateKey: {} as CryptoKey },
    async readServerKey() {
      state.serverKeys += 1;
      return new Uint8Array(32);
    },
  });
  return { state, asMember };
}

const numberOf = async (token: Uint8Array): Promise<number | undefined> => token[0];
const refusing =
  (code: "access/unauthenticated" | "access/revoked" | "net/timeout", heard: unknown[] = []) =>
  async (token: Uint8Array): Promise<never> => {
    heard.push(token[0]);
    throw new CofferError(code);
  };

describe("asking as a member", () => {
  test("signs in once, and again shortly before the token runs out", async () => {
    const { asMember, state } = createPlace();
    expect(await asMember(numberOf)).toBe(1);
    state.nowMs = 29_999;
    expect(await asMember(numberOf)).toBe(1);
    state.nowMs = 30_000;
    expect(await asMember(numberOf)).toBe(2);
    expect(state.given).toBe(2);
  });

  test("asks once more with a new token where the server knows the old one no more, and then gives up", async () => {
    const { asMember, state } = createPlace();
    let isForgotten = true;
    const answer = await asMember(async (token) => {
      if (isForgotten) {
        isForgotten = false;
        throw new CofferError("access/unauthenticated");
      }
      return token[0];
    });
    expect(answer).toBe(2);
    const heard: unknown[] = [];
    await expect(asMember(refusing("access/unauthenticated", heard))).rejects.toMatchObject({
      code: "access/unauthenticated",
    });
    expect(heard).toEqual([2, 3]);
    expect(state.given).toBe(3);
  });

  test("who was refused signs in anew the next time, and a failing network costs no token", async () => {
    const { asMember } = createPlace();
    await expect(asMember(refusing("net/timeout"))).rejects.toMatchObject({ code: "net/timeout" });
    expect(await asMember(numberOf)).toBe(1);
    await expect(asMember(refusing("access/revoked"))).rejects.toMatchObject({ code: "access/revoked" });
    expect(await asMember(numberOf)).toBe(2);
  });
});
