/** Taking one's own edits of a document back, and making them again: from buttons, and from the keys everyone knows. */
import { useSignal, useSignalEffect, type ReadonlySignal } from "@preact/signals";
import type { Doc } from "cofferdb";
import { useEffect } from "preact/hooks";
import type { Film } from "../film/film.ts";
import { typingPauseMs } from "../text/group-steps.ts";
import { whileSaving } from "./activity.ts";
import type { Space } from "./space.ts";

/** What was typed without a pause goes together. */
const grouping = { groupMs: typingPauseMs } as const;
/** The depth is asked for once an edit has settled, not at every key. */
const settleMs = 120;

/** The steps that are there, and how to take them. */
export interface Undoing {
  readonly depth: ReadonlySignal<{ readonly undo: number; readonly redo: number }>;
  undo(): Promise<void>;
  redo(): Promise<void>;
}

/** Follow a document's steps; Ctrl+Z, Ctrl+Shift+Z and Ctrl+Y work wherever no field has an undo of its own. */
export function useUndo({ db }: Space, doc: Doc<Film>, onFailed: (error: unknown) => void): Undoing {
  const depth = useSignal({ undo: 0, redo: 0 });
  useSignalEffect(() => {
    // A new version of the document is a new state of its steps.
    if (doc.heads.value.length === 0) return undefined;
    const timer = setTimeout(() => {
      db.undoDepth(doc, grouping).then(
        (found) => (depth.value = found),
        () => undefined,
      );
    }, settleMs);
    return () => clearTimeout(timer);
  });
  const undo = async (): Promise<void> => void (await whileSaving(db.undo(doc, grouping)));
  const redo = async (): Promise<void> => void (await whileSaving(db.redo(doc, grouping)));
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
      const key = event.key.toLowerCase();
      const isRedo = (key === "z" && event.shiftKey) || (key === "y" && !event.shiftKey);
      if ((!isRedo && key !== "z") || undoesByItself(event.target)) return;
      event.preventDefault();
      (isRedo ? redo() : undo()).catch(onFailed);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return { depth, undo, redo };
}

/** Whether a field undoes its own typing: one outside the document's page, or one whose text is not in the document yet. */
function undoesByItself(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement) || !target.matches("input, textarea")) return false;
  return target.closest(".document") === null || target.dataset["unsaved"] !== undefined;
}
