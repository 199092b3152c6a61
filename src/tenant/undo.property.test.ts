import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { afterEach, describe, expect, it } from "vitest";
import fc from "fast-check";
import { bytesToHex, bytesToId } from "../std/index.ts";
import { isEmptyChange, loadAutomerge, type DocChange, type DocEngine, type OpenDoc } from "../doc/index.ts";
import type { DocValue, DraftOperation } from "../draft/index.ts";
import type { AcceptedEntry } from "./catalog.ts";
import { encodeNote, type Note } from "./note.ts";
import { countSteps, inversesOf, nextStep, readStacks } from "./undo.ts";

const wasm = createRequire(import.meta.url).resolve("@automerge/automerge/automerge.wasm");
const engine: DocEngine = await loadAutomerge(() => readFile(wasm));

const open: OpenDoc[] = [];
function closeAll(): void {
  for (const doc of open.splice(0)) doc.close();
}
afterEach(closeAll);

interface Written {
  readonly change: DocChange;
  readonly user: number;
  readonly atMs: number;
  readonly isCreate: boolean;
}

const numRuns = 60;
let lastActor = 0;
const freshActor = (): string =>
  bytesToHex(new Uint8Array(16).fill(7)).slice(8) + String(++lastActor).padStart(8, "0");

/** One user's replica: a document, what it is made of, and what that user can undo. */
class Replica {
  readonly user: number;
  readonly doc: OpenDoc;
  readonly written: Written[] = [];
  readonly #entries: AcceptedEntry[] = [];
  #actor = freshActor();

  constructor(user: number) {
    this.user = user;
    this.doc = engine.createDoc();
    open.push(this.doc);
  }

  get value(): { readonly [key: string]: DocValue } {
    return this.doc.value;
  }

  edit(
    operations: readonly DraftOperation[],
    atMs: number,
    at?: readonly string[],
    note: Note = {},
  ): boolean {
    const text = Object.keys(note).length === 0 ? "" : encodeNote(note);
    const { changes } = this.doc.replay({
      operations,
      baseHeads: at ?? this.doc.heads,
      actor: this.#actor,
      timeMs: atMs,
      note: text,
    });
    for (const change of changes)
      this.#enter({ change, user: this.user, atMs, isCreate: this.#entries.length === 0 });
    return changes.length > 0;
  }

  /** As undo.ts does it. */
  step(isRedo: boolean, atMs: number, groupMs = 0): boolean {
    const stacks = this.#stacks();
    const step = nextStep(stacks, { isRedo, groupMs });
    if (step === undefined) return false;
    let isDone = false;
    for (const { operations, at } of inversesOf(this.doc, stacks.entries, step))
      isDone = this.edit(operations, atMs, at, step.note) || isDone;
    if (isDone) return true;
    const note = encodeNote(step.note);
    const change = this.doc.emptyChange({ actor: this.#actor, timeMs: atMs, note });
    this.#actor = freshActor();
    this.#enter({ change, user: this.user, atMs, isCreate: false });
    return true;
  }

  get depth(): { readonly undo: number; readonly redo: number } {
    return countSteps(this.#stacks(), 0);
  }

  take(from: Replica): void {
    for (const written of from.written) {
      if (this.written.some(({ change }) => change.hash === written.change.hash)) continue;
      const { applied } = this.doc.applyChanges([written.change]);
      if (applied.length !== 1) throw new Error("not applied");
      this.#enter(written);
    }
  }

  #stacks(): ReturnType<typeof readStacks> {
    return readStacks(this.#entries, ({ position }) => this.written[position]?.user === this.user);
  }

  #enter(written: Written): void {
    const { change, atMs, isCreate } = written;
    const dependencies = change.deps.map((dep) =>
      this.#entries.findIndex(({ changeHash }) => changeHash === dep),
    );
    this.#entries.push({
      position: this.written.length,
      entryIndex: 0,
      entryHash: bytesToId("EntryHash", new Uint8Array(32)),
      changeHash: change.hash,
      dependencies,
      entryType: isCreate ? "doc_create" : "doc_change",
      actor: change.actor,
      seq: change.seq,
      note: change.note,
      atMs,
      isEmpty: isEmptyChange(change),
    });
    this.written.push(written);
  }
}

