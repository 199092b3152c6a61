import { beforeEach, describe, expect, it } from "vitest";
import { encodeCommit, parseCommit, type Commit } from "../entry/index.ts";
import { bytesToId, createSystemEnv, type AuthorKey } from "../std/index.ts";
import { createMemoryStorage, type Store } from "../store/index.ts";
import { createLocalLog } from "./local-log.ts";
import { createFixture } from "./sync-fixture.ts";

const fixture = await createFixture();
const author = fixture.signer.key;
const stranger = bytesToId("AuthorKey", new Uint8Array(32).fill(4));

let store: Store;
beforeEach(async () => {
  store = await createMemoryStorage(createSystemEnv()).openStore("tenant");
});

type Sealed = Awaited<ReturnType<typeof fixture.seal>>;

function partOf(commit: Commit): Sealed {
  const entries = commit.entries.map(({ ciphertext: _, ...rest }) => rest);
  const verdict = parseCommit(fixture.crypto, encodeCommit({ ...commit, entries }), commit.commitHash);
  if (verdict.kind !== "verified") throw new Error(verdict.reason);
  return { ...verdict.commit, bytes: new Uint8Array(verdict.commit.bytes) };
}

function bareOf(commit: Commit): Sealed {
  const entries = commit.entries.map(({ entryHash }) => ({ entryHash }));
  return { ...commit, bytes: encodeCommit({ ...commit, entries }) };
}

async function append(origin: string, ...commits: readonly Sealed[]): Promise<void> {
  await store.write({ records: commits.map(({ commitHash, bytes }) => ({ commitHash, bytes, origin })) });
}

const logOf = (userKey: AuthorKey | undefined) =>
  createLocalLog(fixture.crypto, store, { remoteId: "remote", userKey });

describe("what is pushed", () => {
  it("is whole, or the author's own; everything else is passed", async () => {
    const whole = await fixture.seal();
    const part = partOf(await fixture.seal());
    const bare = bareOf(await fixture.seal());
    await append("", whole, part, bare);
    const pushed = async (userKey: AuthorKey | undefined) => {
      const effect = { kind: "read-outbox", after: 0, everythingThrough: 0, maxBytes: 1e6 } as const;
      const { records, through } = await logOf(userKey).readOutbox(effect);
      expect(through).toBe(3);
      return records.map(({ commitHash }) => commitHash);
    };
    expect(await pushed(author)).toEqual([whole.commitHash, part.commitHash]);
    expect(await pushed(stranger)).toEqual([whole.commitHash]);
    expect(await pushed(undefined)).toEqual([whole.commitHash]);
  });

  it("is what was just written, at once: the log is read once that is sent", async () => {
    const [first, second, third] = [await fixture.seal(), await fixture.seal(), await fixture.seal()];
    await append("server", first);
    await append("", second);
    let reads = 0;
    const watched: Store = new Proxy(store, {
      get(target, name) {
        if (name === "readLog") reads += 1;
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === "function" ? (member.bind(target) as unknown) : member;
      },
    });
    const log = createLocalLog(fixture.crypto, watched, { remoteId: "server", userKey: author });
    const read = async (after: number) => {
      const effect = { kind: "read-outbox", after, everythingThrough: 0, maxBytes: 1e6 } as const;
      const { records, through } = await log.readOutbox(effect);
      return { sent: records.map(({ commitHash }) => commitHash), through };
    };
    expect(await read(0)).toEqual({ sent: [second.commitHash], through: 2 });
    expect(reads).toBe(0);
    await append("", third);
    expect(await read(2)).toEqual({ sent: [third.commitHash], through: 3 });
    expect(reads).toBe(0);
    expect(await read(3)).toEqual({ sent: [], through: 3 });
    expect(reads).toBe(1);
  });

  it("parts no merge from the commit before it that it brings in, however full the batch is", async () => {
    const other = await fixture.seal();
    const one = await fixture.seal(undefined, 3000);
    const two = await fixture.seal(undefined, 3000);
    const merge = (past: readonly Sealed[]) =>
      fixture.seal(
        undefined,
        3000,
        past.map(({ commitHash }) => commitHash),
      );
    const [next, behind] = [await merge([one]), await merge([other, one])];
    const pushed = async (...commits: readonly Sealed[]) => {
      await append("", ...commits);
      const after = (await store.lastPosition()) - commits.length;
      const effect = { kind: "read-outbox", after, everythingThrough: 0, maxBytes: 4000 } as const;
      return (await logOf(author).readOutbox(effect)).records.length;
    };
    expect(await pushed(other, one, behind, two)).toBe(3);
    expect(await pushed(one, behind, two)).toBe(2);
    expect(await pushed(one, next)).toBe(1);
    expect(await pushed(two, behind)).toBe(1);
  });
});

