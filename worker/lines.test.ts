import { afterEach, describe, expect, it } from "vitest";
import { createMemoryStorage } from "../src/store/index.ts";
import type { Storage } from "../src/store/index.ts";
import type { DraftMessage, DocSnapshot } from "./api.ts";
import {
  closeDevices,
  draft,
  env,
  newSubscription,
  people,
  shownAfter,
  shownBy,
  startDevice,
  type Device,
} from "./device-fixtures.ts";

afterEach(closeDevices);

interface Place {
  readonly device: Device;
  readonly storage: Storage;
  readonly tenantId: string;
  readonly database: number;
  readonly id: string;
}

async function created(value: { [field: string]: string | number } = { text: "abc", n: 0 }): Promise<Place> {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage);
  const tenant = await device.api.createTenant(people);
  const database = newSubscription();
  await device.api.openDatabase(tenant.id, "notes", database);
  const [id = ""] = await device.api.createDocuments(database, [value]);
  return { device, storage, tenantId: tenant.id, database, id };
}

/** The same device's storage, in a worker that starts anew. */
async function reopened({ storage, tenantId, id }: Place): Promise<Place> {
  const device = await startDevice(storage);
  await device.api.openTenant(tenantId, {
    userName: undefined,
    password: people.userPassword,
    keepSession: false,
  });
  const database = newSubscription();
  await device.api.openDatabase(tenantId, "notes", database);
  await expect.poll(() => device.api.documentIds(database)).toContain(id);
  return { device, storage, tenantId, database, id };
}

interface Handle {
  readonly subscription: number;
  readonly place: Place;
  shown: DocSnapshot;
}

async function open(place: Place, branch?: string): Promise<Handle> {
  const subscription = newSubscription();
  const shown = await place.device.api.openDocument(place.database, place.id, subscription, branch);
  return { subscription, place, shown };
}

/** What the page shows now. */
function look(handle: Handle): DocSnapshot {
  return shownBy(handle.place.device.events, handle.subscription, handle.shown);
}

/** Edit what is stored now, in a handle of its own. */
async function edit(
  place: Place,
  operations: DraftMessage["operations"],
  branch?: string,
): Promise<readonly string[]> {
  const handle = await open(place, branch);
  const { heads } = await place.device.api.changeDocument(
    handle.subscription,
    draft(operations, handle.shown.heads),
  );
  await place.device.api.closeDocument(handle.subscription);
  return heads;
}

const set = (path: string, value: string | number): DraftMessage["operations"] => [
  { op: "set", path: [path], value },
];
const insert = (index: number, text: string): DraftMessage["operations"] => [
  { op: "spliceText", path: ["text"], index, remove: 0, insert: text },
];
const valueOf = async (place: Place, branch?: string): Promise<unknown> =>
  (await open(place, branch)).shown.value;

