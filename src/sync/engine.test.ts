import { describe, expect, test } from "vitest";
import { bytesToId, type CommitHash } from "../std/index.ts";
import { createWebVerifier } from "../crypto/index.ts";
import { createEngineState, step } from "./engine.ts";
import type { Effect, EngineEvent, EngineState, JudgedFrame, OutboxRecord } from "./engine-types.ts";
import { appendLeaves, digestHeads, emptyFrontier, rootOf } from "./merkle.ts";

const crypto = createWebVerifier();
const dbId = bytesToId("DbId", new Uint8Array(16).fill(2));
const directoryDbId = bytesToId("DbId", new Uint8Array(16).fill(1));
const hashOf = (n: number): CommitHash => bytesToId("CommitHash", new Uint8Array(32).fill(n));
const signature = new Uint8Array(64);
type Timeless = EngineEvent extends infer One
  ? One extends EngineEvent
    ? Omit<One, "nowMs">
    : never
  : never;

/** An engine whose effects are looked at, not performed. */
function createBench(mode: "live" | "once" = "live", hasLive = false) {
  let state: EngineState = createEngineState({ replicaId: new Uint8Array(16), directoryDbId, mode, hasLive });
  let effects: readonly Effect[] = [];
  const tell = (event: Timeless): readonly Effect[] => {
    ({ state, effects } = step(crypto, state, { ...event, nowMs: 1 }));
    return effects;
  };
  const bench = {
    tell,
    get state() {
      return state;
    },
    frame: (frame: JudgedFrame) => tell({ kind: "frame", session: state.session, frame }),
    failed: (code: Extract<Timeless, { kind: "failed" }>["code"], retryAfterMs = 0) =>
      tell({ kind: "failed", session: state.session, code, retryAfterMs }),
    answered: () => tell({ kind: "answered", session: state.session }),
    /** up to a running exchange */
    start(lastPosition = 0) {
      tell({ kind: "start" });
      tell({
        kind: "loaded",
        databases: [],
        outbox: { position: 0, everythingThrough: 0, refused: [] },
        lastPosition,
        unproven: [],
        lacking: [],
      });
      return tell({
        kind: "authenticated",
        session: state.session,
        token: new Uint8Array(32),
        canRepair: false,
      });
    },
    complete() {
      const rows = [...state.databases.values()]
        .filter((one) => one.size > 0)
        .map((one) => ({ ...one, root: rootOf(crypto, one) }));
      const head = { databaseCount: rows.length, digest: digestHeads(crypto, rows), timeMs: 9, signature };
      bench.frame({ type: "tenant-head", head, isSigned: true });
      const effects = bench.frame({ type: "end", more: false });
      // On a live connection the frame is the end; an exchange ends with its answer.
      return state.link === "live" ? effects : bench.answered();
    },
  };
  return bench;
}

const of = <Kind extends Effect["kind"]>(effects: readonly Effect[], kind: Kind) =>
  effects.filter((effect): effect is Extract<Effect, { kind: Kind }> => effect.kind === kind);
const item = (n: number) => ({
  commitHash: hashOf(n),
  bytes: Uint8Array.of(n),
  isGenuine: true,
  isHere: false,
});
const commits = (fromSeq: number, ...ns: number[]): JudgedFrame => ({
  type: "commits",
  dbId,
  epoch: 5,
  fromSeq,
  items: ns.map(item),
});
const head = (timeMs: number, ...ns: number[]): JudgedFrame => {
  const log = appendLeaves(crypto, emptyFrontier, ns.map(hashOf));
  return {
    type: "head",
    head: { dbId, epoch: 5, size: ns.length, root: rootOf(crypto, log), timeMs, signature },
    isSigned: true,
  };
};
const record = (position: number): OutboxRecord => ({
  position,
  commitHash: hashOf(position),
  dbId,
  bytes: Uint8Array.of(position),
  isOwn: true,
});

