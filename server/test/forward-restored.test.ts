import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { presenceOf, type Commit } from "../../src/entry/index.ts";
import type { DbId } from "../../src/std/index.ts";
import type { RunningServer } from "../src/index.ts";
import { bringChunks, chunksAt, randomChunks, sealFile, allOf } from "./chunk-fixtures.ts";
import { createDbId, withoutCiphertexts, createUser, type TestClient } from "./fixtures.ts";
import {
  createPair,
  epochOf,
  hashesOf,
  join2,
  metricOf,
  newFolder,
  open,
  publishAt,
  pushAll,
  readLog,
  run,
  seen,
  start,
  stop,
  untilIdleMs,
  writeMany,
  type Site,
} from "./forward-fixtures.ts";
import { hasPostgres, startPostgres, startTimeoutMs, type PrivatePostgres } from "./private-postgres.ts";

/*
 * One of two servers comes back from an older backup: what the other one lacks is found, and that alone is sent.
 */
/** Logs of so few commits are sent again instead: of these tests' tenants the directory, of two. */
const ofDirectory = 2;
const forwarded = 'coffer_forwarded_commits_total{outcome="accepted"}';

const idle = (server: RunningServer): Promise<void> =>
  vi.waitFor(async () => expect(await metricOf(server, "coffer_forward_waiting")).toBe(0), untilIdleMs);

async function backUp({ folder }: Site): Promise<string> {
  const copy = newFolder();
  await run("backup", "--data", folder, "--to", copy);
  return copy;
}

/** The same server with the data of a backup. */
async function restored(site: Site, copy: string): Promise<Site> {
  const folder = newFolder();
  await run("restore", "--data", folder, "--from", copy);
  return { ...site, folder };
}

describe("the server that takes what is forwarded, restored to an older state", () => {
  it("is brought what it lacks, of each log and each once; what it has stays as it is", async () => {
    const { atA, atB, anna, bert, tenant, a, b, serverA, serverB } = await open({ a: { adminPort: 0 } });
    const first = await writeMany(tenant, anna, 150);
    for (let from = 0; from < 150; from += 50) await pushAll(atA, tenant, first.slice(from, from + 50));
    // What the other one's own devices wrote stands in between.
    const own = await writeMany(tenant, bert, 10);
    await pushAll(atB, tenant, own);
    await seen(atB, tenant, [...first, ...own]);
    await idle(serverA);
    const copy = await backUp(b);
    const lost = await writeMany(tenant, anna, 7);
    await pushAll(atA, tenant, lost);
    await seen(atB, tenant, [...first, ...own, ...lost]);
    await idle(serverA);
    expect(await metricOf(serverA, forwarded)).toBe(157 + ofDirectory);
    await stop(serverB);
    const meanwhile = await writeMany(tenant, anna, 3);
    await pushAll(atA, tenant, meanwhile);
    await start(await restored(b, copy), { acceptFrom: [a.key] });
    const again = await join2(b, tenant, bert);
    await seen(again, tenant, [...first, ...own, ...lost, ...meanwhile]);
    await idle(serverA);
    expect(await metricOf(serverA, forwarded)).toBe(157 + 7 + 3 + 2 * ofDirectory);
    expect(a.log).toContainEqual({
      event: "forward.compared",
      fields: expect.objectContaining({ here: 160, lacking: 10 }) as unknown,
    });
  });

  it("is brought the directory's end before all, and what it judges by it", async () => {
    const { atA, atB, anna, bert, tenant, a, b, serverB } = await open();
    const early = await writeMany(tenant, anna, 3);
    await pushAll(atA, tenant, early);
    await seen(atB, tenant, early);
    const copy = await backUp(b);
    const admin = await join2(a, tenant, tenant.admin);
    const users = [];
    for (let count = 0; count < 6; count++) {
      const user = await createUser();
      users.push(user);
      await admin.push(tenant.directoryDbId, await tenant.grant(user));
    }
    const [carl = expect.fail()] = users;
    const late = await writeMany(tenant, carl, 6);
    await pushAll(await join2(a, tenant, carl), tenant, late);
    await seen(atB, tenant, [...early, ...late]);
    await stop(serverB);
    await start(await restored(b, copy), { acceptFrom: [a.key] });
    await seen(await join2(b, tenant, bert), tenant, [...early, ...late]);
    await seen(await join2(b, tenant, carl), tenant, [...early, ...late]);
  });

  it("has filled in what it had whole before, and lacks since", async () => {
    const { atA, atB, anna, bert, tenant, a, b, serverB } = await open();
    const commit = await tenant.write(anna, { texts: ["first", "second"] });
    expect(
      await atA.push(
        tenant.dbId,
        withoutCiphertexts(commit, (index) => index === 0),
      ),
    ).toMatchObject([{ status: "accepted" }]);
    const others = await writeMany(tenant, anna, 8);
    await pushAll(atA, tenant, others);
    await seen(atB, tenant, [commit, ...others]);
    const copy = await backUp(b);
    const isWhole = async (client: TestClient): Promise<boolean> => {
      const found = (await readLog(client, tenant)).find(
        ({ commitHash }) => commitHash === commit.commitHash,
      );
      return found !== undefined && presenceOf(found) === "whole";
    };
    await pushAll(await join2(a, tenant, bert), tenant, [commit]);
    await vi.waitFor(async () => expect(await isWhole(atB)).toBe(true), untilIdleMs);
    await stop(serverB);
    await start(await restored(b, copy), { acceptFrom: [a.key] });
    const again = await join2(b, tenant, bert);
    await vi.waitFor(async () => expect(await isWhole(again)).toBe(true), untilIdleMs);
  });
});