describe("branches", () => {
  it("are edited unseen by the document, and become its part when merged", async () => {
    const place = await created();
    const { api } = place.device;
    const main = await open(place);
    await api.createBranch(place.database, place.id, "draft");
    expect(look(main).branches).toEqual(["draft"]);
    const branch = await open(place, "draft");
    expect(branch.shown).toMatchObject({ value: { text: "abc", n: 0 }, status: "ready", branches: [] });
    await edit(place, set("n", 5), "draft");
    await edit(place, insert(3, "!"));
    expect(look(main).value).toEqual({ text: "abc!", n: 0 });
    expect(look(branch).value).toEqual({ text: "abc", n: 5 });
    // A branch of that name is there: nothing happens.
    await api.createBranch(place.database, place.id, "draft");
    await api.endBranch(place.database, place.id, "draft", "merge");
    expect(look(main)).toMatchObject({ value: { text: "abc!", n: 5 }, branches: [] });
    expect(look(branch)).toMatchObject({ value: undefined, status: "deleted" });
    expect(look(branch).heads.length).toBe(1);
    const again = await reopened(place);
    expect(await valueOf(again)).toEqual({ text: "abc!", n: 5 });
    await edit(again, set("n", 6));
    expect(await valueOf(again)).toEqual({ text: "abc!", n: 6 });
  });

  it("leave nothing in the document when discarded, and can be made anew", async () => {
    const place = await created();
    const { api } = place.device;
    await api.createBranch(place.database, place.id, "draft");
    await edit(place, set("n", 5), "draft");
    const branch = await open(place, "draft");
    await api.endBranch(place.database, place.id, "draft", "discard");
    expect(look(branch)).toMatchObject({ value: undefined, status: "deleted" });
    const refused = api.changeDocument(branch.subscription, draft(set("n", 9), branch.shown.heads));
    await expect(refused).rejects.toMatchObject({ code: "doc/deleted" });
    // It has ended already.
    await api.endBranch(place.database, place.id, "draft", "merge");
    expect(await valueOf(place)).toEqual({ text: "abc", n: 0 });
    await api.createBranch(place.database, place.id, "draft");
    expect(await valueOf(place, "draft")).toEqual({ text: "abc", n: 0 });
    const again = await reopened(place);
    expect((await open(again)).shown).toMatchObject({ value: { text: "abc", n: 0 }, branches: ["draft"] });
    expect(await valueOf(again, "draft")).toEqual({ text: "abc", n: 0 });
  });

  it("take turns with the document under fresh actors, over a restart", async () => {
    const place = await created();
    const { api } = place.device;
    await api.createBranch(place.database, place.id, "a");
    await api.createBranch(place.database, place.id, "b");
    for (let i = 1; i <= 4; i++) {
      await edit(place, set(`main${i}`, i));
      await edit(place, set(`a${i}`, i), "a");
      await edit(place, set(`b${i}`, i), "b");
    }
    const again = await reopened(place);
    await again.device.api.endBranch(again.database, again.id, "a", "merge");
    expect(Object.keys((await valueOf(again)) as object).sort()).toEqual(
      ["text", "n", ...[1, 2, 3, 4].flatMap((i) => [`main${i}`, `a${i}`])].sort(),
    );
    expect(Object.keys((await valueOf(again, "b")) as object).length).toBe(6);
    await again.device.api.endBranch(again.database, again.id, "b", "merge");
    expect(Object.keys((await valueOf(again)) as object).length).toBe(14);
  });

  it("refuse names that are none, branches that never were, and a deleted document", async () => {
    const place = await created();
    const { api } = place.device;
    await expect(api.createBranch(place.database, place.id, "")).rejects.toMatchObject({
      code: "input/invalid",
    });
    await expect(api.endBranch(place.database, place.id, "x", "merge")).rejects.toMatchObject({
      code: "doc/missing",
    });
    expect((await open(place, "x")).shown).toMatchObject({ status: "failed", value: undefined });
    await api.createBranch(place.database, place.id, "x");
    await api.deleteDocument(place.database, place.id);
    await expect(api.endBranch(place.database, place.id, "x", "merge")).rejects.toMatchObject({
      code: "doc/deleted",
    });
    expect((await open(place, "x")).shown.status).toBe("deleted");
  });
});