describe("pull", () => {
  test("a run is stored with its state in one effect, and only after its head", () => {
    const bench = createBench();
    bench.start();
    expect(of(bench.frame(commits(0, 1, 2)), "store")).toEqual([]);
    const [store, ...others] = of(bench.frame(head(1, 1, 2)), "store");
    expect(others).toEqual([]);
    expect(store?.records.map((one) => one.commitHash)).toEqual([hashOf(1), hashOf(2)]);
    expect(store?.databases).toMatchObject([{ dbId, epoch: 5, size: 2 }]);
  });

  test.each<[string, JudgedFrame]>([
    ["another run", commits(2, 3)],
    ["the end", { type: "end", more: false }],
    ["a head of another size", head(1, 1, 2, 3)],
    ["an unsigned head", { ...(head(1, 1, 2) as Extract<JudgedFrame, { type: "head" }>), isSigned: false }],
    ["a frame of clients", { type: "unexpected" }],
  ])("a run followed by %s ends the conversation, nothing stored", (_name, next) => {
    const bench = createBench();
    bench.start();
    bench.frame(commits(0, 1, 2));
    const effects = bench.frame(next);
    expect(of(effects, "store")).toEqual([]);
    expect(of(effects, "cycle-ended")).toEqual([{ kind: "cycle-ended", code: "protocol/malformed" }]);
  });

  test("an old answer that comes late is no alarm, a new head that shows less is", () => {
    const bench = createBench();
    bench.start();
    bench.frame(commits(0, 1, 2, 3));
    bench.frame(head(10, 1, 2, 3));
    expect(of(bench.frame(head(10, 1, 2)), "alarm")).toEqual([]);
    bench.frame(commits(0, 1, 2));
    expect(of(bench.frame(head(11, 1, 2)), "alarm")).toEqual([]);
    expect(bench.state.link).toBe("exchanging");
    expect(of(bench.frame(head(12, 1, 2)), "alarm")).toMatchObject([
      { alarm: { kind: "rollback", dbId, known: { size: 3 } } },
    ]);
  });

  test("an unknown leaf asks for that database whole; whole answers with unknown leaves end it", () => {
    const bench = createBench();
    bench.start();
    const leaf: JudgedFrame = {
      type: "commits",
      dbId,
      epoch: 5,
      fromSeq: 0,
      items: [{ ...item(1), bytes: undefined }],
    };
    bench.frame(leaf);
    expect(of(bench.frame(head(1, 1)), "store")).toEqual([]);
    bench.frame({ type: "end", more: false });
    const [exchange] = of(bench.answered(), "exchange");
    expect(exchange?.frames).toContainEqual(
      expect.objectContaining({ type: "pull", full: true, allDatabases: false }),
    );
    expect(of(bench.frame(leaf), "cycle-ended")).toEqual([
      { kind: "cycle-ended", code: "protocol/malformed" },
    ]);
  });

  test("commits of proven places that come once more are stored for what they bring, and nothing moves", () => {
    const bench = createBench();
    bench.start();
    bench.frame(commits(0, 1, 2));
    bench.frame(head(2, 1, 2));
    const again = commits(1, 2);
    const { databases } = bench.state;
    expect(of(bench.frame(again), "store")).toMatchObject([
      { records: [{ commitHash: hashOf(2) }], databases: [] },
    ]);
    bench.frame(head(2, 1, 2));
    expect(bench.state.databases.get(dbId)?.size).toBe(databases.get(dbId)?.size);
    // What is not lacked, and what reaches beyond the proven end, is not taken so.
    const items = again.type === "commits" ? again.items?.map((item) => ({ ...item, isHere: true })) : [];
    expect(of(bench.frame({ ...again, items } as JudgedFrame), "store")).toEqual([]);
    bench.frame(head(2, 1, 2));
    expect(of(bench.frame(commits(1, 2, 3)), "store")).toEqual([]);
    bench.frame(head(3, 1, 2, 3));
    bench.frame({ type: "end", more: false });
    expect(of(bench.answered(), "cycle-ended")).toEqual([]);
  });

  test("what commits lack here is asked for once, from servers that reconcile", () => {
    for (const canRepair of [true, false]) {
      const bench = createBench();
      bench.tell({ kind: "start" });
      const outbox = { position: 0, everythingThrough: 0, refused: [] };
      bench.tell({ kind: "loaded", databases: [], outbox, lastPosition: 1, unproven: [], lacking: [dbId] });
      const { session } = bench.state;
      bench.tell({ kind: "authenticated", session, token: new Uint8Array(32), canRepair });
      bench.frame({ type: "end", more: false });
      const asked = of(bench.answered(), "repair");
      expect(asked.map(({ dbIds }) => dbIds)).toEqual(canRepair ? [[dbId]] : []);
      if (!canRepair) continue;
      bench.tell({ kind: "repaired", session, receivedCount: 1 });
      bench.frame({ type: "end", more: false });
      expect(of(bench.answered(), "repair")).toEqual([]);
    }
  });

  test("a head that shows more is followed, also where the head of all logs knows of no more", () => {
    for (const isAhead of [true, false]) {
      const bench = createBench();
      bench.start();
      bench.frame(commits(0, 1));
      bench.frame(head(1, 1));
      if (isAhead) bench.frame(head(2, 1, 2));
      const asked = of(bench.complete(), "exchange").flatMap(({ frames }) => frames.map(({ type }) => type));
      expect(asked.includes("pull")).toBe(isAhead);
    }
  });

  test("the directory is asked for first", () => {
    const bench = createBench();
    bench.tell({ kind: "start" });
    const database = { epoch: 5, size: 0, frontier: [], headTimeMs: 0, audit: undefined };
    const databases = [dbId, directoryDbId].map((id) => ({ ...database, dbId: id }));
    bench.tell({
      kind: "loaded",
      databases,
      outbox: { position: 0, everythingThrough: 0, refused: [] },
      lastPosition: 0,
      unproven: [],
      lacking: [],
    });
    const effects = bench.tell({
      kind: "authenticated",
      session: bench.state.session,
      token: new Uint8Array(32),
      canRepair: false,
    });
    const pull = of(effects, "exchange")[0]?.frames.find((frame) => frame.type === "pull");
    expect(pull?.cursors.map((cursor) => cursor.dbId)).toEqual([directoryDbId, dbId]);
  });

  test("an answer without its end is a network failure, and what was proven stays", () => {
    const bench = createBench();
    bench.start();
    bench.frame(commits(0, 1));
    bench.frame(head(1, 1));
    expect(of(bench.answered(), "cycle-ended")).toEqual([{ kind: "cycle-ended", code: "net/failed" }]);
    expect(bench.state.databases.get(dbId)?.size).toBe(1);
  });
});

