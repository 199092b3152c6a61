/** Taking back what was done to a text: characters, and marks. */
import { replayDraft, type DraftOperation, type Mark, type Path } from "../draft/index.ts";
import { follow } from "./elements.ts";
import { freeHandle, replayTarget, type Library } from "./library.ts";
import { writtenAt, type Place, type Undone } from "./undone.ts";
import { marksOf } from "./mark-patches.ts";

/** The operations that turn a text of the version after into that before. */
export function inverseOfText(library: Library, undone: Undone, place: Place): readonly DraftOperation[] {
  const { handle, before, after, now } = undone;
  const { object: text, path } = place;
  const { splices, removed } = textSplices(undone, text, path);
  const marks = {
    before: marksOf(before, text),
    after: marksOf(after, text),
    now: marksOf(now, text),
  };
  if (marks.before.length === 0 && marks.after.length === 0) return splices;
  const found = marksAfter(library, undone, text, splices);
  const places = place.isSeen ? follow(handle, place, after, now) : [];
  const length = after.length(text);
  const units = Array.from({ length }, (_, index): Unit => ({ index, place: places[index] }));
  for (const { index, remove, insert } of splices)
    units.splice(index, remove, ...Array.from({ length: insert.length }, () => ({})));
  let old = -1;
  const origins = units.map((unit): Origin => {
    do old += 1;
    while (removed.has(old));
    return { ...unit, old };
  });
  const names = new Set([...marks.before, ...marks.after, ...found].map(({ name }) => name));
  return [...splices, ...[...names].flatMap((name) => remark({ path, name, found, marks, origins }))];
}

type TextSplice = Extract<DraftOperation, { readonly op: "spliceText" }>;

interface TextSplices {
  readonly splices: readonly TextSplice[];
  /** places before of what stays away, since others removed it too */
  readonly removed: ReadonlySet<number>;
}

function textSplices(undone: Undone, text: string, path: Path): TextSplices {
  const { handle, before, after } = undone;
  const splices: TextSplice[] = [];
  const removed = new Set<number>();
  for (const patch of handle.diffPath(text, after.heads, before.heads)) {
    const at = Number(patch.path.at(-1));
    const index = at - removed.size;
    if (patch.action === "del")
      splices.push({ op: "spliceText", path, index, remove: patch.length ?? 1, insert: "" });
    if (patch.action === "splice") {
      const insert = undone.hasOthers
        ? withoutRemoved(undone, text, at, { of: patch.value, removed })
        : patch.value;
      if (insert !== "") splices.push({ op: "spliceText", path, index, remove: 0, insert });
    }
  }
  return { splices, removed };
}

/** The characters that only these changes removed, of some that stood at a place before. */
function withoutRemoved(
  undone: Undone,
  text: string,
  index: number,
  { of, removed }: { readonly of: string; readonly removed: Set<number> },
): string {
  let kept = "";
  let at = index;
  for (const character of of) {
    const written = writtenAt(undone.before, [text, at]).at(-1);
    if (written === undefined || !undone.isReplacedByOthers(written.id)) kept += character;
    else for (let unit = 0; unit < character.length; unit++) removed.add(at + unit);
    at += character.length;
  }
  return kept;
}

/** Which marks a text has once it is spliced: characters that come back take on the marks around them. */
function marksAfter(
  library: Library,
  { handle, after }: Undone,
  text: string,
  splices: readonly DraftOperation[],
): readonly Mark[] {
  const scratch = handle.clone();
  try {
    scratch.isolate(after.heads);
    replayDraft(replayTarget(library, scratch), splices);
    return marksOf(scratch, text);
  } finally {
    freeHandle(scratch);
  }
}

/** A unit of the text: where it was in the version after, and where it is now; neither where it comes back. */
interface Unit {
  readonly index?: number | undefined;
  readonly place?: number | undefined;
}

interface Origin extends Unit {
  /** where it was before */
  readonly old: number;
}

interface Remarking {
  readonly path: Path;
  readonly name: string;
  /** the marks once the text is spliced */
  readonly found: readonly Mark[];
  readonly marks: Readonly<Record<"before" | "after" | "now", readonly Mark[]>>;
  readonly origins: readonly Origin[];
}

/** The operations that lay the marks of a name as they were before, but where somebody marked since. */
function remark({ path, name, found, marks, origins }: Remarking): readonly DraftOperation[] {
  const operations: DraftOperation[] = [];
  let last: { start: number; end: number; value: Mark["value"] | undefined } | undefined;
  const flush = (): void => {
    if (last === undefined) return;
    const { start, end, value } = last;
    if (value === undefined) operations.push({ op: "unmark", path, range: { start, end }, name });
    else operations.push({ op: "mark", path, range: { start, end }, name, value });
    last = undefined;
  };
  for (const [at, { index, place, old }] of origins.entries()) {
    const value = valueOf(marks.before, name, old);
    const isTheirs =
      index !== undefined &&
      place !== undefined &&
      !Object.is(valueOf(marks.after, name, index), valueOf(marks.now, name, place));
    if (isTheirs || Object.is(value, valueOf(found, name, at))) flush();
    else if (last !== undefined && Object.is(last.value, value)) last.end = at + 1;
    else {
      flush();
      last = { start: at, end: at + 1, value };
    }
  }
  flush();
  return operations;
}

function valueOf(marks: readonly Mark[], name: string, at: number): Mark["value"] | undefined {
  return marks.find((mark) => mark.name === name && mark.start <= at && at < mark.end)?.value;
}
