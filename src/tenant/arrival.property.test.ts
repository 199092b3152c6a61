import { afterEach, expect, it } from "vitest";
import {
  addReplica,
  bring,
  entryHashOf,
  eventually,
  lastDirectoryCommit,
  loadEngine,
  logOf,
  setStage,
  type Author,
  type Forged,
  type Stage,
} from "../../worker/attack-fixtures.ts";
import { closeDevices, crypto, env } from "../../worker/device-fixtures.ts";
import type { RoleChange } from "../../worker/api.ts";
import { createChangeCodec } from "../doc/index.ts";
import { encodeRecord, type DirectoryRecord } from "../directory/index.ts";
import { deriveNameId, directoryDbId, sealCommit, type Commit } from "../entry/index.ts";
import { parseGenesis, unlockVault, type Genesis, type UnlockedIdentity } from "../keys/index.ts";
import { createFastHash, type Crypto } from "../crypto/index.ts";
import {
  bytesToBase64url,
  bytesToId,
  CofferError,
  isCofferError,
  utf8ToBytes,
  type CommitHash,
  type DbId,
} from "../std/index.ts";
import { createMemoryStorage, type SlotValue } from "../store/index.ts";
import { TenantCore, type TenantWorld } from "./core.ts";
import { DatabaseSession } from "./database.ts";
import { Device } from "./device.ts";
import { Marker } from "./marker.ts";
import { openKeys } from "./opened-keys.ts";
import { Tail } from "./tail.ts";

const isLong = process.env["COFFER_RUNS"] !== undefined;
const orders = Number(process.env["COFFER_RUNS"] ?? 40);
const firstSeed = Number(process.env["COFFER_SEED"] ?? 1);
/** so many of them of each history */
const perHistory = isLong ? 25 : 8;

afterEach(closeDevices);

/** Seeded, so that a failure can be told. */
function createDice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

type Dice = ReturnType<typeof createDice>;

interface Written {
  readonly by: Author;
  readonly forged: Forged;
  readonly commit: Commit;
}

/** A device with a copy of the admin's vault, which knows of the directory up to some head and writes apart. */
async function newAdminCopy({ proof, victim, villain }: Stage) {
  const { storage, tenantId } = victim;
  const store = await storage.openStore("coffer/device");
  const vault = (await store.readSlot(`vault/${proof.adminKey}`))?.value;
  store.close();
  if (!(vault instanceof Uint8Array)) throw new Error("the founder has the admin's vault");
  const { publicIdentity, signing } = await unlockVault(crypto, vault, proof.adminPassword);
  const { bag } = villain.parts;
  const key = bag.current(deriveNameId(crypto, bag.namesKey, "key", "$publicinfos"));
  if (key === undefined) throw new Error("members read the directory");
  return (head: CommitHash, records: readonly DirectoryRecord[]): Promise<Commit> =>
    sealCommit(crypto, {
      tenantId,
      dbId: directoryDbId(crypto, tenantId),
      author: publicIdentity.signingKey,
      signingKey: signing.privateKey,
      writerNonce: villain.nonce(),
      writerSeq: 1,
      predecessors: [head],
      directoryHead: head,
      createdAtMs: env.nowMs(),
      entries: records.map((record) => ({
        entryType: "directory_record",
        docId: bytesToId("DocId", new Uint8Array(16)),
        dependencies: [],
        key,
        plaintext: encodeRecord(record),
      })),
    });
}