describe("push", () => {
  const ack = (...results: [number, "accepted" | "retry" | "refused"][]): JudgedFrame => ({
    type: "ack",
    dbId,
    results: results.map(([n, status]) => ({
      commitHash: hashOf(n),
      status,
      seq: 100 + n,
      code: status === "accepted" ? undefined : "access/denied",
    })),
  });
  const pushing = () => {
    const bench = createBench();
    expect(of(bench.start(3), "read-outbox")).toMatchObject([{ after: 0 }]);
    const effects = bench.tell({
      kind: "outbox",
      records: [record(1), record(2), record(3)],
      through: 3,
      hasConfirmed: false,
    });
    expect(of(effects, "exchange")[0]?.frames.map((frame) => frame.type)).toEqual(["hello", "push", "pull"]);
    return bench;
  };

  test("the position moves over what was accepted or refused only, in order", () => {
    const bench = pushing();
    bench.frame(ack([1, "accepted"], [3, "accepted"]));
    expect(bench.state.outbox.position).toBe(0);
    const effects = bench.frame(ack([2, "retry"]));
    expect(bench.state.outbox.position).toBe(1);
    expect(of(effects, "store")).toMatchObject([{ outbox: { position: 1 } }]);
    expect(of(effects, "set-timer")).toMatchObject([{ name: "outbox", spreadMs: 500 }]);
  });

  test("what the server puts off ends no cycle well, is told, and is sent again", () => {
    const bench = createBench();
    bench.start(1);
    bench.tell({ kind: "outbox", records: [record(1)], through: 1, hasConfirmed: false });
    const result = { commitHash: hashOf(1), status: "retry", seq: 0, code: "store/quota" } as const;
    bench.frame({ type: "ack", dbId, results: [result] });
    const effects = bench.complete();
    expect(of(effects, "cycle-ended")).toEqual([{ kind: "cycle-ended", code: "store/quota" }]);
    expect(bench.state.error).toBe("store/quota");
    bench.tell({ kind: "timer", name: "outbox" });
    bench.tell({ kind: "timer", name: "poll" });
    bench.tell({ kind: "outbox", records: [record(1)], through: 1, hasConfirmed: false });
    bench.frame({ type: "ack", dbId, results: [{ ...result, status: "accepted", code: undefined }] });
    bench.frame(commits(0, 1));
    bench.frame(head(5, 1));
    expect(of(bench.complete(), "cycle-ended")).toEqual([{ kind: "cycle-ended", code: undefined }]);
    expect(bench.state.error).toBeUndefined();
  });

  test("what is refused is quarantined and passed", () => {
    const bench = pushing();
    const effects = bench.frame(ack([1, "accepted"], [2, "refused"], [3, "accepted"]));
    expect(bench.state.outbox).toMatchObject({ position: 3, refused: [hashOf(2)] });
    expect(of(effects, "quarantine")).toEqual([
      { kind: "quarantine", commitHash: hashOf(2), code: "access/denied" },
    ]);
  });

  test("a commit of the directory that stands on one which was refused is refused too, and holds nothing up", () => {
    const directoryDbId = createBench().state.config.directoryDbId;
    for (const isDirectory of [true, false]) {
      const bench = createBench();
      const of = isDirectory ? directoryDbId : dbId;
      const records = [1, 2].map((n) => ({ ...record(n), dbId: of }));
      const behind = (n: number) =>
        ({ commitHash: hashOf(n), status: "retry", seq: 0, code: "directory/behind" }) as const;
      bench.start(2);
      for (const isAgain of [false, true]) {
        bench.tell({ kind: "outbox", records, through: 2, hasConfirmed: false });
        bench.frame({ type: "ack", dbId: of, results: [behind(1), behind(2)] });
        // Once it may be that what it stands on is on its way.
        expect(bench.state.outbox.position).toBe(isDirectory && isAgain ? 2 : 0);
        bench.complete();
        bench.tell({ kind: "timer", name: "outbox" });
        bench.tell({ kind: "timer", name: "poll" });
      }
      expect(bench.state.outbox.refused).toEqual(isDirectory ? [hashOf(1), hashOf(2)] : []);
    }
  });

  test("results for what was not sent change nothing", () => {
    const bench = pushing();
    bench.frame(ack([7, "accepted"], [8, "refused"]));
    expect(bench.state.outbox).toEqual({ position: 0, everythingThrough: 0, refused: [] });
  });
});

