/**
 * Ties a text field of the page to a text of a document.
 *
 * What is typed goes in by `updateText`, so that it merges with others' typing; what others type comes in
 * without moving the caret from its place. While an input method composes, the field is left alone: what came
 * meanwhile is merged when it is done.
 */
import { effect } from "@preact/signals-core";
import { updateText, type Path } from "../draft/index.ts";
import { toCofferError, type CofferError, type Release } from "../std/index.ts";
import { coreOf } from "./doc.ts";
import { mergeText, moveCaret } from "./text-merge.ts";
import type { Doc } from "./types.ts";

/** The part of an input or a textarea that is used. */
export type TextField = Pick<
  HTMLInputElement | HTMLTextAreaElement,
  | "value"
  | "readOnly"
  | "selectionStart"
  | "selectionEnd"
  | "setSelectionRange"
  | "matches"
  | "addEventListener"
  | "removeEventListener"
>;

export interface BindTextOptions {
  /** hears of edits that could not be saved; the field already shows what the document holds */
  readonly onError?: (error: CofferError) => void;
}

/**
 * Bind an input or textarea to the text at `path`. A field that is missing is made at the first typing. While
 * the document cannot be read (loading, locked) the element is empty and read-only.
 *
 * @returns the end of the binding; the element keeps its text
 * @throws input/invalid for what is no document, store/closed for one that was disposed
 */
export function bindText<T extends object>(
  element: TextField,
  doc: Doc<T>,
  path: Path,
  options: BindTextOptions = {},
): Release {
  const core = coreOf(doc);
  const wasReadOnly = element.readOnly;
  let isComposing = false;
  /** what the element held when it last agreed with the document */
  let agreed = "";

  const show = (text: string): void => {
    agreed = text;
    const before = element.value;
    if (before === text) return;
    const { selectionStart, selectionEnd } = element;
    element.value = text;
    // Some browsers move the focus to whatever gets a selection.
    if (selectionStart === null || selectionEnd === null || !element.matches(":focus")) return;
    element.setSelectionRange(moveCaret(selectionStart, before, text), moveCaret(selectionEnd, before, text));
  };

  const pull = (): void => {
    const data = core.data.peek();
    element.readOnly = wasReadOnly || data === undefined;
    if (!isComposing) show(readText(data, path));
  };

  const push = (): void => {
    const data = core.data.peek();
    if (isComposing || data === undefined || element.value === agreed) return;
    const before = agreed;
    const typed = element.value;
    agreed = typed;
    core
      .change((draft) => writeText(draft, path, mergeText(before, typed, readText(draft, path))), "relaxed")
      .catch((cause: unknown) => {
        pull();
        options.onError?.(toCofferError(cause));
      });
  };

  const onCompositionStart = (): void => {
    isComposing = true;
  };
  const onCompositionEnd = (): void => {
    isComposing = false;
    push();
    pull();
  };
  const stop = effect(() => {
    // Only the subscription is wanted here: `pull` reads the newest value by itself.
    void core.data.value;
    pull();
  });
  element.addEventListener("input", push);
  element.addEventListener("compositionstart", onCompositionStart);
  element.addEventListener("compositionend", onCompositionEnd);
  return () => {
    stop();
    element.removeEventListener("input", push);
    element.removeEventListener("compositionstart", onCompositionStart);
    element.removeEventListener("compositionend", onCompositionEnd);
    element.readOnly = wasReadOnly;
  };
}

type Container = { [step: string | number]: unknown };

function readText(data: unknown, path: Path): string {
  let at: unknown = data;
  for (const step of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, step)) return "";
    at = (at as Container)[step];
  }
  return typeof at === "string" ? at : "";
}

/** A text is merged; what is no text yet becomes one. */
function writeText(draft: unknown, path: Path, text: string): void {
  let holder = draft as Container;
  for (const step of path.slice(0, -1)) holder = holder[step] as Container;
  const last = path[path.length - 1];
  if (last !== undefined && typeof holder[last] !== "string") holder[last] = text;
  else updateText(draft, path, text);
}
