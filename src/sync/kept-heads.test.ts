import { beforeAll, describe, expect, it } from "vitest";
import { bytesToBase64url, bytesToId, createSystemEnv, type CommitHash } from "../std/index.ts";
import { createMemoryStorage } from "../store/index.ts";
import { decodeFrames, encodeFrame, encodeFrames } from "./frames.ts";
import { readKeptHeads, readLeaves } from "./kept-heads.ts";
import { appendLeaves, emptyFrontier, rootOf, signHead } from "./merkle.ts";
import type { Frame, SignedHead } from "./messages.ts";
import { createFixture, type Fixture } from "./sync-fixture.ts";
import type { HttpTransport } from "./transport.ts";

const env = createSystemEnv();
let fixture: Fixture;
let serverPair: Awaited<ReturnType<Fixture["crypto"]["createSigningPair"]>>;

beforeAll(async () => {
  fixture = await createFixture();
  serverPair = await fixture.crypto.createSigningPair();
});

const hashesOf = (count: number): readonly CommitHash[] =>
  Array.from({ length: count }, (_, index) => {
    const bytes = new Uint8Array(32);
    new DataView(bytes.buffer).setUint32(0, index + 1);
    return bytesToId("CommitHash", bytes);
  });

async function headOf(hashes: readonly CommitHash[], dbId = fixture.dbId): Promise<SignedHead> {
  const { crypto, tenantId } = fixture;
  const { frontier, size } = appendLeaves(crypto, emptyFrontier, hashes);
  const claim = { dbId, epoch: 3, size, root: rootOf(crypto, { frontier }), timeMs: 5 };
  return signHead(crypto, serverPair.privateKey, tenantId, claim);
}

/** A server that answers each pull as it is told to; it counts them. */
function serverThat(answer: (pull: Extract<Frame, { type: "pull" }>) => readonly Frame[]) {
  const asked = { count: 0 };
  const http = {
    origin: "https://sync.example",
    postJson: async (path: string) =>
      path.endsWith("challenge")
        ? { challenge: bytesToBase64url(new Uint8Array(16)) }
        : { token: bytesToBase64url(new Uint8Array(32)), expiresInMs: 60_000 },
    exchange: async ({ body, endpoint, onChunk }: Parameters<HttpTransport["exchange"]>[0]) => {
      expect(endpoint).toBe("sync");
      asked.count++;
      const pull = decodeFrames(body)?.find((frame) => frame.type === "pull");
      if (pull?.type === "pull") onChunk(encodeFrames(answer(pull)));
    },
  } as unknown as HttpTransport;
  return { http, asked };
}

const ask = (http: HttpTransport, heads: readonly SignedHead[]) =>
  readLeaves(
    {
      crypto: fixture.crypto,
      http,
      signer: fixture.signer,
      tenantId: fixture.tenantId,
      replicaId: new Uint8Array(16),
      signal: new AbortController().signal,
    },
    { heads, serverKey: serverPair.publicKey },
  );

/** What an honest server says of a log of these commits: so many in a frame, and one frame in an answer. */
const honest = (hashes: readonly CommitHash[], perFrame = 4096) =>
  serverThat(({ cursors }) => {
    const frames = cursors.flatMap(({ dbId, isLeaves, seq }): readonly Frame[] => {
      const items = hashes.slice(seq, seq + perFrame).map((leaf) => ({ leaf }));
      return isLeaves === true && items.length > 0
        ? [{ type: "commits", dbId, epoch: 3, fromSeq: seq, items }]
        : [];
    });
    return [...frames, { type: "end", more: true }];
  });