describe("what a server cannot judge yet", () => {
  const says = (
    bench: ReturnType<typeof createBench>,
    n: number,
    code?: "directory/behind" | "store/quota",
  ) => {
    const status = code === undefined ? ("accepted" as const) : ("retry" as const);
    return bench.frame({
      type: "ack",
      dbId,
      results: [{ commitHash: hashOf(n), status, seq: 100 + n, code }],
    });
  };
  const wants = (bench: ReturnType<typeof createBench>, ...ns: number[]) =>
    bench.frame({ type: "need", dbId, commits: ns.map(hashOf) });
  const asked = (effects: readonly Effect[]) => of(effects, "read-outbox")[0];
  /** what is read next is one record */
  const reads = (bench: ReturnType<typeof createBench>, n: number, wanted?: readonly CommitHash[]) =>
    bench.tell({
      kind: "outbox",
      records: [record(n)],
      through: wanted === undefined ? n : 0,
      hasConfirmed: false,
      wanted,
    });
  /** a live connection whose outbox holds so many records, each a batch */
  const live = (count: number) => {
    const bench = createBench("live", true);
    bench.start();
    bench.complete();
    bench.tell({ kind: "opened", session: bench.state.session });
    bench.complete();
    expect(asked(bench.tell({ kind: "appended", lastPosition: count }))).toMatchObject({ after: 0 });
    return bench;
  };

  test("holds up nothing behind it, and is tried again batch by batch, one each time the timer runs", () => {
    const bench = live(5);
    reads(bench, 1);
    const first = says(bench, 1, "directory/behind");
    expect(of(first, "set-timer")).toMatchObject([{ name: "outbox", spreadMs: 500 }]);
    expect(asked(first)).toMatchObject({ after: 1 });
    for (const n of [2, 3]) {
      reads(bench, n);
      const next = says(bench, n, n === 2 ? "directory/behind" : undefined);
      expect(of(next, "set-timer").filter(({ name }) => name === "outbox")).toEqual([]);
      expect(asked(next)).toMatchObject({ after: n });
    }
    reads(bench, 4);
    says(bench, 4, "directory/behind");
    reads(bench, 5);
    expect(asked(says(bench, 5))).toBeUndefined();
    expect(bench.state).toMatchObject({ outbox: { position: 0 }, error: "directory/behind" });
    // What is written meanwhile goes at once.
    expect(asked(bench.tell({ kind: "appended", lastPosition: 6 }))).toMatchObject({ after: 5 });
    reads(bench, 6);
    says(bench, 6);
    for (const [at, n, spreadMs] of [
      [[1, 2, 4], 1, 1000],
      [[2, 4], 2, 2000],
      [[4], 4, 4000],
      [[1, 2, 4], 1, 8000],
    ] as const) {
      const retry = bench.tell({ kind: "timer", name: "outbox" });
      expect(asked(retry)).toMatchObject({ at });
      reads(bench, n);
      const said = says(bench, n, "directory/behind");
      expect(asked(said)).toBeUndefined();
      expect(of(said, "set-timer")).toContainEqual(expect.objectContaining({ name: "outbox", spreadMs }));
    }
    // What can be judged at last is followed by the rest without waiting; what was put off before it waits for the timer, which is soon.
    bench.tell({ kind: "timer", name: "outbox" });
    reads(bench, 2);
    expect(asked(says(bench, 2))).toMatchObject({ at: [4] });
    reads(bench, 4);
    const last = says(bench, 4);
    expect(asked(last)).toBeUndefined();
    expect(of(last, "set-timer")).toContainEqual(expect.objectContaining({ name: "outbox", spreadMs: 500 }));
    expect(bench.state).toMatchObject({ outbox: { position: 0 }, error: "directory/behind" });
    expect(asked(bench.tell({ kind: "timer", name: "outbox" }))).toMatchObject({ at: [1] });
    reads(bench, 1);
    says(bench, 1);
    expect(bench.state).toMatchObject({ outbox: { position: 6 }, error: undefined });
  });

  test("is settled when the server is proven to have it, or when nothing of it can be sent any more", () => {
    const bench = live(4);
    for (const n of [1, 2, 3, 4]) {
      reads(bench, n);
      says(bench, n, n === 4 ? undefined : "directory/behind");
    }
    expect(asked(bench.tell({ kind: "timer", name: "outbox" }))).toMatchObject({ at: [1, 2, 3] });
    bench.tell({ kind: "outbox", records: [record(2)], through: 2, hasConfirmed: true });
    expect(bench.state.outbox.position).toBe(1);
    says(bench, 2, "directory/behind");
    bench.tell({ kind: "timer", name: "outbox" });
    const passed = bench.tell({ kind: "outbox", records: [], through: 3, hasConfirmed: false });
    expect(of(passed, "set-timer")).toContainEqual(expect.objectContaining({ name: "outbox" }));
    expect(asked(bench.tell({ kind: "timer", name: "outbox" }))).toMatchObject({ at: [2] });
    bench.tell({ kind: "outbox", records: [], through: 2, hasConfirmed: true });
    expect(bench.state).toMatchObject({ outbox: { position: 4 }, error: undefined, putOffBy: undefined });
  });

  test("is not settled by being refused where it is wanted", () => {
    const bench = live(2);
    reads(bench, 1);
    says(bench, 1, "directory/behind");
    reads(bench, 2);
    wants(bench, 1);
    says(bench, 2, "directory/behind");
    reads(bench, 1, []);
    const result = { commitHash: hashOf(1), status: "refused", seq: 0, code: "access/denied" } as const;
    bench.frame({ type: "ack", dbId, results: [result] });
    expect(bench.state).toMatchObject({ outbox: { position: 0, refused: [] }, putOff: [1] });
  });

  test.each([
    ["a live connection", true],
    ["requests", false],
  ])("over %s is all that is sent again, ever more seldom, whatever lies behind it", (_name, hasLive) => {
    const sent = playFor(30 * 60_000, hasLive, 40, new Set([3, 20]));
    const times = (n: number): number => sent.filter((one) => one === n).length;
    for (let n = 1; n <= 40; n++) if (n !== 3 && n !== 20) expect(times(n)).toBe(1);
    // Once a minute or, where there are requests only, at the next one.
    expect(times(3) + times(20)).toBeGreaterThan(30);
    expect(times(3) + times(20)).toBeLessThan(50);
  });

  test("is another matter where there is no room, or of the directory: nothing is sent until the timer", () => {
    const bench = live(2);
    reads(bench, 1);
    expect(asked(says(bench, 1, "store/quota"))).toBeUndefined();
    expect(asked(bench.tell({ kind: "appended", lastPosition: 3 }))).toBeUndefined();
    expect(asked(bench.tell({ kind: "timer", name: "outbox" }))).toMatchObject({ at: [1] });
    reads(bench, 1);
    // Then it is as it was before.
    expect(asked(says(bench, 1, "directory/behind"))).toMatchObject({ after: 1 });
    const { config } = bench.state;
    const other = live(2);
    other.tell({
      kind: "outbox",
      records: [{ ...record(1), dbId: config.directoryDbId }],
      through: 1,
      hasConfirmed: false,
    });
    const said = { commitHash: hashOf(1), status: "retry", seq: 0, code: "directory/behind" } as const;
    expect(asked(other.frame({ type: "ack", dbId: config.directoryDbId, results: [said] }))).toBeUndefined();
  });

  test("is refused at its second try where it is the directory's, wherever in the outbox it stands", () => {
    const bench = live(2);
    const { directoryDbId } = bench.state.config;
    const result = { commitHash: hashOf(2), status: "retry", seq: 0, code: "directory/behind" } as const;
    const tries = (isFirst: boolean): readonly Effect[] => {
      reads(bench, 1);
      const next =
        asked(says(bench, 1, "directory/behind")) ?? asked(bench.tell({ kind: "timer", name: "outbox" }));
      expect(next).toMatchObject(isFirst ? { after: 1 } : { at: [2] });
      const records = [{ ...record(2), dbId: directoryDbId }];
      bench.tell({ kind: "outbox", records, through: 2, hasConfirmed: false });
      return bench.frame({ type: "ack", dbId: directoryDbId, results: [result] });
    };
    tries(true);
    expect(bench.state.outbox.refused).toEqual([]);
    bench.tell({ kind: "timer", name: "outbox" });
    tries(false);
    expect(bench.state.outbox.refused).toEqual([hashOf(2)]);
  });

  test("keeps no more of what a server wants than it may", () => {
    const bench = live(2);
    reads(bench, 1);
    for (let times = 0; times < 50; times++) wants(bench, ...Array.from({ length: 64 }, (_, at) => at));
    expect(bench.state.batch?.wanted.length).toBe(1024);
  });

  test("keeps no more of it however much one frame names", () => {
    const bench = live(2);
    reads(bench, 1);
    wants(bench, ...Array.from({ length: 1000 }, () => 4));
    wants(bench, ...Array.from({ length: 4096 }, () => 4));
    expect(bench.state.batch?.wanted.length).toBe(1024);
  });

  test("what was acknowledged before is none that the server refused, whatever it says when it wants it", () => {
    const bench = live(5);
    reads(bench, 1);
    wants(bench, 4);
    says(bench, 1, "directory/behind");
    reads(bench, 4, [hashOf(3)]);
    const result = { commitHash: hashOf(4), status: "refused", seq: 0, code: "access/denied" } as const;
    const effects = bench.frame({ type: "ack", dbId, results: [result] });
    // Else an audit would leave it out, and its author would be told of a refusal that was none.
    expect(bench.state.outbox.refused).toEqual([]);
    expect(of(effects, "quarantine")).toEqual([]);
    // It is settled all the same: the outbox goes on.
    expect(asked(effects)).toMatchObject({ after: 0 });
    // What was never acknowledged is met there, and refused for good.
    reads(bench, 4);
    expect(of(bench.frame({ type: "ack", dbId, results: [result] }), "quarantine")).toHaveLength(1);
    expect(bench.state.outbox.refused).toEqual([hashOf(4)]);
  });

  test("waits for what the server wants, and that is sent with its past before it is tried again", () => {
    const bench = live(5);
    reads(bench, 1);
    wants(bench, 4);
    const said = says(bench, 1, "directory/behind");
    expect(of(said, "set-timer").filter(({ name }) => name === "outbox")).toEqual([]);
    expect(asked(said)).toMatchObject({ wanted: [hashOf(4)] });
    reads(bench, 4, [hashOf(3)]);
    expect(asked(says(bench, 4))).toMatchObject({ wanted: [hashOf(3)] });
    expect(bench.state.outbox.position).toBe(0);
    // While it goes on the server may want more: that is asked for once the rest was tried.
    reads(bench, 3, []);
    wants(bench, 2);
    const again = asked(says(bench, 3));
    expect(again).toMatchObject({ after: 0 });
    expect(again).not.toHaveProperty("wanted");
    reads(bench, 1);
    wants(bench, 2);
    expect(asked(says(bench, 1, "directory/behind"))).toMatchObject({ wanted: [hashOf(2)] });
    reads(bench, 2, []);
    says(bench, 2);
    reads(bench, 1);
    expect(asked(says(bench, 1))).toMatchObject({ after: 1 });
  });

  test("waits for the timer when nothing comes of what is wanted", () => {
    const bench = live(5);
    const stuck = (): readonly Effect[] => {
      reads(bench, 1);
      wants(bench, 4);
      return says(bench, 1, "directory/behind");
    };
    expect(asked(stuck())).toMatchObject({ wanted: [hashOf(4)] });
    // Not here: tried again, wanted again, and then it waits.
    expect(
      asked(bench.tell({ kind: "outbox", records: [], through: 0, hasConfirmed: false, wanted: [] })),
    ).toMatchObject({ after: 0 });
    expect(asked(stuck())).toMatchObject({ after: 1 });
    bench.tell({ kind: "outbox", records: [], through: 5, hasConfirmed: false });
    bench.tell({ kind: "timer", name: "outbox" });
    expect(asked(stuck())).toMatchObject({ wanted: [hashOf(4)] });
    // Put off too: what is behind it is not sent.
    reads(bench, 4, [hashOf(3)]);
    const refused = asked(says(bench, 4, "directory/behind"));
    expect(refused).toMatchObject({ at: [1] });
    expect(refused).not.toHaveProperty("wanted");
    bench.tell({ kind: "timer", name: "outbox" });
    expect(asked(stuck())).toMatchObject({ wanted: [hashOf(4)] });
    reads(bench, 4, [hashOf(3)]);
    expect(asked(says(bench, 4, "store/quota"))).toBeUndefined();
  });

  test("is not followed for ever, whatever a server wants", () => {
    const bench = live(3);
    let times = 0;
    for (; times < 100; times++) {
      reads(bench, 1);
      bench.frame({
        type: "need",
        dbId,
        commits: Array.from({ length: 64 }, (_, at) =>
          bytesToId("CommitHash", new Uint8Array(32).fill(at).fill(times, 0, 16)),
        ),
      });
      if (asked(says(bench, 1, "directory/behind"))?.wanted === undefined) break;
      bench.tell({ kind: "outbox", records: [], through: 0, hasConfirmed: false, wanted: [] });
    }
    expect(times).toBe(16);
  });

  test("holds up what follows it only where too much of it waits to be remembered", () => {
    const bench = live(70_000);
    const wide = (position: number): CommitHash => {
      const bytes = new Uint8Array(32);
      new DataView(bytes.buffer).setUint32(0, position);
      return bytesToId("CommitHash", bytes);
    };
    const batchOf = (after: number, count: number) =>
      Array.from({ length: count }, (_, index) => ({
        ...record(1),
        position: after + index + 1,
        commitHash: wide(after + index + 1),
      }));
    const putsOff = (after: number): readonly Effect[] => {
      const records = batchOf(after, 4000);
      bench.tell({ kind: "outbox", records, through: after + 4000, hasConfirmed: false });
      const said = { status: "retry", seq: 0, code: "directory/behind" } as const;
      const results = records.map(({ commitHash }) => ({ commitHash, ...said }));
      return bench.frame({ type: "ack", dbId, results });
    };
    for (let after = 0; after < 64_000; after += 4000)
      expect(asked(putsOff(after))).toMatchObject({ after: after + 4000 });
    expect(asked(putsOff(64_000))).toBeUndefined();
    expect(bench.state.putOff.length).toBe(65_536);
    // Then the timer tries some, and once there is room the rest follows.
    const retry = asked(bench.tell({ kind: "timer", name: "outbox" }));
    expect(retry?.at).toHaveLength(512);
    const records = batchOf(0, 512);
    bench.tell({ kind: "outbox", records, through: 512, hasConfirmed: false });
    const results = records.map(({ commitHash }) => ({
      commitHash,
      status: "accepted" as const,
      seq: -1,
      code: undefined,
    }));
    expect(asked(bench.frame({ type: "ack", dbId, results }))?.at?.[0]).toBe(513);
    expect(bench.state.outbox.position).toBe(512);
    bench.tell({ kind: "outbox", records: [], through: 1024, hasConfirmed: true });
    const again = batchOf(1024, 1);
    bench.tell({ kind: "outbox", records: again, through: 1025, hasConfirmed: false });
    const put = { status: "retry", seq: 0, code: "directory/behind" } as const;
    const behind = again.map(({ commitHash }) => ({ commitHash, ...put }));
    expect(asked(bench.frame({ type: "ack", dbId, results: behind }))).toMatchObject({ after: 65_536 });
  });

  test("is not followed for ever however much of it the server takes", () => {
    const bench = live(2);
    reads(bench, 1);
    wants(bench, 2);
    says(bench, 1, "directory/behind");
    let times = 0;
    for (; times < 1000 && bench.state.wanted.length > 0; times++) {
      reads(bench, 2, [hashOf(2)]);
      says(bench, 2);
    }
    expect(times).toBe(256);
    // Nor does another wish begin it anew before the timer.
    reads(bench, 1);
    wants(bench, 9);
    const said = says(bench, 1, "directory/behind");
    expect(asked(said)).not.toHaveProperty("wanted");
    expect(of(said, "set-timer")).toContainEqual(expect.objectContaining({ name: "outbox" }));
  });

  test("and what lies ahead of it are sent from the start in a new epoch", () => {
    const bench = live(3);
    reads(bench, 1);
    says(bench, 1, "directory/behind");
    reads(bench, 2);
    says(bench, 2);
    bench.tell({ kind: "audited", dbId, missing: [] });
    bench.frame(commits(0, 9));
    bench.frame(head(1, 9));
    bench.tell({ kind: "audited", dbId, missing: [] });
    expect(bench.state).toMatchObject({ outbox: { position: 0 }, ahead: 0, putOff: [], retryAfter: 0 });
  });

  test("is no reason to pass anything when a new epoch begins while it is on its way", () => {
    const bench = live(3);
    reads(bench, 1);
    says(bench, 1);
    reads(bench, 2);
    bench.frame(commits(0, 9));
    bench.frame(head(1, 9));
    bench.tell({ kind: "audited", dbId, missing: [] });
    expect(asked(says(bench, 2, "directory/behind"))).toMatchObject({ after: 0 });
    expect(bench.state).toMatchObject({ outbox: { position: 0 }, ahead: 0, putOff: [] });
  });

  test("is forgotten with the log that is loaded again, and all behind it is sent once more", () => {
    const bench = live(2);
    reads(bench, 1);
    says(bench, 1, "directory/behind");
    reads(bench, 2);
    says(bench, 2);
    bench.tell({ kind: "store-failed", code: "store/failed" });
    const { outbox } = bench.state;
    bench.tell({ kind: "timer", name: "retry" });
    bench.tell({ kind: "loaded", databases: [], outbox, lastPosition: 2, unproven: [], lacking: [] });
    expect(bench.state).toMatchObject({ outbox: { position: 0 }, ahead: 0, putOff: [], retryAfter: 0 });
  });
});

