/**
 * The working half of `bindText`: loaded when the first field is bound.
 *
 * What is typed goes in by `updateText`, so that it merges with others' typing; what others type comes in
 * without moving the caret from its place. While an input method composes, the field is left alone: what came
 * meanwhile is merged when it is done.
 */
import type { effect, ReadonlySignal } from "@preact/signals-core";
import type { Path, updateText } from "../draft/index.ts";
import { toCofferError, type CofferError, type Release } from "../std/index.ts";
import type { DocCore } from "./doc.ts";
import { mergeText, moveCaret } from "./text-merge.ts";

/** The part of an input or a textarea that is used. */
export interface TextField extends Pick<EventTarget, "addEventListener" | "removeEventListener"> {
  value: string;
  readOnly: boolean;
  readonly selectionStart: number | null;
  readonly selectionEnd: number | null;
  setSelectionRange(start: number | null, end: number | null): void;
  matches(selectors: string): boolean;
}

/** What a binding needs of the page, of which this file may hold no second copy. */
export interface FieldWorld {
  readonly effect: typeof effect;
  readonly updateText: typeof updateText;
  /** of a handle, which is held as long as this is */
  readonly data: ReadonlySignal<unknown>;
  onError(error: CofferError): void;
}

/** Bind a field that is read-only until now, and was so before or not. Gives the end of the binding. */
export function bindField(
  element: TextField,
  core: Pick<DocCore, "change">,
  path: Path,
  { wasReadOnly, ...world }: FieldWorld & { readonly wasReadOnly: boolean },
): Release {
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
    const data = world.data.peek();
    element.readOnly = wasReadOnly || data === undefined;
    if (!isComposing) show(readText(data, path));
  };

  const push = (): void => {
    const data = world.data.peek();
    if (isComposing || data === undefined || element.value === agreed) return;
    const before = agreed;
    const typed = element.value;
    agreed = typed;
    core
      .change(
        (draft) =>
          writeText(draft, path, { text: mergeText(before, typed, readText(draft, path)), ...world }),
        "relaxed",
      )
      .catch((cause: unknown) => {
        pull();
        world.onError(toCofferError(cause));
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
  const stop = world.effect(() => {
    // Only the subscription is wanted here: `pull` reads the newest value by itself.
    void world.data.value;
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
function writeText(
  draft: unknown,
  path: Path,
  { text, updateText: update }: { readonly text: string; readonly updateText: typeof updateText },
): void {
  let holder = draft as Container;
  for (const step of path.slice(0, -1)) holder = holder[step] as Container;
  const last = path[path.length - 1];
  if (last !== undefined && typeof holder[last] !== "string") holder[last] = text;
  else update(draft, path, text);
}
