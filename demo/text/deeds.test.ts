import type { AuditStep } from "cofferdb";
import { describe, expect, test } from "vitest";
import { describeDeeds, describeVerdict, isAdmins } from "./deeds.ts";

const nameOf = (key: string): string => (key === "k" ? "Gustav" : "someone");
const step: AuditStep = {
  commitHash: "c",
  author: "k",
  atMs: 0,
  databaseId: "d",
  database: undefined,
  verdict: "accepted",
  reason: "",
  refused: "",
  verified: true,
  chain: "whole",
  deeds: [],
};

describe("deeds in words", () => {
  test.each([
    [["doc_create"], "made a film"],
    [["doc_create", "doc_create", "doc_change"], "made 2 films, changed a film"],
    [["revokeaccess", "keyepoch", "keyepoch"], "revoked Gustav, gave out a key"],
    [[], "wrote what cannot be read here"],
  ] as const)("%j", (what, words) => {
    expect(
      describeDeeds(
        what.map((one) => ({ what: one, userKey: "k" })),
        nameOf,
      ),
    ).toBe(words);
  });

  test("what is written into the directory is the admin's", () => {
    expect(isAdmins({ ...step, deeds: [{ what: "keyepoch" }] })).toBe(true);
    expect(isAdmins({ ...step, deeds: [{ what: "doc_create" }] })).toBe(false);
    expect(isAdmins({ ...step, verdict: "quarantined", deeds: [{ what: "role" }] })).toBe(false);
  });

  test.each<[Partial<AuditStep>, string | undefined]>([
    [{}, undefined],
    [{ verified: false, verdict: "quarantined" }, "damaged on this device"],
    [{ chain: "fork" }, "one of two written for the same place"],
    [{ chain: "gap" }, "something before it is missing here"],
    [{ verdict: "quarantined", reason: "role" }, "put aside: role"],
    [{ verdict: "quarantined", refused: "limit" }, "put aside: limit"],
    [{ verdict: "waiting", reason: "key" }, "sealed for others"],
    [{ verdict: "waiting", reason: "dependency" }, "waits: dependency"],
    [{ refused: "limit" }, "partly put aside: limit"],
  ])("what became of it: %j", (about, words) => {
    expect(describeVerdict({ ...step, ...about })).toBe(words);
  });
});
