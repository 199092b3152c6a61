/** What a server does to those who ask it: cut, repeated, disordered, foreign and endless answers. */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { bytesToId, CofferError, utf8ToBytes, type CommitHash } from "../std/index.ts";
import { createMemoryStorage, type LogRecord, type Store } from "../store/index.ts";
import type { Signer } from "./auth.ts";
import type { SyncAlarm } from "./engine-types.ts";
import { encodeFrames } from "./frames.ts";
import { createMemoryTransport, type Weather } from "./memory-transport.ts";
import type { Frame } from "./messages.ts";
import { createModelRelay, type ModelRelay } from "./model-relay.ts";
import { runOnce, type OnceSummary } from "./runner.ts";
import { createFixture, createTestWorld, type Fixture } from "./sync-fixture.ts";

let fixture: Fixture;
let signer: Signer;
let commits: readonly { readonly commitHash: CommitHash; readonly bytes: Uint8Array<ArrayBuffer> }[];
beforeAll(async () => {
  fixture = await createFixture();
  const pair = await fixture.crypto.createSigningPair();
  signer = { key: bytesToId("AuthorKey", pair.publicKey), privateKey: pair.privateKey };
  commits = await Promise.all(Array.from({ length: 7 }, () => fixture.seal()));
});

interface Reader {
  once(weather?: Weather): Promise<OnceSummary>;
  hashes(): Promise<readonly CommitHash[]>;
  readonly alarms: readonly SyncAlarm[];
}

let storeCount = 0;
/** A device of a member who has written nothing. */
async function createReader(relay: ModelRelay): Promise<Reader> {
  const { env } = createTestWorld();
  const { crypto, tenantId } = fixture;
  const store: Store = await createMemoryStorage(env).openStore(`reader-${storeCount++}`);
  const alarms: SyncAlarm[] = [];
  return {
    alarms,
    async once(weather = {}) {
      const transport = createMemoryTransport(relay, weather);
      const onAlarm = (alarm: SyncAlarm): void => void alarms.push(alarm);
      const summary = await runOnce({ env, crypto, store, transport, tenantId, signer, onAlarm });
      if (summary === "busy") throw new Error("busy");
      return summary;
    },
    async hashes() {
      const records: readonly LogRecord[] = await store.readLog({ after: 0, maxCount: 1000, maxBytes: 1e9 });
      return records.map(({ commitHash }) => commitHash);
    },
  };
}

async function createFullRelay(count = commits.length): Promise<ModelRelay> {
  const relay = await createModelRelay(fixture.crypto, fixture.tenantId, { hasLive: false });
  for (const { bytes } of commits.slice(0, count)) await relay.append(fixture.dbId, bytes);
  return relay;
}

const all = (): readonly CommitHash[] => commits.map(({ commitHash }) => commitHash);

/** After an attack, an honest answer brings everything, each once. */
async function expectWhole(reader: Reader, relay: ModelRelay): Promise<void> {
  delete relay.faults.bend;
  await reader.once();
  expect(await reader.hashes()).toEqual(all());
  expect((await reader.once()).code).toBeUndefined();
}

test("an answer that is cut at any byte leaves whole runs or nothing, and the next one brings the rest", async () => {
  const relay = await createFullRelay(4);
  const probe = await createReader(relay);
  await probe.once();
  const whole = relay.counts.answerBytes;
  expect(whole).toBeGreaterThan(1000);
  const expected = all().slice(0, 4);
  const seen = new Set<number>();
  for (let cut = 0; cut < whole; cut++) {
    const reader = await createReader(relay);
    const answer = function* (body: Uint8Array): Generator<Uint8Array> {
      yield body.subarray(0, cut);
      throw new CofferError("net/failed");
    };
    const { code } = await reader.once({ answer });
    expect([cut, code]).toEqual([cut, "net/failed"]);
    const hashes = await reader.hashes();
    seen.add(hashes.length);
    expect([cut, hashes]).toEqual([cut, expected.slice(0, hashes.length)]);
    if (cut % 8 !== 0) continue;
    expect((await reader.once()).code).toBeUndefined();
    expect(await reader.hashes()).toEqual(expected);
    expect(reader.alarms).toEqual([]);
  }
  // The relay proves every three commits by a head; between two heads nothing is stored.
  expect([...seen].toSorted()).toEqual([0, 3, 4]);
});

/** The runs of an answer, each with its head, and what ends it. */
function split(frames: readonly Frame[]): { readonly runs: Frame[][]; readonly rest: Frame[] } {
  const runs: Frame[][] = [];
  const rest: Frame[] = [];
  for (const frame of frames)
    if (frame.type === "commits") runs.push([frame]);
    else if (frame.type === "head" && runs.at(-1)?.length === 1) runs.at(-1)?.push(frame);
    else rest.push(frame);
  return { runs, rest };
}

