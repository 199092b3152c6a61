/**
 * Taking back.
 *
 * The operations that take back some changes, for the version after them. What others wrote at the same time or later is not there, so
 * that replaying them merges them like an edit made at once:
 *
 * - a field or element by its writer: one that somebody wrote since is left alone; where somebody wrote another value at the same
 *   time, the undone value is removed instead of replaced, and theirs is shown
 * - what was made is removed, unless somebody else wrote into it; what was removed comes back as a copy
 * - elements and characters by their place among those of that version
 * - a counter by what it was increased
 *
 * What is deeper comes first: the operations on a list move only what is in it.
 */
import type { DraftOperation, Path } from "../draft/index.ts";
import { inverseOfList } from "./inverse-list.ts";
import { inverseOfText } from "./inverse-text.ts";
import type { Library } from "./library.ts";
import { judgeRegister, restoreAt } from "./register.ts";
import { onScratch, requireHeads, type State } from "./state.ts";
import { findUndone, writtenAt, type Place, type Undone } from "./undone.ts";
import { withVersions } from "./version.ts";

/** What takes back the changes between two versions. @see OpenDoc.inverse */
export function inverse(
  state: State,
  before: readonly string[],
  after: readonly string[],
): readonly DraftOperation[] {
  requireHeads(state, [...before, ...after]);
  return onScratch(state, (handle) =>
    withVersions(handle, (at) => {
      const undone = findUndone(handle, at(before), at(after), at(handle.getHeads()));
      return [...undone.places]
        .sort((a, b) => b.path.length - a.path.length)
        .flatMap((place) => inverseOf(state.library, undone, place));
    }),
  );
}

function inverseOf(library: Library, undone: Undone, place: Place): readonly DraftOperation[] {
  const { object, keys, type, path } = place;
  if (type === "text") return inverseOfText(library, undone, place);
  if (type === "list") return inverseOfList(undone, place);
  return [...keys].flatMap((key) => inverseOfField(undone, object, key, [...path, key]));
}

function inverseOfField(undone: Undone, object: string, key: string, path: Path): readonly DraftOperation[] {
  const { before, after, now } = undone;
  const register = {
    old: writtenAt(before, [object, key]).at(-1),
    undoneValues: writtenAt(after, [object, key]),
    now: writtenAt(now, [object, key]),
  };
  const verdict = judgeRegister(undone, register);
  if (verdict === "restore") return restoreAt(undone, register, path);
  return verdict === "remove" ? [{ op: "delete", path }] : [];
}
