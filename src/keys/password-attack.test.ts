/** Guessing what travels: a kit of a hundred thousand common passwords against invitations, handed-on keys and backups. */
import { dictionary } from "@zxcvbn-ts/language-common";
import { describe, expect, test } from "vitest";
import { CofferError } from "../std/index.ts";
import { createSharePassword, requireStrongPassword } from "./index.ts";
import { createSeededCrypto } from "./seeded-crypto.ts";

/** The commonest first, then the same with what people hang on them. */
function guessingKit(): readonly string[] {
  const common = dictionary["passwords-common"];
  if (!Array.isArray(common)) throw new Error("The dictionary has another form now");
  const kit = new Set<string>(common as readonly string[]);
  for (const ending of ["1", "123", "!"])
    for (const word of common as readonly string[]) kit.add(`${word}${ending}`);
  return [...kit].slice(0, 100_000);
}

function isTaken(password: string): boolean {
  try {
    requireStrongPassword(password);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(CofferError);
    expect((error as CofferError).code).toBe("input/weak-password");
    return false;
  }
}

describe("a kit of 100,000 common passwords", () => {
  const kit = guessingKit();

  test("has that many", () => {
    expect(kit.length).toBe(100_000);
  });

  test("holds none that anybody could have put on what travels", () => {
    expect(kit.filter((password) => isTaken(password))).toEqual([]);
  });

  test("holds none that is offered", () => {
    const crypto = createSeededCrypto("kit");
    const offered = createSharePassword(crypto);
    expect(isTaken(offered)).toBe(true);
    const shape = /^([bdfghjklmnprstvz][aiou][bdfghjklmnprstvz][aiou][bdfghjklmnprstvz](-|$)){4}$/;
    expect(offered).toMatch(shape);
    expect(kit.filter((password) => shape.test(password.toLowerCase()))).toEqual([]);
  });
});