describe("runs of commits that come", () => {
  const disorders: Readonly<Record<string, (runs: Frame[][]) => Frame[][]>> = {
    "a hundred times": (runs) => Array.from({ length: 100 }, () => runs).flat(),
    "a hundred times each": (runs) => runs.flatMap((run) => Array.from({ length: 100 }, () => run)),
    backwards: (runs) => runs.toReversed(),
    "with a hole": (runs) => runs.filter((_, index) => index !== 1),
    "without their heads": (runs) => runs.map((run) => run.slice(0, 1)),
    "with the head before its commits": (runs) => runs.map((run) => run.toReversed()),
    "with each other's heads": (runs) =>
      runs.map((run, index) => [...run.slice(0, 1), ...(runs[(index + 1) % runs.length] ?? []).slice(1)]),
    "from where a cursor never was": (runs) =>
      runs.map((run) =>
        run.map((frame) => (frame.type === "commits" ? { ...frame, fromSeq: frame.fromSeq + 1e9 } : frame)),
      ),
  };
  test.each(Object.keys(disorders))("%s are stored once or not at all", async (name) => {
    const relay = await createFullRelay();
    const reader = await createReader(relay);
    relay.faults.bend = (frames) => {
      const { runs, rest } = split(frames);
      return [...(disorders[name]?.(runs) ?? []).flat(), ...rest];
    };
    for (let i = 0; i < 5; i++) {
      await reader.once();
      const hashes = await reader.hashes();
      expect(hashes).toEqual(all().slice(0, hashes.length));
    }
    expect(relay.counts.exchanges).toBeLessThan(25);
    await expectWhole(reader, relay);
  });

  test("in any order drawn at random, over many answers, are stored once or not at all", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { minLength: 1, maxLength: 12 }), async (order) => {
        const relay = await createFullRelay();
        const reader = await createReader(relay);
        relay.faults.bend = (frames) => {
          const { runs, rest } = split(frames);
          const drawn = order.map((at) => runs[at % Math.max(1, runs.length)] ?? []);
          return [...drawn.flat(), ...rest];
        };
        for (let i = 0; i < 3; i++) await reader.once();
        const hashes = await reader.hashes();
        expect(hashes).toEqual(all().slice(0, hashes.length));
        await expectWhole(reader, relay);
      }),
      { numRuns: Number(process.env["COFFER_RUNS"] ?? 40) },
    );
  });
});

describe("an answer with what nobody asked for", () => {
  test("commits of another database under this one's name are not stored", async () => {
    const relay = await createFullRelay();
    const reader = await createReader(relay);
    const other = bytesToId("DbId", new Uint8Array(16).fill(8));
    const foreign = await fixture.seal(other);
    await relay.append(fixture.dbId, foreign.bytes);
    const summary = await reader.once();
    expect(await reader.hashes()).toEqual(all());
    expect(summary.alarms).toContainEqual(
      expect.objectContaining({ kind: "quarantined", commitHashes: [foreign.commitHash] }),
    );
  });

  test("commits of another tenant are not stored", async () => {
    const relay = await createFullRelay();
    const reader = await createReader(relay);
    const foreign = await (await createFixture(8)).seal(fixture.dbId);
    await relay.append(fixture.dbId, foreign.bytes);
    const summary = await reader.once();
    expect(await reader.hashes()).toEqual(all());
    expect(summary.alarms).toContainEqual(
      expect.objectContaining({ kind: "quarantined", commitHashes: [foreign.commitHash] }),
    );
  });

  test("acknowledgements of what was not sent change nothing", async () => {
    const relay = await createFullRelay();
    const reader = await createReader(relay);
    const results = commits.map(({ commitHash }, seq) => ({
      commitHash,
      status: "accepted" as const,
      seq,
      code: undefined,
    }));
    relay.faults.bend = (frames) => [{ type: "ack", dbId: fixture.dbId, results }, ...frames];
    await reader.once();
    await expectWhole(reader, relay);
  });
});

describe("an answer that is none", () => {
  const pages: Readonly<Record<string, Uint8Array>> = {
    "a page of a portal": utf8ToBytes("<!doctype html><title>Sign in to the network</title>"),
    JSON: utf8ToBytes('{"frames":[]}'),
    nothing: new Uint8Array(0),
    zeros: new Uint8Array(100_000),
    "a length without end": new Uint8Array([3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
    "frames without end": encodeFrames(Array.from({ length: 20_000 }, () => ({ type: "end", more: true }))),
  };
  test.each(Object.keys(pages))("%s is told by a code, and nothing is lost", async (name) => {
    const relay = await createFullRelay();
    const reader = await createReader(relay);
    const { code } = await reader.once({ answer: () => [pages[name] ?? new Uint8Array(0)] });
    expect(code).toMatch(/^(?:net\/failed|protocol\/malformed)$/);
    await expectWhole(reader, relay);
  });
});