describe("undo", () => {
  it("takes back and makes again, step by step, over a restart", async () => {
    const place = await created();
    await edit(place, set("n", 1));
    await edit(place, insert(3, "d"));
    await edit(place, set("n", 2));
    const states = [
      { text: "abcd", n: 2 },
      { text: "abcd", n: 1 },
      { text: "abc", n: 1 },
      { text: "abc", n: 0 },
    ];
    const handle = await open(place);
    const { api } = place.device;
    const options = { isRedo: false, groupMs: 0 };
    expect(await api.undoDepth(handle.subscription, 0)).toEqual({ undo: 3, redo: 0 });
    for (const state of states.slice(1)) {
      await api.undo(handle.subscription, options);
      expect(look(handle).value).toEqual(state);
    }
    expect(await api.undo(handle.subscription, options)).toBeUndefined();
    const again = await reopened(place);
    const other = await open(again);
    expect(await again.device.api.undoDepth(other.subscription, 0)).toEqual({ undo: 0, redo: 3 });
    for (const state of states.slice(0, 3).toReversed()) {
      await again.device.api.undo(other.subscription, { isRedo: true, groupMs: 0 });
      expect(look(other).value).toEqual(state);
    }
    await again.device.api.undo(other.subscription, options);
    expect(look(other).value).toEqual(states[1]);
    // A new edit: what was taken back is not made again.
    await edit(again, set("n", 7));
    expect(await again.device.api.undoDepth(other.subscription, 0)).toEqual({ undo: 3, redo: 0 });
    await again.device.api.undo(other.subscription, options);
    expect(look(other).value).toEqual({ text: "abcd", n: 1 });
  });

  it("takes what belongs together back at once", async () => {
    const place = await created();
    for (const [index, letter] of ["d", "e", "f"].entries()) await edit(place, insert(3 + index, letter));
    const handle = await open(place);
    const { api } = place.device;
    expect(await api.undoDepth(handle.subscription, 60_000)).toEqual({ undo: 1, redo: 0 });
    await api.undo(handle.subscription, { isRedo: false, groupMs: 60_000 });
    expect(look(handle).value).toEqual({ text: "abc", n: 0 });
    // However edits are grouped now: what was taken back together is made again together.
    expect(await api.undoDepth(handle.subscription, 0)).toEqual({ undo: 0, redo: 1 });
    await api.undo(handle.subscription, { isRedo: true, groupMs: 0 });
    expect(look(handle).value).toEqual({ text: "abcdef", n: 0 });
    await api.undo(handle.subscription, { isRedo: false, groupMs: 0 });
    expect(look(handle).value).toEqual({ text: "abc", n: 0 });
  });

  it("is a branch's own, and comes with it", async () => {
    const place = await created();
    const { api } = place.device;
    await edit(place, set("n", 1));
    await api.createBranch(place.database, place.id, "draft");
    await edit(place, set("n", 2), "draft");
    const branch = await open(place, "draft");
    await api.undo(branch.subscription, { isRedo: false, groupMs: 0 });
    expect(look(branch).value).toMatchObject({ n: 1 });
    expect(await valueOf(place)).toMatchObject({ n: 1 });
    await api.undo(branch.subscription, { isRedo: false, groupMs: 0 });
    expect(look(branch).value).toMatchObject({ n: 0 });
    expect(await valueOf(place)).toMatchObject({ n: 1 });
    await api.endBranch(place.database, place.id, "draft", "merge");
    expect(await valueOf(place)).toMatchObject({ n: 0 });
    const main = await open(place);
    expect(await api.undoDepth(main.subscription, 0)).toEqual({ undo: 0, redo: 2 });
  });

  it("does not undo a deleted document", async () => {
    const place = await created();
    await edit(place, set("n", 1));
    const handle = await open(place);
    await place.device.api.deleteDocument(place.database, place.id);
    const undo = place.device.api.undo(handle.subscription, { isRedo: false, groupMs: 0 });
    await expect(undo).rejects.toMatchObject({ code: "doc/deleted" });
  });
});