/** What two members and the admin do: members name any head that there was, the admin sees only some of what they write. */
async function createHistory(stage: Stage, dice: Dice): Promise<readonly Commit[]> {
  const { bystander, proof, victim, villain } = stage;
  const { api } = victim.device;
  const { tenantId } = victim;
  const heads: CommitHash[] = [];
  const commits: Commit[] = [];
  const made: Written[] = [];
  const last = new Map<Author, CommitHash[]>();
  const noteHead = async (): Promise<void> => {
    const head = await lastDirectoryCommit(victim);
    if (head !== undefined) heads.push(head);
  };
  await noteHead();
  const seal = async (by: Author, draft: Parameters<Author["seal"]>[0]): Promise<Commit> => {
    const own = last.get(by) ?? [];
    const predecessor = dice(3) === 0 ? undefined : own.at(-1 - dice(2));
    const directoryHead = heads[Math.max(0, heads.length - 1 - dice(3))];
    const commit = await by.seal({
      predecessors: predecessor === undefined ? [] : [predecessor],
      directoryHead,
      ...draft,
    });
    last.set(by, [...own, commit.commitHash]);
    commits.push(commit);
    if (dice(3) > 0) await bring(victim, [commit]);
    return commit;
  };
  const write = async (): Promise<void> => {
    const by = dice(3) === 0 ? bystander : villain;
    const writerNonce = by.nonce();
    const target = made[dice(made.length + 1)];
    if (target === undefined) {
      const forged = by.create(writerNonce, 0, { by: by.author, n: made.length });
      const commit = await seal(by, { writerNonce, entries: [forged.entry] });
      made.push({ by, forged, commit });
      return;
    }
    const edit = by.edit([target.forged.change], {
      docId: target.forged.docId,
      writerNonce,
      operations: [{ op: "set", path: [`f${dice(3)}`], value: commits.length }],
      dependencies: [entryHashOf(target.commit)],
    });
    const entryType = dice(4) === 0 ? ("doc_delete" as const) : ("doc_change" as const);
    await seal(by, { writerNonce, entries: [{ ...edit.entry, entryType }] });
  };
  const roles = ["reader", "author", "editor", "manager", undefined] as const;
  const members = [villain.author, bystander.author];
  const group = (): Promise<void> => {
    const user = members[dice(2)] ?? villain.author;
    const isIn = dice(2) === 0;
    const edits = {
      addUsers: isIn ? [user] : [],
      removeUsers: isIn ? [] : [user],
      addGroups: [],
      removeGroups: [],
    };
    return api.setGroup(tenantId, "staff", edits, proof);
  };
  const role = (): Promise<void> => {
    const subject = [{}, { user: villain.author }, { user: bystander.author }, { group: "staff" }][dice(4)];
    const change: RoleChange = {
      ...subject,
      database: dice(3) === 0 ? undefined : "contacts",
      role: roles[dice(5)],
    };
    return api.setRoles(tenantId, [change], proof);
  };
  let isAway = false;
  /** what the admin's device has by now, of what they released or purged nothing is known to others */
  const adopt = async (): Promise<void> => {
    const target = commits[dice(commits.length + 1)];
    if (target === undefined || target.header.dbId === directoryDbId(crypto, tenantId)) return;
    await bring(victim, [target]);
    await api.adoptCommits(tenantId, [target.commitHash], proof);
  };
  const purge = async (): Promise<void> => {
    const ids = await api.documentIds(victim.database);
    const id = ids[dice(ids.length + 1)];
    if (id !== undefined) await api.purgeDocument(victim.database, id, proof);
  };
  const sealApart = await newAdminCopy(stage);
  /** a line of its own, which the admin's device hears of or not; when it does, the next thing that it writes is a merge */
  const fork = async (): Promise<void> => {
    let head = heads[dice(heads.length)];
    for (let left = 1 + dice(3); left > 0 && head !== undefined; left--) {
      const by = dice(2) === 0 ? villain : bystander;
      const known = last.get(by)?.at(-1);
      const cuts = known === undefined || dice(2) === 0 ? [] : [{ dbId: by.dbId, heads: [known] }];
      const doc = made[dice(made.length + 1)];
      const records: readonly DirectoryRecord[] = [
        { kind: "revokeaccess", userKey: by.author, cuts },
        { kind: "role", dbId: undefined, edits: [{ subject: { kind: "everyone" }, role: roles[dice(4)] }] },
        doc === undefined
          ? { kind: "adopt", commitHashes: [head] }
          : { kind: "purge", dbId: by.dbId, docIds: [doc.forged.docId] },
      ];
      const record = records[dice(records.length)];
      if (record === undefined) return;
      const commit = await sealApart(head, [record]);
      head = commit.commitHash;
      heads.push(head);
      commits.push(commit);
      if (dice(3) > 0) await bring(victim, [commit]);
    }
  };
  await group();
  for (let step = 0; step < 6; step++) {
    for (let n = 0; n < 3; n++) await write();
    if (dice(isAway ? 2 : 4) === 0) {
      isAway = !isAway;
      const done = !isAway
        ? api.regrantUser(tenantId, villain.author, [], proof)
        : api.revokeUser(tenantId, villain.author, proof);
      // Another line may have said so already.
      await done.catch((error: unknown) => {
        if (!isCofferError(error) || error.code !== "input/unknown-id") throw error;
      });
    } else if (dice(3) === 0) await fork();
    else if (dice(5) === 0) await (dice(2) === 0 ? adopt() : purge());
    else await (dice(4) === 0 ? group() : dice(5) === 0 ? api.rotateKey(tenantId, "default", proof) : role());
    await noteHead();
  }
  for (let n = 0; n < 3; n++) await write();
  const directory = (await logOf(victim)).filter(
    ({ header }) => header.dbId === directoryDbId(crypto, tenantId),
  );
  return [...directory, ...commits];
}

