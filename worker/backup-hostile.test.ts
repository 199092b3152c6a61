/** Files that whoever knows their password made up: each is told by its code, and nothing of it is listed. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { concatBytes } from "../src/std/index.ts";
import { createMemoryStorage } from "../src/store/index.ts";
import {
  backupChunkBytes,
  chainHash,
  createBackupKey,
  emptyChain,
  sealChunk,
  type BackupHeader,
} from "../src/tenant/backup-codec.ts";
import { BackupReader } from "../src/tenant/backup-reader.ts";
import { BackupRecordReader, encodeBackupRecord, type BackupRecord } from "../src/tenant/backup-records.ts";
import {
  closeDevices,
  crypto,
  env,
  newSubscription,
  people,
  startDevice,
  type Device,
} from "./device-fixtures.ts";

afterEach(closeDevices);

const password = "fourteen amber foxes under glass";

interface Content {
  readonly header: BackupHeader;
  readonly records: readonly BackupRecord[];
}

/** A founder's backup, taken apart. */
async function readBackup(tenantName: string): Promise<Content> {
  const { api } = await startDevice(createMemoryStorage(env));
  const { id } = await api.createTenant({ ...people, tenantName });
  const database = newSubscription();
  await api.openDatabase(id, "contacts", database);
  await api.createDocuments(database, [{ name: "Ada" }]);
  const number = await api.openExport(id, { password, documents: true, resume: undefined });
  const reader = new BackupReader(crypto, password);
  const content = new BackupRecordReader();
  const records: BackupRecord[] = [];
  for (let piece = await api.readExport(number); piece !== undefined; piece = await api.readExport(number)) {
    for await (const chunk of reader.push(piece)) {
      for (const record of content.push(chunk)) if (record !== "malformed") records.push(record);
    }
  }
  if (reader.header === undefined) throw new Error("no header");
  return { header: reader.header, records };
}

async function makeFile(
  header: BackupHeader,
  content: Uint8Array,
  change: Partial<BackupHeader> = {},
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += backupChunkBytes)
    chunks.push(content.slice(at, at + backupChunkBytes));
  const contentHash = chunks.reduce((chain, chunk) => chainHash(crypto, chain, chunk), emptyChain);
  const claim = { ...header, contentSizeBytes: content.length, contentHash, ...change };
  const key = await createBackupKey(crypto, password, claim);
  return concatBytes(
    key.header,
    ...(await Promise.all(chunks.map((chunk, at) => sealChunk(crypto, key, at, chunk)))),
  );
}

let own: Content;
let other: Content;
let device: Device;
beforeEach(async () => {
  own = await readBackup("acme");
  other = await readBackup("other");
  device = await startDevice(createMemoryStorage(env));
});

async function outcomeOf(file: Uint8Array): Promise<string> {
  const { api } = device;
  const number = await api.openImport(password);
  try {
    await api.writeImport(number, file);
    await api.finishImport(number);
    return "taken in";
  } catch (error) {
    return (error as { code?: string }).code ?? "no code";
  } finally {
    await api.abortBackup(number);
    // After a failure there is no going on.
    await expect(api.writeImport(number, file)).rejects.toMatchObject({ code: "aborted" });
  }
}

const outcome = async (
  records: readonly BackupRecord[],
  change: Partial<BackupHeader> = {},
): Promise<string> =>
  outcomeOf(await makeFile(own.header, concatBytes(...records.map(encodeBackupRecord)), change));

const of = <Kind extends BackupRecord["kind"]>(content: Content, kind: Kind) =>
  content.records.filter((record): record is Extract<BackupRecord, { kind: Kind }> => record.kind === kind);

/** The own records with one kind of them in another form. */
const swap = (kind: BackupRecord["kind"], records: readonly BackupRecord[]): readonly BackupRecord[] => {
  const first = own.records.findIndex((record) => record.kind === kind);
  const rest = own.records.filter((record) => record.kind !== kind);
  return rest.toSpliced(first, 0, ...records);
};

test("a file that is put together again as it was is taken in", async () => {
  expect(await outcome(own.records)).toBe("taken in");
  expect(await device.api.tenants()).toHaveLength(1);
});

