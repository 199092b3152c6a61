import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { bytesToHex } from "../std/index.ts";
import { encodeNote, isBranchName, parseNote, takenOf, type Note } from "./note.ts";

interface Vectors {
  readonly good: readonly { readonly message: string; readonly note: Note }[];
  readonly none: readonly string[];
}

const vectors = JSON.parse(
  await readFile(new URL("./note.vectors.json", import.meta.url), "utf8"),
) as Vectors;

describe("note", () => {
  it.each(vectors.good)("reads and writes $message", ({ message, note }) => {
    expect(parseNote(message)).toEqual(note);
    expect(encodeNote(note)).toBe(message);
  });

  it.each(vectors.none)("finds no note in %j", (message) => {
    expect(parseNote(message)).toEqual({});
  });

  it("reads what it writes, within the limit of a change", () => {
    const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 64 }).filter(isBranchName);
    const taken = fc
      .tuple(
        fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytesToHex),
        fc.integer({ min: 1, max: 99_999 }),
      )
      .map(([hash, count]) => takenOf(hash, count));
    const note: fc.Arbitrary<Note> = fc.oneof(
      fc.record({ branch: name }),
      fc.record({ branch: name, undo: taken }),
      fc.record({ redo: taken }),
      fc.record({ merge: name }),
      fc.record({ branch: name, discard: fc.constant(true as const) }),
    );
    fc.assert(
      fc.property(note, (written) => {
        const message = encodeNote(written);
        expect(new TextEncoder().encode(message).length).toBeLessThanOrEqual(256);
        expect(parseNote(message)).toEqual(written);
      }),
    );
  });

  it("never throws, whatever the message", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.json()), (message) => {
        const note = parseNote(message);
        if (Object.keys(note).length > 0) expect(encodeNote(note)).toBe(message);
      }),
    );
  });

  it("holds the longest name with the longest taking back", () => {
    const branch = "\u{FFFD}".repeat(64);
    const note: Note = { branch, undo: takenOf("f".repeat(64), 99_999) };
    expect(parseNote(encodeNote(note))).toEqual(note);
    const quoted: Note = { branch: '"'.repeat(64), undo: takenOf("f".repeat(64), 99_999) };
    expect(parseNote(encodeNote(quoted))).toEqual(quoted);
  });

  it("knows names of branches", () => {
    for (const name of ["draft-2", "a", "é✓", "x".repeat(64), '"\\']) expect(isBranchName(name)).toBe(true);
    for (const name of ["", "x".repeat(65), "a\nb", "\u0085", "\ud800", 7, undefined])
      expect(isBranchName(name)).toBe(false);
  });
});