describe("the past", () => {
  it("is told step by step, each verified against its signed entry", async () => {
    const place = await created();
    const { api } = place.device;
    await edit(place, set("n", 1));
    const main = await open(place);
    await api.undo(main.subscription, { isRedo: false, groupMs: 0 });
    await api.undo(main.subscription, { isRedo: true, groupMs: 0 });
    await api.createBranch(place.database, place.id, "draft");
    await edit(place, set("n", 2), "draft");
    await api.endBranch(place.database, place.id, "draft", "merge");
    await api.createBranch(place.database, place.id, "other");
    await api.endBranch(place.database, place.id, "other", "discard");
    await api.deleteDocument(place.database, place.id);
    await api.undeleteDocument(place.database, place.id);
    const { steps, isDone } = await api.history(place.database, place.id, 0);
    expect(isDone).toBe(true);
    expect(steps.map(({ kind }) => kind)).toEqual([
      "create",
      "change",
      "undo",
      "redo",
      "branch",
      "change",
      "merge",
      "branch",
      "discard",
      "delete",
      "undelete",
    ]);
    expect(steps.every(({ verified }) => verified)).toBe(true);
    expect(steps[1]?.patches).toEqual([{ op: "set", path: ["n"], value: 1 }]);
    expect(steps[5]).toMatchObject({ branch: "draft", patches: [{ op: "set", path: ["n"], value: 2 }] });
    expect(steps[1]?.parents).toEqual([steps[0]?.hash]);
    expect(await api.history(place.database, place.id, 9)).toEqual({ steps: steps.slice(9), isDone: true });
    const diff = await api.diff(main.subscription, [steps[0]?.hash ?? ""], [steps[5]?.hash ?? ""]);
    expect(diff).toEqual([{ op: "set", path: ["n"], value: 2 }]);
    await expect(api.diff(main.subscription, ["0".repeat(64)], [])).rejects.toMatchObject({
      code: "input/invalid",
    });
  });

  it("says which step the log no longer holds as it was signed", async () => {
    const place = await created();
    for (let i = 1; i <= 3; i++) await edit(place, set("n", i));
    await open(place);
    const store = await place.storage.openStore(`coffer/tenant/${place.tenantId}`);
    const records = await store.readLog({ after: 0, maxCount: 100, maxBytes: 1 << 30 });
    const last = records.at(-1);
    if (last === undefined) throw new Error("no record");
    const bytes = new Uint8Array(last.bytes);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await store.rewrite([{ position: last.position, bytes }]);
    store.close();
    const { steps } = await place.device.api.history(place.database, place.id, 0);
    expect(steps.map(({ verified }) => verified)).toEqual([true, true, true, false]);
    expect(steps.at(-1)?.patches).toEqual([{ op: "set", path: ["n"], value: 3 }]);
  });

  it("comes in pages", async () => {
    const place = await created();
    for (let i = 1; i <= 70; i++) await edit(place, set("n", i));
    const { api } = place.device;
    const first = await api.history(place.database, place.id, 0);
    const second = await api.history(place.database, place.id, 64);
    expect([first.steps.length, first.isDone, second.steps.length, second.isDone]).toEqual([
      64,
      false,
      7,
      true,
    ]);
    expect(second.steps.at(-1)?.patches).toEqual([{ op: "set", path: ["n"], value: 70 }]);
  });

  it("can be looked at by time", async () => {
    const place = await created();
    const { api } = place.device;
    const times: number[] = [];
    const pause = async (): Promise<void> => {
      const now = env.nowMs();
      times.push(now);
      await expect.poll(() => env.nowMs()).toBeGreaterThan(now);
    };
    await pause();
    await edit(place, set("n", 1));
    await api.createBranch(place.database, place.id, "draft");
    await edit(place, set("n", 5), "draft");
    await pause();
    await api.deleteDocument(place.database, place.id);
    await pause();
    await api.undeleteDocument(place.database, place.id);
    await api.endBranch(place.database, place.id, "draft", "merge");
    await pause();
    const [made, edited, deleted, merged] = await Promise.all(
      times.map((time) => api.documentAt(place.database, place.id, time)),
    );
    expect(made).toMatchObject({ status: "ready", value: { n: 0 } });
    expect(edited).toMatchObject({ status: "ready", value: { n: 1 } });
    expect(deleted).toMatchObject({ status: "deleted", value: undefined });
    expect(merged).toMatchObject({ status: "ready", value: { n: 5 } });
    expect(await api.documentAt(place.database, place.id, 1)).toMatchObject({ value: undefined, heads: [] });
  });

  it("tells marks", async () => {
    const place = await created();
    const main = await open(place);
    const mark = {
      op: "mark",
      path: ["text"],
      range: { start: 0, end: 2 },
      name: "bold",
      value: true,
    } as const;
    await place.device.api.changeDocument(main.subscription, draft([mark], main.shown.heads));
    expect(await place.device.api.marks(main.subscription, ["text"])).toEqual([
      { start: 0, end: 2, name: "bold", value: true },
    ]);
    await expect(place.device.api.marks(main.subscription, ["n"])).rejects.toMatchObject({
      code: "input/invalid",
    });
  });
});

describe("what a page is told", () => {
  it("is what differs, and the whole where it has nothing", async () => {
    const place = await created({ text: "x".repeat(10_000), n: 0 });
    const { api, events } = place.device;
    const [writer, reader] = [await open(place), await open(place)];
    const { update } = await api.changeDocument(
      writer.subscription,
      draft(insert(5, "y"), writer.shown.heads),
    );
    expect(update).toMatchObject({ patches: [{ op: "spliceText", index: 5, insert: "y" }] });
    const told = events.flatMap((event) =>
      event.kind === "doc" && event.subscription === reader.subscription ? [event.update] : [],
    );
    expect(told).toMatchObject([{ patches: [{ op: "spliceText", index: 5, insert: "y" }] }]);
    expect(look(reader).value).toEqual(shownAfter(writer.shown, update).value);
    await api.lock(place.tenantId);
    expect(look(reader)).toMatchObject({ status: "locked", value: undefined });
    await api.unlock(place.tenantId, { password: people.userPassword });
    await expect.poll(() => look(reader).status).toBe("ready");
    const last = events.findLast(
      (event) => event.kind === "doc" && event.subscription === reader.subscription,
    );
    expect(last).toHaveProperty("update.value");
  });

  it("is the whole where that is less", async () => {
    const place = await created({ text: "x".repeat(10_000), n: 0 });
    const main = await open(place);
    const { update } = await place.device.api.changeDocument(
      main.subscription,
      draft([{ op: "set", path: ["text"], value: "y".repeat(20_000) }], main.shown.heads),
    );
    expect(update).toHaveProperty("value");
    expect(shownAfter(main.shown, update)).toEqual((await open(place)).shown);
  });
});