describe("the order of the commits under a head", () => {
  it("is had in as many answers as it takes, and no further than the head", async () => {
    const hashes = hashesOf(10_000);
    const { asked, http } = honest(hashes);
    expect((await ask(http, [await headOf(hashes)])).get(fixture.dbId)).toEqual(hashes);
    expect(asked.count).toBe(3);
    const early = await headOf(hashes.slice(0, 4100));
    expect((await ask(http, [early])).get(fixture.dbId)).toEqual(hashes.slice(0, 4100));
  });

  it("is not had of a log that is not the head's: one left out, one added, two swapped, none, another epoch", async () => {
    const hashes = hashesOf(9);
    const head = await headOf(hashes);
    const [first, second, ...rest] = hashes;
    if (first === undefined || second === undefined) throw new Error("two commits");
    const others = [
      [first, ...rest],
      [first, first, second, ...rest],
      [second, first, ...rest],
      hashes.slice(0, 8),
      [],
    ];
    for (const lie of others) expect((await ask(honest(lie, 4).http, [head])).size).toBe(0);
    const later = serverThat(({ cursors: [{ dbId, seq } = { dbId: fixture.dbId, seq: 0 }] }) => [
      { type: "commits", dbId, epoch: 4, fromSeq: seq, items: hashes.map((leaf) => ({ leaf })) },
      { type: "end", more: true },
    ]);
    expect((await ask(later.http, [head])).size).toBe(0);
  });

  it("ends with servers that go round in circles, send what was not asked for, or nothing", async () => {
    const hashes = hashesOf(9);
    const head = await headOf(hashes);
    const commit = await fixture.seal();
    const { dbId } = fixture;
    const frames = (one: Frame) => [one, { type: "end", more: true } as const];
    const leaves = hashes.slice(0, 2).map((leaf) => ({ leaf }));
    const liars = [
      () => frames({ type: "commits", dbId, epoch: 3, fromSeq: 0, items: leaves }),
      () => frames({ type: "commits", dbId, epoch: 3, fromSeq: 7, items: leaves }),
      () => frames({ type: "commits", dbId, epoch: 3, fromSeq: 0, items: [{ commit: commit.bytes }] }),
      () => frames({ type: "commits", dbId: fixture.directoryDbId, epoch: 3, fromSeq: 0, items: leaves }),
      () => frames({ type: "note" }),
    ];
    for (const liar of liars) {
      const { asked, http } = serverThat(liar);
      expect((await ask(http, [head])).size).toBe(0);
      expect(asked.count).toBeLessThan(4);
    }
    const cut = serverThat(() => []);
    await expect(ask(cut.http, [head])).rejects.toMatchObject({ code: "net/failed" });
  });

  it("of one log is had, whatever the server says of another", async () => {
    const hashes = hashesOf(5);
    const heads = [await headOf(hashes), await headOf(hashesOf(6), fixture.directoryDbId)];
    const found = await ask(honest(hashes, 2).http, heads);
    expect([...found]).toEqual([[fixture.dbId, hashes]]);
  });
});

it("heads are read as they were kept, and none that the server did not sign for this log and tenant", async () => {
  const store = await createMemoryStorage(env).openStore("tenant");
  const { crypto, dbId, directoryDbId, tenantId } = fixture;
  const head = await headOf(hashesOf(3));
  const slot = (name: string, value: Uint8Array<ArrayBuffer>) => ({ name, value });
  const frame = (one: SignedHead) => encodeFrame({ type: "head", ...one });
  const prefix = "remote/https://a.example:1/";
  const unsigned = { ...head, timeMs: 6 };
  await store.write({
    slots: [
      slot(`${prefix}server`, serverPair.publicKey),
      slot(`${prefix}head/${dbId}`, frame(head)),
      slot(`${prefix}head/${directoryDbId}`, frame(head)),
      slot("remote/https://b.example/server", serverPair.publicKey),
      slot(`remote/https://b.example/head/${dbId}`, frame(unsigned)),
      slot("remote/https://c.example/server", new Uint8Array(32)),
      slot(`remote/https://c.example/head/${dbId}`, frame(head)),
      slot("remote/https://d.example/server", new Uint8Array(3)),
      slot("remote/https://e.example/server", serverPair.publicKey),
      slot(`remote/https://e.example/head/${dbId}`, new Uint8Array(9)),
    ],
  });
  const kept = await readKeptHeads(crypto, store, tenantId);
  expect(kept.map(({ heads, origin }) => [origin, heads])).toEqual([
    ["https://a.example:1", [head]],
    ["https://b.example", []],
    ["https://c.example", []],
    ["https://e.example", []],
  ]);
  expect((await readKeptHeads(crypto, store, (await createFixture(8)).tenantId))[0]?.heads).toEqual([]);
});