/**
 * What is sent in so much time to a server that never can judge some of a log, whose records are a batch each. The server proves nothing of what
 * it accepts.
 */
function playFor(lengthMs: number, hasLive: boolean, count: number, stuck: ReadonlySet<number>): number[] {
  const bench = createBench("live", hasLive);
  const sent: number[] = [];
  const timers = new Map<string, number>();
  let nowMs = 0;
  const answer = (frames: readonly { readonly type: string }[]): readonly Effect[] => {
    const records = frames.some(({ type }) => type === "push") ? (bench.state.batch?.records ?? []) : [];
    sent.push(...records.map(({ position }) => position));
    const results = records.map(({ commitHash, position }) => {
      const isStuck = stuck.has(position);
      const status = isStuck ? ("retry" as const) : ("accepted" as const);
      return { commitHash, status, seq: -1, code: isStuck ? ("directory/behind" as const) : undefined };
    });
    const acked = records.length > 0 ? bench.frame({ type: "ack", dbId, results }) : [];
    return frames.some(({ type }) => type === "pull") ? [...acked, ...bench.complete()] : acked;
  };
  const perform = (effect: Effect): readonly Effect[] => {
    if (effect.kind === "clear-timer") timers.delete(effect.name);
    if (effect.kind === "set-timer") timers.set(effect.name, nowMs + effect.minMs + effect.spreadMs);
    if (effect.kind === "open-live") return bench.tell({ kind: "opened", session: bench.state.session });
    if (effect.kind === "exchange" || effect.kind === "send") return answer(effect.frames);
    if (effect.kind !== "read-outbox") return [];
    const n = effect.at === undefined ? effect.after + 1 : (effect.at[0] ?? 0);
    const records = n <= count ? [record(n)] : [];
    return bench.tell({ kind: "outbox", records, through: Math.min(n, count), hasConfirmed: false });
  };
  const queue: Effect[] = [...bench.start(count)];
  while (nowMs <= lengthMs && sent.length < 10_000) {
    for (let next = queue.shift(); next !== undefined && sent.length < 10_000; next = queue.shift())
      queue.push(...perform(next));
    const [name, dueMs] = [...timers].reduce((a, b) => (b[1] < a[1] ? b : a), ["poll", lengthMs + 1]);
    timers.delete(name);
    nowMs = dueMs;
    queue.push(...bench.tell({ kind: "timer", name: name as "poll" | "outbox" }));
  }
  expect(bench.state.error).toBe("directory/behind");
  return sent;
}

