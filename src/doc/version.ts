/**
 * Versions of a document, to be read.
 *
 * With heads, Automerge walks a list from its front for every element that is asked for; without, it finds each at once. So a version
 * is read by its heads as long as that costs less than a document of that version alone would: then it is read from one.
 */
import { freeHandle, type Handle } from "./library.ts";
import { sameHeads } from "./history.ts";

/** A version of a document: every call reads it as of its heads. */
export interface Version {
  readonly heads: string[];
  keys(object: string): string[];
  length(object: string): number;
  text(object: string): string;
  getWithType(object: string, step: string | number): ReturnType<Handle["getWithType"]>;
  getAll(object: string, step: string | number): ReturnType<Handle["getAll"]>;
  marks(object: string): ReturnType<Handle["marks"]>;
}

/** Gives the version of some heads. */
export type VersionAt = (heads: readonly string[]) => Version;

/** What a walk over an element costs is one; these are about what a document of a version alone costs for each of its parts. */
const buildCost = { change: 175, op: 18 } as const;

/** Elements that were removed are walked over as well: of all operations, so many are taken to be such ones of one list. */
const removedShare = 1 / 16;

/**
 * Read versions of a document, which live as long as `read` runs. The handle's own is read without heads.
 *
 * @param credit how many elements of each version may be walked over; by default about as many as building it costs
 */
export function withVersions<T>(
  handle: Handle,
  read: (at: VersionAt) => T,
  credit = defaultCredit(handle),
): T {
  const built: Handle[] = [];
  const current = handle.getHeads();
  const versions = new Map<string, Version>();
  const openVersion = (heads: string[]): Version => {
    if (sameHeads(heads, current)) return readingOf(heads, () => [handle]);
    const build = (): Handle => {
      const past = handle.fork(handle.getActorId(), heads);
      built.push(past);
      return past;
    };
    return readingOf(heads, meter({ handle, heads, credit }, build));
  };
  try {
    return read((heads) => {
      const key = heads.toSorted().join();
      const version = versions.get(key) ?? openVersion([...heads]);
      versions.set(key, version);
      return version;
    });
  } finally {
    built.forEach(freeHandle);
  }
}

/** What to read from, and with which heads, if any. A walk over a list is announced by its object. */
type Source = (list?: string) => readonly [handle: Handle, heads?: string[]];

function defaultCredit(handle: Handle): number {
  const { numOps, numChanges } = handle.stats();
  return numChanges * buildCost.change + numOps * buildCost.op;
}

function meter(
  { handle, heads, credit }: { readonly handle: Handle; readonly heads: string[]; readonly credit: number },
  build: () => Handle,
): Source {
  const lengths = new Map<string, number>();
  const { numOps } = handle.stats();
  let left = credit;
  let past: Handle | undefined;
  return (list) => {
    if (past !== undefined) return [past];
    if (list === undefined) return [handle, heads];
    const length = lengths.get(list) ?? handle.length(list, heads);
    lengths.set(list, length);
    left -= length + numOps * removedShare;
    if (left >= 0) return [handle, heads];
    past = build();
    return [past];
  };
}

function readingOf(heads: string[], source: Source): Version {
  const sourceOf = (object: string, step: string | number): ReturnType<Source> =>
    source(typeof step === "number" ? object : undefined);
  return {
    heads,
    keys(object) {
      const [from, at] = source();
      return from.keys(object, at);
    },
    length(object) {
      const [from, at] = source();
      return from.length(object, at);
    },
    text(object) {
      const [from, at] = source();
      return from.text(object, at);
    },
    getWithType(object, step) {
      const [from, at] = sourceOf(object, step);
      return from.getWithType(object, step, at);
    },
    getAll(object, step) {
      const [from, at] = sourceOf(object, step);
      return from.getAll(object, step, at);
    },
    marks(object) {
      const [from, at] = source();
      return from.marks(object, at);
    },
  };
}