/**
 * Crypto that does nothing twice: a history is the same commits in every order, and so are its signatures, keys and plaintexts. What is random
 * goes to the real one.
 */
async function remembering(slow: Crypto): Promise<Crypto> {
  const hash = createFastHash();
  await hash.settled;
  const real = { ...slow, sha256: hash.sha256 };
  const known = new Map<string, Promise<unknown>>();
  const numbers = new WeakMap<object, number>();
  let lastNumber = 0;
  const numberOf = (key: object): number => {
    const number = numbers.get(key) ?? ++lastNumber;
    numbers.set(key, number);
    return number;
  };
  const once = <T>(what: string, parts: readonly Uint8Array[], run: () => Promise<T>): Promise<T> => {
    const sized = parts.flatMap((part) => [utf8ToBytes(`${part.length} `), part]);
    const name = `${what} ${bytesToBase64url(real.sha256(...sized))}`;
    const result = (known.get(name) as Promise<T> | undefined) ?? run();
    known.set(name, result);
    return result;
  };
  // Whoever is given a secret wipes it.
  const copied = async <T extends Uint8Array | undefined>(result: Promise<T>): Promise<T> =>
    (await result)?.slice() as T;
  return {
    ...real,
    verify: (...args) => once("verify", args, () => real.verify(...args)),
    importDerivationKey: (secret) => once("derivation", [secret], () => real.importDerivationKey(secret)),
    importCipherKey: (secret) => once("cipher", [secret], () => real.importCipherKey(secret)),
    derive: (key, salt, info, sizeBytes) =>
      copied(
        once(`derive ${numberOf(key)} ${sizeBytes}`, [salt, info], () =>
          real.derive(key, salt, info, sizeBytes),
        ),
      ),
    decrypt: (key, ...args) =>
      copied(once(`decrypt ${numberOf(key)}`, args, () => real.decrypt(key, ...args))),
    openSealed: (pair, sealed, context) =>
      copied(
        once(`open ${numberOf(pair)}`, [sealed, context.info, context.additionalData], () =>
          real.openSealed(pair, sealed, context),
        ),
      ),
  };
}

function worldOver(storage: TenantWorld["storage"], crypto: Crypto): TenantWorld {
  return {
    env,
    crypto,
    storage,
    scope: "coffer",
    openTransport: () => {
      throw new CofferError("net/offline");
    },
    codec: createChangeCodec((bytes) => crypto.sha256(bytes)),
    loadEngine,
    prepareEngine: () => undefined,
  };
}

interface Member {
  readonly crypto: Crypto;
  readonly genesis: Genesis;
  readonly identity: UnlockedIdentity;
  readonly slots: readonly { readonly name: string; readonly value: SlotValue }[];
}

/** Someone who joined, with what their store holds beside the log: any number of devices can be made of it. */
async function newMember(stage: Stage, userName: string): Promise<Member> {
  const { storage, tenantId } = await addReplica(stage, userName);
  const device = new Device(await storage.openStore("coffer/device"));
  const row = await device.readTenant(tenantId);
  const genesis = parseGenesis(crypto, row.genesis);
  if (genesis === undefined) throw new Error("a member has the genesis record");
  const identity = await unlockVault(crypto, await device.readVault(row.userKey), "marble tunnel saffron");
  const store = await storage.openStore(`coffer/tenant/${tenantId}`);
  const slots = await Promise.all(
    ["bag", "names"].map(async (name) => {
      const slot = await store.readSlot(name);
      if (slot === undefined) throw new Error("a member has keys");
      return { name, value: slot.value };
    }),
  );
  return { crypto: await remembering(crypto), genesis, identity, slots };
}