describe("a wish to sync while an answer is on its way", () => {
  test("asks once more after it: the answer may have been made before the wish", () => {
    const bench = createBench();
    const [first] = of(bench.start(), "exchange");
    expect(first).toBeDefined();
    bench.tell({ kind: "sync" });
    bench.tell({ kind: "sync" });
    const again = bench.complete();
    expect(of(again, "cycle-ended")).toEqual([]);
    expect(of(again, "exchange")).toHaveLength(1);
    expect(of(bench.complete(), "cycle-ended")).toEqual([{ kind: "cycle-ended", code: undefined }]);
  });

  test("asks once more on a live connection too, and is no round without progress", () => {
    const bench = createBench("live", true);
    bench.start();
    bench.complete();
    bench.tell({ kind: "opened", session: bench.state.session });
    for (let round = 0; round < 5; round++) {
      bench.tell({ kind: "sync" });
      expect(of(bench.complete(), "cycle-ended")).toEqual([]);
    }
    expect(of(bench.complete(), "cycle-ended")).toEqual([{ kind: "cycle-ended", code: undefined }]);
    expect(bench.state.link).toBe("live");
  });
});

describe("failures", () => {
  test("back off with full jitter from half a second to a minute, and honour what the server asks", () => {
    const bench = createBench();
    bench.start();
    const spreads: (number | undefined)[] = [];
    for (let i = 0; i < 9; i++) {
      spreads.push(of(bench.failed("net/failed"), "set-timer")[0]?.spreadMs);
      bench.tell({ kind: "timer", name: "retry" });
    }
    expect(spreads).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    expect(of(bench.failed("net/rate-limited", 7000), "set-timer")).toMatchObject([
      { name: "retry", minMs: 7000 },
    ]);
    bench.tell({ kind: "timer", name: "retry" });
    expect(of(bench.failed("net/rate-limited", 1e12), "set-timer")).toMatchObject([{ minMs: 3_600_000 }]);
  });

  test("401 signs in again once; who was revoked asks again when told to, and every few minutes", () => {
    const bench = createBench();
    bench.start();
    expect(of(bench.failed("access/unauthenticated"), "authenticate").length).toBe(1);
    bench.tell({
      kind: "authenticated",
      session: bench.state.session,
      token: new Uint8Array(32),
      canRepair: false,
    });
    expect(of(bench.failed("access/unauthenticated"), "set-timer").length).toBe(1);
    expect(bench.state.link).toBe("waiting");
    bench.tell({ kind: "timer", name: "retry" });
    expect(of(bench.failed("access/revoked"), "set-timer")).toMatchObject([
      { name: "retry", minMs: 300_000, spreadMs: 300_000 },
    ]);
    const fresh = createBench();
    fresh.start();
    expect(of(fresh.failed("access/revoked"), "set-timer")).toMatchObject([
      { name: "retry", minMs: 0, spreadMs: 5_000 },
    ]);
    expect(bench.state.link).toBe("denied");
    bench.tell({ kind: "appended", lastPosition: 9 });
    bench.tell({ kind: "online", isOnline: true });
    expect(bench.state.link).toBe("denied");
    bench.tell({ kind: "sync" });
    expect(bench.state.link).toBe("authenticating");
    bench.failed("access/revoked");
    bench.tell({ kind: "timer", name: "retry" });
    expect(bench.state.link).toBe("authenticating");
  });

  test("another server at the address is denied, and asked again now and then", () => {
    const bench = createBench();
    bench.start();
    const effects = bench.failed("access/denied");
    expect(bench.state.link).toBe("denied");
    expect(of(effects, "set-timer")).toMatchObject([{ name: "retry", minMs: 0, spreadMs: 60_000 }]);
    bench.tell({ kind: "timer", name: "retry" });
    expect(bench.state.link).toBe("exchanging");
  });

  test("a store that failed is loaded again before anything is decided on it", () => {
    const bench = createBench();
    bench.start();
    bench.frame(commits(0, 1));
    bench.frame(head(1, 1));
    expect(of(bench.tell({ kind: "store-failed", code: "store/quota" }), "disconnect").length).toBe(1);
    expect(of(bench.tell({ kind: "timer", name: "retry" }), "load").length).toBe(1);
    bench.tell({
      kind: "loaded",
      databases: [],
      outbox: { position: 0, everythingThrough: 0, refused: [] },
      lastPosition: 0,
      unproven: [],
      lacking: [],
    });
    expect(bench.state.databases.size).toBe(0);
  });

  test("events of an ended conversation are ignored", () => {
    const bench = createBench();
    bench.start();
    const { session } = bench.state;
    bench.tell({ kind: "online", isOnline: false });
    const before = bench.state;
    expect(bench.tell({ kind: "frame", session, frame: commits(0, 1) })).toEqual([]);
    expect(bench.state).toEqual(before);
  });
});

