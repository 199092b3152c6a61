import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CofferError } from "../std/index.ts";
import { checkPassword, createSharePassword, requireStrongPassword } from "./index.ts";
import { createSeededCrypto } from "./seeded-crypto.ts";

describe("checkPassword", () => {
  test.each([
    "",
    "short",
    "1234567",
    "12345678",
    "87654321",
    "aaaaaaaaaaaa",
    "abababababab",
    "abcdefghijkl",
    "password",
    "Password1!",
    "P@ssw0rd",
    "pa55word2024",
    "qwertyuiop",
    "1q2w3e4r",
    "!!!iloveyou!!!",
    "ｐａｓｓｗｏｒｄ",
    "trustno1",
  ])("refuses %j with a hint", (password) => {
    const { ok, score, hint } = checkPassword(password);
    expect([ok, score]).toEqual([false, 0]);
    expect(hint).toMatch(/^[A-Z].*\.$/);
  });

  test.each([
    ["blue door", 1],
    ["kf8s2mq1", 2],
    ["tall ships sail at noon", 3],
    ["tall ships sail at noon, by 4 winds", 4],
    ["пароль на завтра", 4],
    ["x7$Kq!m2", 2],
  ] as const)("accepts %j with score %i", (password, score) => {
    expect(checkPassword(password)).toMatchObject({ ok: true, score });
  });

  test("says something about any text, and as much about a megabyte as about its beginning", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        const { ok, score, hint } = checkPassword(text);
        expect(hint.length).toBeGreaterThan(0);
        expect(ok).toBe(score > 0);
      }),
    );
    const start = "tall ships sail at noon, ".repeat(20);
    expect(checkPassword(start + "x".repeat(1_000_000))).toEqual(checkPassword(start));
  });
});

describe("what travels", () => {
  test.each([
    "lusab-babad-gutih-tugad",
    "tall ships sail at noon",
    "marble tunnel saffron",
    "Vq7rTz0LmX4sKp9w",
    "x7$Kq!m2vT9#pL4z",
    "лодка стоит на якоре",
  ])("may be behind %j", (password) => {
    expect(() => requireStrongPassword(password)).not.toThrow();
  });

  test.each([
    "michelle",
    "minecraft2024",
    "blue door",
    "q1w2e3r4t5y6u7i8o9p0",
    "aaa-aaa-aaa-aaa",
    "Password1!Password1!",
  ])("may not be behind %j", (password) => {
    expect(() => requireStrongPassword(password)).toThrow(CofferError);
  });
});

describe("createSharePassword", () => {
  test("makes four words of five letters from 64 random bits, strong by its own judgement", () => {
    const crypto = createSeededCrypto("share");
    const made = new Set(Array.from({ length: 500 }, () => createSharePassword(crypto)));
    expect(made.size).toBe(500);
    for (const password of made) {
      expect(password).toMatch(
        /^([bdfghjklmnprstvz][aiou][bdfghjklmnprstvz][aiou][bdfghjklmnprstvz](-|$)){4}$/,
      );
      expect(checkPassword(password).score).toBeGreaterThanOrEqual(3);
    }
  });

  test("spells every bit", () => {
    const spell = (...bytes: number[]): string =>
      createSharePassword({ randomBytes: () => new Uint8Array(bytes) as Uint8Array<ArrayBuffer> });
    expect(spell(127, 0, 0, 1, 63, 84, 220, 193)).toBe("lusab-babad-gutih-tugad");
    expect(spell(0, 0, 255, 255, 0, 0, 255, 255)).toBe("babab-zuzuz-babab-zuzuz");
  });
});
