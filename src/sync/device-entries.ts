/** The specification's calls over the log of a device: the calls of any store, and those that need it at hand. See entry-store.ts. */
import { CofferError, type CommitHash, type DbId } from "../std/index.ts";
import { parseCommit } from "../entry/index.ts";
import type { LogRecord } from "../store/index.ts";
import { answerEntries, EntryIndex, type EntryLog } from "./entry-answers.ts";
import { decodeQuestion, encodeAnswer, entryCallLimits } from "./entry-calls.ts";
import { createEntryReader, describe, readId } from "./entry-store.ts";
import { recordsAfter } from "./local-log.ts";
import { judgeCommit, storeGenuine, type PeerSource } from "./peer-store.ts";
import type { EntryStore, PutReport, ResolveOptions, StoreEntry, StoreEntryMetadata } from "./store-types.ts";

const maxResolved = 10_000;
const maxDepth = 10_000;

/** Look at one database of a device as a store. */
export function createDeviceEntries(place: PeerSource, dbId: DbId): EntryStore {
  const { crypto, tenantId } = place;
  const log = createDeviceLog(place, dbId);
  const index = new EntryIndex(crypto);
  const reader = createEntryReader({
    crypto,
    tenantId,
    dbId,
    async ask(bytes) {
      const question = decodeQuestion(bytes);
      if (question === undefined) throw new CofferError("input/invalid");
      return encodeAnswer(await answerEntries(crypto, log, index, question));
    },
  });
  return {
    ...reader,
    async resolveDependencies(startId, options = {}) {
      readId(startId);
      await index.follow(log);
      return resolve({ place, log, index }, startId, options);
    },
    putEntries: (entries) => put(place, dbId, entries),
  };
}

function createDeviceLog({ store, sets }: PeerSource, dbId: DbId): EntryLog {
  /** The later of two copies has more of a commit. */
  const currentOf = async (): Promise<(record: LogRecord) => boolean> => {
    const { positions } = (await sets.read()).get(dbId) ?? { positions: new Map<CommitHash, number>() };
    return ({ commitHash, position }) => positions.get(commitHash) === position;
  };
  return {
    get epoch() {
      return store.logEpoch;
    },
    async read(after, maxBytes) {
      const isCurrent = await currentOf();
      const found: LogRecord[] = [];
      let sizeBytes = 0;
      for await (const record of recordsAfter(store, after)) {
        if (!isCurrent(record)) continue;
        found.push(record);
        sizeBytes += record.bytes.length;
        if (sizeBytes > maxBytes) break;
      }
      return found;
    },
    readAt: (positions) => store.readRecords(positions),
  };
}

interface Resolving {
  readonly place: PeerSource;
  readonly log: EntryLog;
  readonly index: EntryIndex;
}

async function resolve(
  resolving: Resolving,
  startId: string,
  { stopAtEntryType, includeStart = true, maxDepth: depth = maxDepth }: ResolveOptions,
): Promise<readonly string[]> {
  if (!Number.isInteger(depth) || depth < 0) throw new CofferError("input/invalid", { at: "maxDepth" });
  if (resolving.index.find(startId) === undefined)
    throw new CofferError("input/unknown-id", { what: "entry" });
  const seen = new Set([startId]);
  let level: readonly string[] = [startId];
  for (let step = 0; step <= depth && level.length > 0; step++) {
    const next: string[] = [];
    for (const id of level) {
      const entry = await read(resolving, id);
      const isLast = entry === undefined || entry.entryType === stopAtEntryType || step === depth;
      for (const hash of isLast ? [] : entry.dependencies) {
        const found = resolving.index.findHash(hash);
        if (found === undefined || seen.has(found)) continue;
        seen.add(found);
        next.push(found);
      }
      if (seen.size > maxResolved) throw new CofferError("input/too-large", { max: maxResolved });
    }
    level = next;
  }
  return [...seen].slice(includeStart ? 0 : 1);
}

async function read({ place, log, index }: Resolving, id: string): Promise<StoreEntryMetadata | undefined> {
  const found = index.find(id);
  const [logged] = found === undefined ? [] : await log.readAt([found.position]);
  if (found === undefined || logged === undefined) return undefined;
  const verdict = parseCommit(place.crypto, logged.bytes);
  return verdict.kind === "verified" ? describe(place.crypto, verdict.commit, found.index) : undefined;
}

async function put(
  source: PeerSource,
  dbId: DbId,
  entries: readonly Pick<StoreEntry, "commit">[],
): Promise<PutReport> {
  if (!Array.isArray(entries)) throw new CofferError("input/invalid", { at: "entries" });
  if (entries.length > entryCallLimits.askedIds)
    throw new CofferError("input/too-large", { max: entryCallLimits.askedIds });
  const commits = new Set<Uint8Array>();
  for (const entry of entries as readonly unknown[]) {
    const { commit } = (entry ?? {}) as Partial<StoreEntry>;
    if (!(commit instanceof Uint8Array)) throw new CofferError("input/invalid", { at: "commit" });
    commits.add(commit);
  }
  const place = { ...source, room: { receiveBytes: Infinity } };
  const refused: { readonly commitHash: CommitHash | undefined }[] = [];
  let newCount = 0;
  for (const bytes of commits) {
    const verdict = await judgeCommit(place, dbId, bytes);
    if (verdict.kind === "genuine") newCount += await storeGenuine(place, dbId, [verdict.commit]);
    else refused.push({ commitHash: verdict.commitHash });
  }
  return { newCount, refused };
}
