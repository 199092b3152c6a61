/** Ties a text field of the page to a text of a document. */
import { effect } from "@preact/signals-core";
import { updateText, type Path } from "../draft/index.ts";
import { toCofferError, type CofferError, type Release } from "../std/index.ts";
import type { TextField } from "./bind-field.ts";
import { coreOf } from "./doc.ts";
import { loadMore } from "./lazy.ts";
import type { Doc } from "./types.ts";

export type { TextField };

export interface BindTextOptions {
  /** hears of edits that could not be saved; the field already shows what the document holds */
  readonly onError?: (error: CofferError) => void;
}

/**
 * Bind an input or textarea to the text at `path`. A field that is missing is made at the first typing. While
 * the document cannot be read (loading, locked) the element is empty and read-only; it is read-only, too, for
 * the moment that the binding takes to be loaded.
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
  const onError = (error: CofferError): void => options.onError?.(error);
  let isOver = false;
  let end = (): void => {
    element.readOnly = wasReadOnly;
  };
  element.readOnly = true;
  loadMore().then(
    ({ bindField }) => {
      if (isOver) return;
      const { data } = doc;
      end = bindField(element, core, path, { effect, updateText, onError, wasReadOnly, data });
    },
    (cause: unknown) => onError(toCofferError(cause)),
  );
  return () => {
    isOver = true;
    end();
  };
}