type Act =
  | {
      readonly kind: "edit";
      readonly what: "field" | "shared" | "insert" | "cut" | "push" | "pop";
      readonly at: number;
    }
  | { readonly kind: "undo" | "redo" | "sync" };

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("edit" as const),
      what: fc.constantFrom("field", "shared", "insert", "cut", "push", "pop"),
      at: fc.nat(1000),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: "undo" } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: "redo" } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: "sync" } as const) },
);

let lastToken = 0;

/** Tokens are characters and words that no other edit makes; their first part says whose they are. */
const tokenOf = (user: number): string =>
  String.fromCodePoint(0x4e00 + user * 0x1000 + (lastToken++ % 0x1000));
const ownerOf = (token: string): number => Math.floor(((token.codePointAt(0) ?? 0) - 0x4e00) / 0x1000);

/** A text; nothing that is none. */
function textOf(value: unknown): string {
  if (typeof value !== "string") throw new Error(`a text was expected, and found ${typeof value}`);
  return value;
}

function operationsOf(
  replica: Replica,
  { what, at }: Extract<Act, { kind: "edit" }>,
): readonly DraftOperation[] {
  const { user, value } = replica;
  const token = tokenOf(user);
  const text = textOf(value["text"]);
  const list = Array.isArray(value["list"]) ? value["list"] : [];
  const own = (tokens: readonly unknown[]): number => {
    const indexes = tokens.flatMap((one, index) => (ownerOf(String(one)) === user ? [index] : []));
    return indexes[at % Math.max(1, indexes.length)] ?? -1;
  };
  switch (what) {
    case "field":
      return [{ op: "set", path: [`own${user}`], value: token }];
    case "shared":
      return [{ op: "set", path: ["shared"], value: token }];
    case "insert":
      return [{ op: "spliceText", path: ["text"], index: at % (text.length + 1), remove: 0, insert: token }];
    case "push":
      return [{ op: "splice", path: ["list"], index: at % (list.length + 1), remove: 0, values: [token] }];
    case "cut": {
      const index = own(Array.from(text));
      return index < 0 ? [] : [{ op: "spliceText", path: ["text"], index, remove: 1, insert: "" }];
    }
    case "pop": {
      const index = own(list);
      return index < 0 ? [] : [{ op: "splice", path: ["list"], index, remove: 1, values: [] }];
    }
  }
}

function created(userCount: number): Replica[] {
  closeAll();
  const replicas = Array.from({ length: userCount }, (_, user) => new Replica(user));
  const [first] = replicas;
  first?.edit(
    [
      { op: "set", path: ["text"], value: "" },
      { op: "set", path: ["list"], value: [] },
    ],
    1,
  );
  for (const replica of replicas) if (first !== undefined && replica !== first) replica.take(first);
  return replicas;
}

function syncAll(replicas: readonly Replica[]): void {
  for (const to of replicas) for (const from of replicas) if (to !== from) to.take(from);
}

const tokensIn = (replica: Replica): readonly string[] => [
  ...Array.from(textOf(replica.value["text"])),
  ...(Array.isArray(replica.value["list"]) ? replica.value["list"].map(String) : []),
];

function unordered(value: Replica["value"]): unknown {
  const list = Array.isArray(value["list"]) ? value["list"] : [];
  return { ...value, text: Array.from(textOf(value["text"])).sort(), list: list.map(String).sort() };
}

