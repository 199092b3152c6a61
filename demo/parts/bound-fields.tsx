/** Fields that show a part of the open document, and write to it. */
import { useComputed, useSignal } from "@preact/signals";
import { bindText, type Database } from "cofferdb";
import { useEffect, useId, useRef } from "preact/hooks";
import type { Film } from "../film/film.ts";
import { useFormDocument } from "./form-document.ts";
import { InField } from "./visitors.tsx";
import { numberOf, readAt, readTypedNumber } from "../film/read-value.ts";
import { whileSaving } from "../state/activity.ts";
import { formatCount } from "../text/format.ts";

/** Change the document; a failure is shown by the form. */
export function useChange(): (edit: Parameters<Database<Film>["changeDoc"]>[1]) => void {
  const { db, doc, failure } = useFormDocument();
  return (edit) => {
    whileSaving(db.changeDoc(doc, edit as never)).then(
      () => (failure.value = undefined),
      (error: unknown) => (failure.value = error),
    );
  };
}

interface TextFieldProps {
  readonly label: string;
  readonly path: readonly string[];
  readonly suggestions?: readonly string[];
  /** the large field at the head of the page */
  readonly isTitle?: boolean;
}

/** A line of text that merges with what others type. */
export function TextField({ label, path, suggestions, isTitle = false }: TextFieldProps) {
  const id = useId();
  const input = useBoundText<HTMLInputElement>(path);
  const { doc, isReadOnly } = useFormDocument();
  useEffect(() => {
    // A document without a title is a new one: one can begin to write.
    if (isTitle && readAt(doc.data.peek(), path) === "") input.current?.focus();
  }, [doc]);
  return (
    <div class={isTitle ? "field field-title" : "field"}>
      <label for={id} class={isTitle ? "visually-hidden" : undefined}>
        {label}
      </label>
      <InField label={label} />
      <input
        id={id}
        ref={input}
        type="text"
        placeholder={isTitle ? "Untitled" : undefined}
        list={suggestions === undefined ? undefined : `${id}-list`}
        autocomplete="off"
        readOnly={isReadOnly}
      />
      {suggestions === undefined ? null : (
        <datalist id={`${id}-list`}>
          {suggestions.map((text) => (
            <option key={text} value={text} />
          ))}
        </datalist>
      )}
    </div>
  );
}

/** Several lines of text that merge with what others type. */
export function TextAreaField({ label, path }: TextFieldProps) {
  const id = useId();
  const area = useBoundText<HTMLTextAreaElement>(path);
  const { isReadOnly } = useFormDocument();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <InField label={label} />
      <textarea id={id} ref={area} rows={5} readOnly={isReadOnly} />
    </div>
  );
}

function useBoundText<E extends HTMLInputElement | HTMLTextAreaElement>(path: readonly string[]) {
  const { doc, failure } = useFormDocument();
  const element = useRef<E>(null);
  useEffect(() => {
    if (element.current === null) return undefined;
    return bindText(element.current, doc, path, {
      onError: (error) => {
        failure.value = error;
      },
    });
  }, [doc]);
  return element;
}

interface NumberFieldProps {
  readonly label: string;
  readonly path: readonly [string] | readonly [string, string];
  readonly range: { readonly min: number; readonly max: number };
}

/** A number, written on leaving the field or with Enter. What is no number stays in the field, with the reason below. */
export function NumberField({ label, path, range }: NumberFieldProps) {
  const id = useId();
  const { doc, isReadOnly } = useFormDocument();
  const change = useChange();
  const typed = useSignal<string | undefined>(undefined);
  const wrong = useSignal<string | undefined>(undefined);
  const stored = useComputed(() => numberOf(readAt(doc.data.value, path))).value;
  const shown = stored === undefined ? "" : stored >= 10_000 ? formatCount(stored) : String(stored);
  const commit = (): void => {
    if (typed.peek() === undefined) return;
    const read = readTypedNumber(typed.peek() ?? "", range);
    wrong.value = read.kind === "wrong" ? read.why : undefined;
    if (read.kind === "wrong") return;
    typed.value = undefined;
    const next = read.kind === "number" ? read.number : undefined;
    if (next !== stored) change((draft) => writeNumber(draft, path, next));
  };
  return (
    <div class="field field-number">
      <label for={id}>{label}</label>
      <InField label={label} />
      <input
        id={id}
        type="text"
        inputMode="decimal"
        autocomplete="off"
        value={typed.value ?? shown}
        readOnly={isReadOnly}
        aria-invalid={wrong.value !== undefined}
        aria-describedby={wrong.value === undefined ? undefined : `${id}-wrong`}
        data-unsaved={typed.value === undefined ? undefined : ""}
        onInput={(event) => (typed.value = event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Enter" && commit()}
        onBlur={commit}
      />
      {wrong.value === undefined ? null : (
        <p id={`${id}-wrong`} class="hint bad" role="alert">
          {wrong.value}
        </p>
      )}
    </div>
  );
}

/** Set or remove a number at the top or one step below it; the holder is made when it is missing. */
function writeNumber(draft: object, path: NumberFieldProps["path"], number: number | undefined): void {
  const [first, second] = path;
  const top = draft as Record<string, unknown>;
  const isNested = second !== undefined;
  if (isNested && (typeof top[first] !== "object" || top[first] === null)) top[first] = {};
  const holder = isNested ? (top[first] as Record<string, unknown>) : top;
  const key = second ?? first;
  if (number === undefined) delete holder[key];
  else holder[key] = number;
}
