import { describe, expect, it } from "vitest";
import { bytesToId, CofferError, type DocId } from "../std/index.ts";
import { CreationQueue } from "./creation-queue.ts";
import { Serial } from "./serial.ts";

const idOf = (number: number): DocId => bytesToId("DocId", new Uint8Array(16).fill(number));
const nextTask = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A queue whose creations are stored, or fail, when the test says so. */
function createWorld() {
  const serial = new Serial();
  const events: string[] = [];
  const storing: { readonly name: string; end(error?: Error): void }[] = [];
  const queue = new CreationQueue(async ({ values, keyName }, isOver) => {
    await nextTask();
    if (isOver()) {
      events.push(`refused ${keyName}`);
      return { stored: Promise.reject(new CofferError("aborted")) };
    }
    events.push(`sealed ${keyName}`);
    const stored = new Promise<readonly DocId[]>((resolve, reject) => {
      storing.push({
        name: keyName,
        end: (error) =>
          error === undefined ? resolve(values.map((_, index) => idOf(index))) : reject(error),
      });
    });
    return { stored };
  });
  const create = (keyName: string, run?: number): Promise<string> =>
    queue
      .create({ values: [{}], keyName, run }, (step) => serial.run(step))
      .then(
        () => "stored",
        (error: unknown) => (error instanceof CofferError ? error.code : String(error)),
      );
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await nextTask();
  };
  return { serial, events, storing, create, queue, settle };
}

describe("creations that wait", () => {
  it("are sealed while those before them are being stored, and end when they are stored", async () => {
    const { create, events, storing, settle } = createWorld();
    const ends = [create("a"), create("b")];
    await settle();
    expect(events).toEqual(["sealed a", "sealed b"]);
    for (const one of storing) one.end();
    expect(await Promise.all(ends)).toEqual(["stored", "stored"]);
  });

  it("let others have their turn after a few", async () => {
    const { serial, create, events, storing, settle } = createWorld();
    const ends = ["a", "b", "c", "d"].map((name) => create(name));
    const other = serial.run(async () => void events.push("edit"));
    ends.push(create("e"));
    await settle();
    expect(events).toEqual(["sealed a", "sealed b", "sealed c", "sealed d"]);
    for (const one of storing) one.end();
    await settle();
    expect(events.slice(4)).toEqual(["edit", "sealed e"]);
    storing.at(-1)?.end();
    expect(await Promise.all(ends)).toEqual(Array.from({ length: 5 }, () => "stored"));
    await other;
  });

  it("of one run are not stored behind one that failed; others are", async () => {
    const { create, events, storing, settle } = createWorld();
    const first = create("a", 7);
    await settle();
    storing[0]?.end(new CofferError("store/quota"));
    expect(await first).toBe("store/quota");
    const behind = [create("b", 7), create("c", 8)];
    await settle();
    expect(events).toEqual(["sealed a", "refused b", "sealed c"]);
    storing[1]?.end();
    expect(await Promise.all(behind)).toEqual(["aborted", "stored"]);
  });

  it("are given up when the queue refuses them", async () => {
    const { queue, create, events, settle } = createWorld();
    const refused = queue.create({ values: [{}], keyName: "a" }, () =>
      Promise.reject(new CofferError("access/locked")),
    );
    await expect(refused).rejects.toMatchObject({ code: "access/locked" });
    void create("b");
    await settle();
    expect(events).toEqual(["sealed b"]);
  });
});