describe("undo", () => {
  it("of everything gives the created document, and redo of everything the last one", () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 20 }), (acts) => {
        const [replica] = created(1);
        if (replica === undefined) return;
        const first = replica.value;
        let atMs = 1;
        for (const one of acts) {
          atMs += 1;
          if (one.kind === "edit") replica.edit(operationsOf(replica, one), atMs);
          if (one.kind === "undo" || one.kind === "redo") replica.step(one.kind === "redo", atMs);
        }
        const last = replica.value;
        while (replica.depth.redo > 0) replica.step(true, ++atMs);
        const whole = replica.value;
        const values = [whole];
        while (replica.step(false, ++atMs)) values.push(replica.value);
        expect(replica.value).toEqual(first);
        expect(replica.depth.undo).toBe(0);
        for (const value of values.toReversed().slice(1)) {
          expect(replica.step(true, ++atMs)).toBe(true);
          expect(replica.value).toEqual(value);
        }
        expect(replica.step(true, ++atMs)).toBe(false);
        expect(replica.value).toEqual(whole);
        expect(values.some((value) => JSON.stringify(value) === JSON.stringify(last))).toBe(true);
      }),
      { numRuns },
    );
  });

  it("never takes what others wrote, and makes again what it took back", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 3 }),
        fc.array(fc.tuple(fc.nat(2), act), { maxLength: 40 }),
        (count, acts) => {
          const replicas = created(count);
          let atMs = 1;
          for (const [by, one] of acts) {
            const replica = replicas[by % count];
            if (replica === undefined) continue;
            atMs += 1;
            if (one.kind === "edit") replica.edit(operationsOf(replica, one), atMs);
            if (one.kind === "sync") for (const from of replicas) if (from !== replica) replica.take(from);
            if (one.kind !== "undo" && one.kind !== "redo") continue;
            const before = replica.value;
            const theirs = tokensIn(replica).filter((token) => ownerOf(token) !== replica.user);
            const isDone = replica.step(one.kind === "redo", atMs);
            expect(tokensIn(replica).filter((token) => ownerOf(token) !== replica.user)).toEqual(theirs);
            for (const [field, value] of Object.entries(before))
              if (field.startsWith("own") && field !== `own${replica.user}`)
                expect(replica.value[field]).toBe(value);
            const shared = before["shared"];
            if (one.kind === "undo" && shared !== undefined && ownerOf(textOf(shared)) !== replica.user)
              expect(replica.value["shared"]).toBe(shared);
            if (one.kind !== "undo" || !isDone) continue;
            const undone = replica.value["shared"];
            replica.step(true, ++atMs);
            // Under it stood what somebody else wrote at the same time: that is not overwritten by making it again.
            if (undone !== undefined && ownerOf(textOf(undone)) !== replica.user) continue;
            // Where others wrote at the same time, what comes back may stand on their other side.
            expect(unordered(replica.value)).toEqual(unordered(before));
          }
          syncAll(replicas);
          for (const replica of replicas) expect(replica.value).toEqual(replicas[0]?.value);
        },
      ),
      { numRuns },
    );
  });

  it("of one user leaves the others' documents as if that user had not been there", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1), act), { maxLength: 30 }), (acts) => {
        const replicas = created(2);
        let atMs = 1;
        for (const [by, one] of acts) {
          const replica = replicas[by];
          atMs += 1;
          if (replica === undefined || one.kind === "undo" || one.kind === "redo") continue;
          // Only the other one: with what a user cut, undo brings a copy back.
          const isOwn =
            one.kind === "edit" && (one.what === "cut" || one.what === "pop" || one.what === "shared");
          if (by === 0 && isOwn) continue;
          if (one.kind === "edit") replica.edit(operationsOf(replica, one), atMs);
          else syncAll(replicas);
        }
        syncAll(replicas);
        const [first, second] = replicas;
        if (first === undefined || second === undefined) return;
        while (first.step(false, ++atMs));
        syncAll(replicas);
        expect(tokensIn(second).filter((token) => ownerOf(token) === 0)).toEqual([]);
        expect(second.value["own0"]).toBeUndefined();
        expect(second.value).toEqual(first.value);
      }),
      { numRuns },
    );
  });
});
