/** What is taken back: which operations it wrote, which objects it touched, and who else has written there. */
import type { Path } from "../draft/index.ts";
import type { Handle } from "./library.ts";
import type { Version } from "./version.ts";

type ChangeMeta = ReturnType<Handle["getChangesMeta"]>[number];

/** A value of a field or element, with the operation that wrote it: `counter@actor`. */
export interface StoredValue {
  readonly type: string;
  readonly value: unknown;
  readonly id: string;
}

/** A map, list or text that was written to; `keys` of maps only. */
interface Touched {
  readonly object: string;
  readonly keys: ReadonlySet<string>;
}

/** What was written to and is seen both before and after; what holds others was written itself. */
export interface Place extends Touched, Located {
  /** it is seen now, with the changes of others */
  readonly isSeen: boolean;
}

/** The changes that are in the past of `after` and not in that of `before`. */
export interface Undone {
  readonly handle: Handle;
  readonly before: Version;
  readonly after: Version;
  readonly now: Version;
  readonly places: readonly Place[];
  /** there are changes that are in the past of neither version */
  readonly hasOthers: boolean;
  /** Tell whether they wrote an operation. */
  wrote(id: string): boolean;
  /** Tell whether any other change that is not in the past of `before` wrote into an object or what is in it. */
  isWrittenByOthers(object: Pick<StoredValue, "type" | "id">): boolean;
  /** Tell whether any of those others removed a value, or wrote over it. */
  isReplacedByOthers(id: string): boolean;
}

/** Find what is between two versions, in a document as it is now. */
export function findUndone(handle: Handle, before: Version, after: Version, now: Version): Undone {
  const since = new Map(handle.getChangesMeta(before.heads).map((meta) => [meta.hash, meta]));
  const undone = new Map<string, ChangeMeta>();
  const next = [...after.heads];
  for (let hash = next.pop(); hash !== undefined; hash = next.pop()) {
    const meta = since.get(hash);
    if (meta === undefined || undone.has(hash)) continue;
    undone.set(hash, meta);
    next.push(...meta.deps);
  }
  const spans = new Map<string, ChangeMeta[]>();
  for (const meta of undone.values()) {
    const known = spans.get(meta.actor);
    if (known === undefined) spans.set(meta.actor, [meta]);
    else known.push(meta);
  }
  const wrote = (id: string): boolean => {
    const { counter, actor } = splitId(id);
    return spans.get(actor)?.some(({ startOp, maxOp }) => startOp <= counter && counter <= maxOp) ?? false;
  };
  // needed seldom, and as long as the history since
  let others: (Written & { readonly objects: ReadonlySet<string> }) | undefined;
  const readOthers = (): NonNullable<typeof others> => {
    if (others !== undefined) return others;
    const written = readWritten(
      handle,
      [...since.keys()].filter((hash) => !undone.has(hash)),
    );
    const objects = new Set(written.touched.map((touched) => touched.object));
    return (others = { ...written, objects });
  };
  return {
    handle,
    before,
    after,
    now,
    places: findPlaces(readWritten(handle, [...undone.keys()]).touched, before, after, now),
    hasOthers: since.size > undone.size,
    wrote,
    isWrittenByOthers(object) {
      const { objects } = readOthers();
      return objects.size > 0 && holdsAny(now, object, objects);
    },
    isReplacedByOthers: (id) => readOthers().replaced.has(id),
  };
}

/** What changes wrote to. */
interface Written {
  readonly touched: readonly Touched[];
  /** the operations whose values they removed or wrote over */
  readonly replaced: ReadonlySet<string>;
}

function readWritten(handle: Handle, hashes: readonly string[]): Written {
  const keysByObject = new Map<string, Set<string>>();
  const replaced = new Set<string>();
  for (const hash of hashes) {
    for (const { action, obj, key, pred } of handle.getDecodedChangeByHash(hash)?.ops ?? []) {
      const keys = keysByObject.get(obj) ?? new Set();
      keysByObject.set(obj, keys);
      // elements are named by their operation instead
      if (typeof key === "string") keys.add(key);
      if (action !== "inc") for (const id of pred) replaced.add(id);
    }
  }
  return { touched: [...keysByObject].map(([object, keys]) => ({ object, keys })), replaced };
}

function findPlaces(
  touched: readonly Touched[],
  before: Version,
  after: Version,
  now: Version,
): readonly Place[] {
  const objects = new Set(touched.map(({ object }) => object));
  const placesBefore = locate(before, objects);
  const placesAfter = locate(after, new Set(placesBefore.keys()));
  const placesNow = locate(now, new Set(placesAfter.keys()));
  return touched.flatMap((one) => {
    const located = placesAfter.get(one.object);
    return located === undefined ? [] : [{ ...one, ...located, isSeen: placesNow.has(one.object) }];
  });
}

interface Located {
  readonly type: string;
  readonly path: Path;
}

/** Find where objects are seen, from the top; Automerge's own look-up stumbles over those in elements that are not there. */
function locate(version: Version, objects: ReadonlySet<string>): ReadonlyMap<string, Located> {
  const found = new Map<string, Located>();
  const queue: (Located & { readonly id: string })[] = [{ id: "_root", type: "map", path: [] }];
  // grows while it is walked
  for (const { id, type, path } of queue) {
    if (found.size === objects.size) break;
    if (objects.has(id)) found.set(id, { type, path });
    for (const step of stepsOf(version, id, type)) {
      const part = version.getWithType(id, step);
      if (part !== null && typeof part[1] === "string" && part[0] !== "str")
        queue.push({ id: part[1], type: part[0], path: [...path, step] });
    }
  }
  return found;
}

function stepsOf(version: Version, id: string, type: string): readonly (string | number)[] {
  if (type === "text") return [];
  if (type !== "list") return version.keys(id);
  return Array.from({ length: version.length(id) }, (_, index) => index);
}

/** Tell whether one of some objects is another, or in it. */
function holdsAny(
  version: Version,
  { type, id }: Pick<StoredValue, "type" | "id">,
  objects: ReadonlySet<string>,
): boolean {
  if (objects.has(id)) return true;
  return stepsOf(version, id, type).some((step) => {
    const part = version.getWithType(id, step);
    if (part === null || typeof part[1] !== "string" || part[0] === "str") return false;
    return holdsAny(version, { type: part[0], id: part[1] }, objects);
  });
}

/** The values of a field or element, the one that is shown last. */
export function writtenAt(
  version: Version,
  [object, step]: readonly [object: string, step: string | number],
): readonly StoredValue[] {
  return version.getAll(object, step).map((found) => {
    const [type, value] = found;
    return { type, value, id: found.length === 3 ? found[2] : found[1] };
  });
}

/** Order operations as Automerge does: of concurrent values the last is shown. */
export function compareIds(a: string, b: string): number {
  const [left, right] = [splitId(a), splitId(b)];
  if (left.counter !== right.counter) return left.counter - right.counter;
  return left.actor < right.actor ? -1 : Number(left.actor > right.actor);
}

function splitId(id: string): { counter: number; actor: string } {
  const at = id.indexOf("@");
  return { counter: Number(id.slice(0, at)), actor: id.slice(at + 1) };
}