describe("the server that forwards, restored to an older state", () => {
  it("and given other commits sends these, loses none, and sends nothing that is there", async () => {
    const { atA, atB, anna, bert, tenant, a, b, serverA, serverB } = await open({
      a: { adminPort: 0 },
      b: { adminPort: 0 },
    });
    const first = await writeMany(tenant, anna, 120);
    await pushAll(atA, tenant, first);
    const file = await sealFile(tenant, anna, randomChunks(5));
    await pushAll(atA, tenant, [file]);
    await bringChunks(atA, file, allOf(file));
    await seen(atB, tenant, [...first, file]);
    await idle(serverA);
    const copy = await backUp(a);
    const lost = await writeMany(tenant, anna, 20);
    await pushAll(atA, tenant, lost);
    await seen(atB, tenant, [...first, file, ...lost]);
    await stop(serverA);
    const taken = await metricOf(serverB, 'coffer_commits_total{outcome="accepted"}');
    const back = await restored(a, copy);
    const serverBack = await start(back, { forwardTo: [b.url], adminPort: 0 });
    const epoch = await epochOf(atB, tenant.dbId);
    // As many as were lost: the log is as long as before, and another one.
    const others = await writeMany(tenant, bert, 20);
    await pushAll(await join2(back, tenant, bert), tenant, others);
    await seen(atB, tenant, [...first, file, ...lost, ...others]);
    await idle(serverBack);
    expect(await metricOf(serverBack, forwarded)).toBe(20 + ofDirectory);
    expect(await metricOf(serverB, 'coffer_commits_total{outcome="accepted"}')).toBe(
      taken + 20 + ofDirectory,
    );
    expect(await metricOf(serverBack, 'coffer_forwarded_chunks_total{outcome="stored"}')).toBe(0);
    expect(await chunksAt(atB, file)).toEqual(allOf(file));
    expect(await epochOf(atB, tenant.dbId)).toBe(epoch);
    expect(back.log.map(({ event }) => event)).toContain("forward.compared");
    // It goes on as ever.
    const more = await writeMany(tenant, bert, 2);
    await pushAll(await join2(back, tenant, bert), tenant, more);
    await seen(atB, tenant, [...first, file, ...lost, ...others, ...more]);
    await run("verify", "--data", b.folder);
  });

  it("in the middle of what it sent goes on from what is there", async () => {
    const { a, b, anna, bert, tenant, startB } = await createPair();
    const dbIds: readonly DbId[] = [createDbId(), createDbId(), createDbId()];
    const alone = await start(a);
    await publishAt(a, tenant);
    const atA = await join2(a, tenant, anna);
    const commits: Commit[] = [];
    for (const dbId of dbIds)
      for (let count = 0; count < 40; count++) {
        const commit = await tenant.write(anna, { dbId });
        commits.push(commit);
        expect(await atA.push(dbId, commit)).toMatchObject([{ status: "accepted" }]);
      }
    await stop(alone);
    await startB();
    await publishAt(b, tenant);
    const atB = await join2(b, tenant, bert);
    // Half of it came there by other ways.
    for (const [at, commit] of commits.entries())
      if (at % 2 === 0)
        expect(await atB.push(commit.header.dbId, commit)).toMatchObject([{ status: "accepted" }]);
    const serverA = await start(a, { forwardTo: [b.url], adminPort: 0 });
    for (const dbId of dbIds) {
      const expected = commits.filter(({ header }) => header.dbId === dbId);
      await vi.waitFor(
        async () =>
          expect(hashesOf(await readLog(atB, { dbId })).toSorted()).toEqual(hashesOf(expected).toSorted()),
        untilIdleMs,
      );
    }
    await idle(serverA);
    expect(await metricOf(serverA, forwarded)).toBe(60 + ofDirectory);
  });
});

describe.skipIf(!hasPostgres)("on PostgreSQL", () => {
  let postgres: PrivatePostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  }, startTimeoutMs);
  afterAll(() => postgres.stop());

  it("a new epoch on either side costs a comparison, and nothing is sent again", async () => {
    const [ofA, ofB] = [await postgres.createDatabase(), await postgres.createDatabase()];
    const { atA, atB, anna, bert, tenant, serverA, serverB, a, b } = await open({
      a: { postgresUrl: ofA },
      b: { postgresUrl: ofB },
    });
    const first = await writeMany(tenant, anna, 30);
    await pushAll(atA, tenant, first);
    await seen(atB, tenant, first);
    await stop(serverA);
    await stop(serverB);
    await start(b, { postgresUrl: ofB, acceptFrom: [a.key], startsNewEpoch: true });
    const counted = { postgresUrl: ofA, forwardTo: [b.url], adminPort: 0 };
    const second = await start(a, counted);
    const more = await writeMany(tenant, anna, 2);
    await pushAll(await join2(a, tenant, anna), tenant, more);
    await seen(await join2(b, tenant, bert), tenant, [...first, ...more]);
    await idle(second);
    expect(await metricOf(second, forwarded)).toBe(2 + ofDirectory);
    await stop(second);
    const third = await start(a, { ...counted, startsNewEpoch: true });
    const last = await writeMany(tenant, anna, 2);
    await pushAll(await join2(a, tenant, anna), tenant, last);
    await seen(await join2(b, tenant, bert), tenant, [...first, ...more, ...last]);
    await idle(third);
    expect(await metricOf(third, forwarded)).toBe(2 + ofDirectory);
  });
});