/** What a device makes of commits that come in this order, some at a time. */
async function outcomeOf(
  { crypto, genesis, identity, slots }: Member,
  commits: readonly Commit[],
  dice: Dice,
) {
  const storage = createMemoryStorage(env);
  const store = await storage.openStore("log");
  await store.write({ slots });
  const core = new TenantCore(worldOver(storage, crypto), store, genesis);
  core.unlocked = await openKeys(core, identity);
  const databases = new Map<DbId, DatabaseSession>();
  const databaseOf = (dbId: DbId): DatabaseSession => {
    const database =
      databases.get(dbId) ??
      new DatabaseSession(
        core,
        dbId,
        () => undefined,
        () => undefined,
      );
    databases.set(dbId, database);
    return database;
  };
  const marker = await Marker.open(core.world, store, core.ledger.poisoned);
  const tail = new Tail(
    core,
    {
      absorb: (dbId, accepted) => databaseOf(dbId).absorb(accepted),
      onWithdrawn: (dbId, docIds) => databaseOf(dbId).forget(docIds),
      readUnread: async () => {
        for (const dbId of core.catalogs().keys()) await databaseOf(dbId).readUnread();
      },
      onPurged: (docs) => {
        for (const { dbId, docId } of docs) databaseOf(dbId).purge([docId]);
      },
      onLost: () => undefined,
      onOutcome: () => undefined,
      onEquivocation: () => undefined,
      onProgress: () => undefined,
    },
    { judgedTo: 0, marker },
  );
  for (let at = 0; at < commits.length;) {
    const count = 1 + dice(4);
    const records = commits
      .slice(at, at + count)
      .map(({ bytes, commitHash }) => ({ commitHash, bytes: new Uint8Array(bytes), origin: "peer" }));
    await store.write({ records });
    await tail.run();
    at += count;
  }
  await tail.run();
  const verdicts = core.ledger
    .rows()
    .map(({ commitHash, pending, reason, refused, role, verdict }) =>
      [commitHash, verdict, reason, refused, role, pending.join()].join(" "),
    )
    .toSorted();
  const documents: string[] = [];
  for (const [dbId, catalog] of core.catalogs())
    for (const { docId, heads, isDeleted } of catalog.values()) {
      const { value } = await databaseOf(dbId).snapshot(docId);
      documents.push(
        JSON.stringify([docId, heads.toSorted(), isDeleted, Object.entries(value ?? {}).toSorted()]),
      );
    }
  await tail.stop();
  for (const database of databases.values()) database.reset();
  store.close();
  return { verdicts, documents: documents.toSorted() };
}

it("roles, groups, revocations, new grants, adoptions, purges, rotations, forks and merges: whatever comes first, verdicts and documents are the same on every device", async () => {
  const seen = new Set<string>();
  for (let done = 0, seed = firstSeed; done < orders; seed++) {
    const dice = createDice(seed);
    const stage = await setStage();
    const member = await newMember(stage, "cn=third/o=acme");
    const commits = await createHistory(stage, dice);
    const wanted = await outcomeOf(member, commits, dice);
    for (const verdict of wanted.verdicts) for (const word of verdict.split(" ").slice(1, 4)) seen.add(word);
    for (let order = 0; order < perHistory && done < orders; order++, done++) {
      const keys = new Map(commits.map((commit) => [commit, dice(2 ** 30)]));
      const shuffled = commits.toSorted((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0));
      expect(await outcomeOf(member, shuffled, dice), `seed ${seed}, order ${order}`).toEqual(wanted);
    }
    await closeDevices();
  }
  for (const word of ["accepted", "fork", "role", "revoked", "older-head", "quarantined"])
    expect(seen).toContain(word);
});

it("a device that was there all along says the same as one that hears of everything at once", async () => {
  const dice = createDice(7);
  const stage = await setStage();
  const member = await newMember(stage, "cn=third/o=acme");
  const commits = await createHistory(stage, dice);
  await bring(stage.victim, commits);
  const wanted = await outcomeOf(member, commits, dice);
  const refused = wanted.verdicts.filter((verdict) => verdict.split(" ")[1] === "quarantined");
  await eventually(() => {
    const event = stage.victim.device.events.findLast((one) => one.kind === "tenant");
    return event?.kind === "tenant"
      ? event.snapshot.quarantine.map(({ commitHash }) => commitHash).toSorted()
      : [];
  }).toEqual(refused.map((verdict) => verdict.split(" ")[0] ?? "").toSorted());
  expect(refused.length).toBeGreaterThan(0);
});