describe("what was put off", () => {
  it("is read again from where it stands, in batches, and nothing else is", async () => {
    const commits = await Promise.all(Array.from({ length: 40 }, () => fixture.seal(undefined, 300)));
    await append("", ...commits);
    const looked: number[] = [];
    const watched: Store = {
      ...store,
      readLog: () => Promise.reject(new Error("the log was read")),
      readRecords: (positions) => {
        looked.push(...positions);
        return store.readRecords(positions);
      },
    };
    const log = createLocalLog(fixture.crypto, watched, { remoteId: "remote", userKey: author });
    const read = async (maxBytes: number, ...at: readonly number[]) => {
      looked.length = 0;
      const effect = { kind: "read-outbox", after: 40, everythingThrough: 0, maxBytes, at } as const;
      const { records, through } = await log.readOutbox(effect);
      return { records: records.map(({ position }) => position), through };
    };
    const every = Array.from({ length: 40 }, (_, index) => index + 1);
    expect(await read(1e6, 3, 20, 40)).toEqual({ records: [3, 20, 40], through: 40 });
    // A batch that is full ends before the next one, and not much more is looked at.
    expect(await read(1, ...every)).toEqual({ records: [1], through: 1 });
    expect(looked.length).toBe(16);
    expect(await read(1e6, ...every)).toEqual({ records: every, through: 40 });
    // What the server is proven to have, or is gone, is passed.
    const there = commits.filter((_, index) => index === 2 || index === 19);
    log.confirm(
      { dbId: fixture.dbId, epoch: 1 },
      there.map(({ commitHash }) => commitHash),
    );
    expect(await read(1e6, 3, 20)).toEqual({ records: [], through: 20 });
    expect(await read(1e6, 3, 4, 99)).toEqual({ records: [4], through: 99 });
  });
});

describe("what is wanted", () => {
  /** root ◄ one ◄ two ◄ three, with a branch beside two that three follows too */
  const createLine = async () => {
    const root = await fixture.seal();
    const one = await fixture.seal(undefined, 40, [root.commitHash]);
    const two = await fixture.seal(undefined, 40, [one.commitHash]);
    const branch = await fixture.seal(undefined, 40, [one.commitHash]);
    const three = await fixture.seal(undefined, 40, [two.commitHash, branch.commitHash]);
    return { root, one, two, branch, three, other: await fixture.seal() };
  };
  const read = async (log: ReturnType<typeof logOf>, maxBytes: number, ...wanted: readonly Sealed[]) => {
    const hashes = wanted.map(({ commitHash }) => commitHash);
    const effect = { kind: "read-outbox", after: 0, everythingThrough: 0, maxBytes, wanted: hashes } as const;
    const { records, wanted: rest } = await log.readOutbox(effect);
    return { read: records.map(({ commitHash }) => commitHash), rest: rest?.toSorted() };
  };
  const hashes = (...commits: readonly Sealed[]) => commits.map(({ commitHash }) => commitHash);

  it("comes with its past, the latest in the log first, each once, whoever sent it", async () => {
    const { branch, one, other, root, three, two } = await createLine();
    await append("", root, other, one);
    await append("remote", branch);
    await append("peer", two, three);
    const log = logOf(stranger);
    const all = hashes(three, two, branch, one, root);
    expect(await read(log, 1e6, three)).toEqual({ read: all, rest: [] });
    expect(await read(log, 1e6, one, three, await fixture.seal())).toEqual({ read: all, rest: [] });
    expect(await read(log, 1e6, two)).toEqual({ read: hashes(two, one, root), rest: [] });
  });

  it("goes on where it ended, in batches", async () => {
    const { branch, one, root, three, two } = await createLine();
    await append("", root, one, branch, two, three);
    const log = logOf(author);
    expect(await read(log, 1, three)).toEqual({ read: hashes(three), rest: hashes(two, branch).sort() });
    expect(await read(log, 1, two, branch)).toEqual({ read: hashes(two), rest: hashes(branch, one).sort() });
    expect(await read(log, 1, branch, one)).toEqual({ read: hashes(branch), rest: hashes(one) });
  });

  it("goes back to what the remote is proven to have, or to what cannot be sent", async () => {
    const { branch, one, root, three, two } = await createLine();
    await append("peer", three, two, partOf(branch), one, root);
    const log = logOf(stranger);
    expect(await read(log, 1e6, branch)).toEqual({ read: [], rest: [] });
    expect((await read(log, 1e6, three)).read).toEqual(hashes(three, two, one, root));
    log.confirm({ dbId: fixture.dbId, epoch: 1 }, hashes(one));
    expect((await read(log, 1e6, three)).read).toEqual(hashes(three, two));
    expect((await read(log, 1e6, one)).read).toEqual(hashes(one, root));
  });
});

describe("what is held", () => {
  it("is what the log has all of, seen or, thoroughly, not seen", async () => {
    const [one, two] = [await fixture.seal(), await fixture.seal()];
    await append("other", partOf(one), two);
    const log = logOf(author);
    expect(await log.held([one, two], false)).toEqual(new Set());
    expect(await log.held([one, two, await fixture.seal()], true)).toEqual(new Set([two.commitHash]));
    expect(await log.held([partOf(one), partOf(two)], false)).toEqual(
      new Set([one.commitHash, two.commitHash]),
    );
  });

  it("goes by the copy that came last, which brought more, and not by one that is damaged or gone", async () => {
    const commit = await fixture.seal();
    await append("other", partOf(commit));
    const log = logOf(author);
    expect(await log.has(commit.commitHash)).toBe(true);
    expect(await log.held([commit], false)).toEqual(new Set());
    await append("remote", commit);
    log.note(commit.commitHash, 2);
    log.note(commit.commitHash, 1);
    expect(await log.held([commit], false)).toEqual(new Set([commit.commitHash]));
    log.note(commit.commitHash, 3);
    expect(await log.held([commit], false)).toEqual(new Set());
  });

  it("is told of more commits than are compared at a time", async () => {
    const commits = await Promise.all(Array.from({ length: 40 }, () => fixture.seal()));
    await append("other", ...commits.map((commit, index) => (index % 3 === 0 ? partOf(commit) : commit)));
    const held = await logOf(author).held(commits, true);
    expect(held).toEqual(new Set(commits.filter((_, i) => i % 3 !== 0).map(({ commitHash }) => commitHash)));
  });
});