test("records that are missing, doubled, moved or another tenant's are refused", async () => {
  const [tenant] = of(own, "tenant");
  const [theirs] = of(other, "tenant");
  const vaults = of(own, "vault");
  const slots = of(own, "slot");
  const commits = of(own, "commit");
  const [end] = of(own, "end");
  if (tenant === undefined || theirs === undefined || end === undefined) throw new Error("incomplete");
  const cases: Readonly<Record<string, readonly BackupRecord[]>> = {
    nothing: [],
    "no tenant": swap("tenant", []),
    "two tenants": swap("tenant", [tenant, tenant]),
    "another tenant's row": swap("tenant", [theirs]),
    "another admin": swap("tenant", [{ ...tenant, adminKey: tenant.userKey }]),
    "no vaults": swap("vault", []),
    "no vault of the user": swap("vault", vaults.slice(1)),
    "no vault of the admin": swap("vault", vaults.slice(0, 1)),
    "a vault twice": swap("vault", [...vaults, ...vaults]),
    "another's vaults": swap("vault", of(other, "vault")),
    "a vault under another's name": swap(
      "vault",
      vaults.map((vault, at) => ({ ...vault, key: vaults[1 - at]?.key ?? vault.key })),
    ),
    "a vault that is none": swap(
      "vault",
      vaults.map((vault) => ({ ...vault, vault: new Uint8Array(300) })),
    ),
    "no bag": swap(
      "slot",
      slots.filter(({ name }) => name !== "bag"),
    ),
    "no names": swap(
      "slot",
      slots.filter(({ name }) => name !== "names"),
    ),
    "a slot twice": swap("slot", [...slots, ...slots]),
    "no end": swap("end", []),
    "two ends": swap("end", [end, end]),
    "something behind the end": [...own.records, ...commits],
    "a commit too few": swap("commit", commits.slice(1)),
    "a commit too many": swap("commit", [...commits, ...commits.slice(1)]),
    "commits in another order": swap("commit", commits.toReversed()),
    "another count": swap("end", [{ ...end, commitCount: end.commitCount + 1 }]),
    "another tenant's commits": swap("commit", of(other, "commit")),
    "slots behind the commits": [tenant, ...vaults, ...commits, ...slots, end],
    "commits before the vaults": [tenant, ...commits, ...vaults, ...slots, end],
  };
  for (const [what, records] of Object.entries(cases)) {
    expect(await outcome(records), what).toBe("entry/corrupt");
    expect(await device.api.tenants(), what).toEqual([]);
  }
});

test("commits that nobody signed are refused, and those that do not belong into the file", async () => {
  const commits = of(own, "commit");
  for (let bit = 0; bit < 64; bit++) {
    const changed = commits.map((commit, at) => {
      const bytes = commit.bytes.slice();
      const place = (bit * 7919) % bytes.length;
      if (at === commits.length - 1) bytes[place] = (bytes[place] ?? 0) ^ (1 << (bit & 7));
      return { ...commit, bytes };
    });
    expect(["entry/forged", "entry/corrupt"]).toContain(await outcome(swap("commit", changed)));
  }
  expect(await outcome(own.records, { hasLog: false })).toBe("entry/corrupt");
  expect(await outcome(swap("commit", [{ kind: "commit", bytes: new Uint8Array(1024 * 1024) }]))).toBe(
    "entry/forged",
  );
  expect(await device.api.tenants()).toEqual([]);
});

test("a header that lies about its content is refused", async () => {
  const content = concatBytes(...own.records.map(encodeBackupRecord));
  const lies: readonly Partial<BackupHeader>[] = [
    { contentHash: new Uint8Array(32) },
    { contentSizeBytes: content.length - 1 },
    { contentSizeBytes: content.length + 1 },
    { contentSizeBytes: Number.MAX_SAFE_INTEGER },
    { tenantId: other.header.tenantId },
  ];
  for (const lie of lies)
    expect(await outcomeOf(await makeFile(own.header, content, lie))).toBe("entry/corrupt");
  expect(await outcomeOf(await makeFile(own.header, content.slice(0, -1)))).toBe("entry/corrupt");
  expect(await outcomeOf(await makeFile(own.header, concatBytes(content, new Uint8Array([6]))))).toBe(
    "entry/corrupt",
  );
  expect(await outcomeOf(await makeFile(own.header, concatBytes(content, new Uint8Array([4]))))).toBe(
    "entry/corrupt",
  );
  expect(await device.api.tenants()).toEqual([]);
});

test("keys that do not open leave those that are here as they are", async () => {
  expect(await outcome(own.records)).toBe("taken in");
  const id = own.header.tenantId;
  const open = { userName: undefined, password: people.userPassword, keepSession: false };
  const opened = await device.api.openTenant(id, open);
  const slots = of(own, "slot").map((slot) =>
    slot.name === "bag" ? { ...slot, value: slot.value.map((byte) => byte ^ 1) } : slot,
  );
  expect(await outcome(swap("slot", slots))).toBe("taken in");
  await device.api.closeTenant(id);
  expect(await device.api.openTenant(id, open)).toMatchObject({
    name: opened.name,
    keys: opened.keys,
    self: opened.self,
  });
  const database = newSubscription();
  await device.api.openDatabase(id, "contacts", database);
  await expect.poll(() => device.api.documentIds(database)).toHaveLength(1);
});

test("what does not open at all is told, where there is nothing else", async () => {
  const slots = of(own, "slot").map((slot) =>
    slot.name === "bag" ? { ...slot, value: new Uint8Array(200) } : slot,
  );
  expect(await outcome(swap("slot", slots))).toBe("taken in");
  const open = { userName: undefined, password: people.userPassword, keepSession: false };
  await expect(device.api.openTenant(own.header.tenantId, open)).rejects.toMatchObject({
    code: "entry/corrupt",
  });
  // A good file mends it.
  expect(await outcome(own.records, { fileNonce: new Uint8Array(32).fill(5) })).toBe("taken in");
  await expect(device.api.openTenant(own.header.tenantId, open)).resolves.toMatchObject({ name: "acme" });
});