describe("phases", () => {
  test("offline → connecting → syncing → live → offline", () => {
    const bench = createBench("live", true);
    const phases: string[] = [];
    const watch = (effects: readonly Effect[]): void =>
      void phases.push(...of(effects, "status").map((one) => one.status.phase));
    watch(bench.tell({ kind: "start" }));
    watch(
      bench.tell({
        kind: "loaded",
        databases: [],
        outbox: { position: 0, everythingThrough: 0, refused: [] },
        lastPosition: 0,
        unproven: [],
        lacking: [],
      }),
    );
    watch(
      bench.tell({
        kind: "authenticated",
        session: bench.state.session,
        token: new Uint8Array(32),
        canRepair: false,
      }),
    );
    watch(bench.complete().filter((effect) => effect.kind !== "status" || effect.status.phase !== "syncing"));
    expect(
      of(bench.tell({ kind: "opened", session: bench.state.session }), "send")[0]?.frames.map(
        (frame) => frame.type,
      ),
    ).toEqual(["hello", "auth", "pull"]);
    watch(bench.tell({ kind: "online", isOnline: false }));
    expect(phases).toEqual(["connecting", "syncing", "live", "offline"]);
    expect(bench.state.verifiedCompleteAtMs).toBe(1);
  });

  test("what is written while a live connection is opening is sent at once when it does not open", () => {
    const bench = createBench("live", true);
    bench.start();
    bench.complete();
    expect(of(bench.tell({ kind: "appended", lastPosition: 1 }), "read-outbox")).toEqual([]);
    expect(of(bench.failed("net/failed"), "read-outbox")).toHaveLength(1);
    expect(bench.state.link).toBe("exchanging");
  });

  test("with nothing written, a connection that does not open leaves the link at rest", () => {
    const bench = createBench("live", true);
    bench.start();
    bench.complete();
    expect(of(bench.failed("net/failed"), "set-timer")).toMatchObject([{ name: "poll" }]);
    expect(bench.state.link).toBe("resting");
  });

  test("a live answer that does not come is a timeout", () => {
    const bench = createBench("live", true);
    bench.start();
    bench.complete();
    const effects = bench.tell({ kind: "opened", session: bench.state.session });
    expect(of(effects, "set-timer")).toMatchObject([{ name: "answer" }]);
    expect(of(bench.tell({ kind: "timer", name: "answer" }), "cycle-ended")).toEqual([
      { kind: "cycle-ended", code: "net/timeout" },
    ]);
  });

  test("the same events give the same effects", () => {
    const play = (): readonly Effect[][] => {
      const bench = createBench();
      return [
        [...bench.start()],
        [...bench.frame(commits(0, 1))],
        [...bench.frame(head(1, 1))],
        [...bench.complete()],
      ];
    };
    expect(play()).toEqual(play());
  });
});
