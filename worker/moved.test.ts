/** What an edit moves, from the recorder of the page through the worker into the document. */
import { afterEach, expect, it } from "vitest";
import { Counter, encodeInitialValue, increment, recordDraft } from "../src/draft/index.ts";
import { createMemoryStorage } from "../src/store/index.ts";
import { closeDevices, draft, env, newSubscription, people, startDevice } from "./device-fixtures.ts";

interface Board {
  todo: { name: string; votes: Counter }[];
  done: { name: string; votes: Counter }[];
  counts: Counter[];
}

afterEach(closeDevices);

it("a counter that was moved counts what two edits at the same time add to it", async () => {
  const { api } = await startDevice(createMemoryStorage(env));
  const tenant = await api.createTenant(people);
  const database = newSubscription();
  await api.openDatabase(tenant.id, "boards", database);
  const board = { todo: [{ name: "first", votes: Counter(1) }], done: [], counts: [Counter(5), Counter(3)] };
  const [id = ""] = await api.createDocuments(database, [encodeInitialValue(board)]);
  const doc = newSubscription();
  const opened = await api.openDocument(database, id, doc);
  const edit = async (heads: readonly string[], run: (board: Board) => void): Promise<readonly string[]> => {
    const [read] = await api.readDocuments(database, [id]);
    const { operations } = recordDraft<Board>(read?.snapshot.value as never, run as never);
    return (await api.changeDocument(doc, draft(structuredClone(operations), heads))).heads;
  };
  const moved = await edit(opened.heads, (d) => {
    d.done.push(...d.todo.splice(0, 1));
    d.counts.sort();
  });
  const add = (d: Board): void => {
    increment(d, ["done", 0, "votes"], 2);
    increment(d, ["counts", 0], 1);
  };
  await edit(moved, add);
  await edit(moved, add);
  expect((await api.readDocuments(database, [id]))[0]?.snapshot.value).toEqual({
    todo: [],
    done: [{ name: "first", votes: 5 }],
    counts: [5, 5],
  });
});
