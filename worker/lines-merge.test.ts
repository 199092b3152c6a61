import { isDeepStrictEqual } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import fc from "fast-check";
import { isCofferError } from "../src/std/index.ts";
import type { DocSnapshot, DraftMessage } from "./api.ts";
import { bring, eventually, logOf, setStage, type Replica } from "./attack-fixtures.ts";
import { closeDevices, draft, newSubscription } from "./device-fixtures.ts";

let one: Replica;
let two: Replica;
beforeEach(async () => {
  const stage = await setStage();
  [one, two] = [stage.victim, stage.villainReplica];
});
afterEach(closeDevices);

async function created(): Promise<string> {
  const [id = ""] = await one.device.api.createDocuments(one.database, [{ text: "", n: 0 }]);
  await exchange();
  await eventually(() => two.device.api.documentIds(two.database)).toContain(id);
  return id;
}

/** Bring each what the other has. */
async function exchange(): Promise<void> {
  const [ones, twos] = [await logOf(one), await logOf(two)];
  const lacking = (from: typeof ones, to: typeof ones): typeof ones => {
    const known = new Set(to.map(({ commitHash }) => commitHash));
    return from.filter(({ commitHash }) => !known.has(commitHash));
  };
  await bring(two, lacking(ones, twos));
  await bring(one, lacking(twos, ones));
}

async function open(replica: Replica, id: string, branch?: string): Promise<[number, DocSnapshot]> {
  const subscription = newSubscription();
  return [subscription, await replica.device.api.openDocument(replica.database, id, subscription, branch)];
}

async function edit(
  replica: Replica,
  id: string,
  operations: DraftMessage["operations"],
  branch?: string,
): Promise<void> {
  const [subscription, { heads }] = await open(replica, id, branch);
  await replica.device.api.changeDocument(subscription, draft(operations, heads));
}

const set = (field: string, value: number): DraftMessage["operations"] => [
  { op: "set", path: [field], value },
];

/** All that a replica shows of a document. */
async function shownBy(replica: Replica, id: string): Promise<unknown> {
  const [, main] = await open(replica, id);
  const branches = await Promise.all(main.branches.map(async (name) => (await open(replica, id, name))[1]));
  const { steps } = await replica.device.api.history(replica.database, id, 0);
  return { main, branches, steps };
}

async function converged(id: string): Promise<DocSnapshot> {
  await exchange();
  await eventually(async () => isDeepStrictEqual(await shownBy(one, id), await shownBy(two, id))).toBe(true);
  return (await open(one, id))[1];
}

describe("lines of a document that two users edit", () => {
  it.each(["merge", "discard"] as const)(
    "a branch that one edits while the other ends it by %s stays open, and nothing is lost",
    async (how) => {
      const id = await created();
      await one.device.api.createBranch(one.database, id, "draft");
      await edit(one, id, set("a", 1), "draft");
      await exchange();
      await eventually(async () => (await open(two, id))[1].branches).toEqual(["draft"]);
      await edit(two, id, set("late", 2), "draft");
      await one.device.api.endBranch(one.database, id, "draft", how);
      expect((await open(one, id))[1].branches).toEqual([]);
      const main = await converged(id);
      expect(main.branches).toEqual(["draft"]);
      expect(main.value).toEqual(how === "merge" ? { text: "", n: 0, a: 1 } : { text: "", n: 0 });
      expect((await open(one, id, "draft"))[1].value).toEqual({ text: "", n: 0, a: 1, late: 2 });
      await two.device.api.endBranch(two.database, id, "draft", "merge");
      expect((await converged(id)).value).toEqual({ text: "", n: 0, a: 1, late: 2 });
    },
    30_000,
  );

  it("are the same for both, whatever they do at the same time", async () => {
    const act = fc.record({
      by: fc.nat(1),
      kind: fc.constantFrom(
        "edit",
        "edit",
        "edit",
        "undo",
        "redo",
        "branch",
        "merge",
        "discard",
        "sync",
        "delete",
      ),
      line: fc.constantFrom(undefined, "a", "b"),
      value: fc.nat(999),
    });
    const runs = fc.sample(fc.array(act, { minLength: 12, maxLength: 24 }), { seed: 7, numRuns: 8 });
    for (const acts of runs) {
      const id = await created();
      for (const { by, kind, line, value } of acts) {
        const replica = by === 0 ? one : two;
        const { api } = replica.device;
        const { database } = replica;
        try {
          if (kind === "sync") await exchange();
          else if (kind === "edit")
            await edit(
              replica,
              id,
              [
                { op: "set", path: [`f${value % 3}`], value },
                { op: "spliceText", path: ["text"], index: 0, remove: 0, insert: String(value % 10) },
              ],
              line,
            );
          else if (kind === "branch") await api.createBranch(database, id, line ?? "a");
          else if (kind === "merge" || kind === "discard")
            await api.endBranch(database, id, line ?? "a", kind);
          else if (kind === "delete") {
            await api.deleteDocument(database, id);
            await api.undeleteDocument(database, id);
          } else {
            const [subscription] = await open(replica, id, line);
            await api.undo(subscription, { isRedo: kind === "redo", groupMs: value });
          }
        } catch (error) {
          // There is no such branch, or the other one deleted the document.
          if (!isCofferError(error) || !["doc/missing", "doc/deleted"].includes(error.code)) throw error;
        }
      }
      await converged(id);
    }
    for (const replica of [one, two])
      expect(replica.device.events.filter((event) => event.kind === "tenant").at(-1)).toMatchObject({
        snapshot: { quarantine: [] },
      });
  });
});
