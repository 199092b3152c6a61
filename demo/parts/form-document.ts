/** The document that a form and its fields are about. */
import type { Signal } from "@preact/signals";
import type { Database, Doc } from "cofferdb";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Film } from "../film/film.ts";

/** The document that the fields belong to. */
export interface FormDocument {
  readonly db: Database<Film>;
  readonly doc: Doc<Film>;
  /** takes what could not be saved */
  readonly failure: Signal<unknown>;
  /** it may be read, and not be changed; the same for as long as the form stands */
  readonly isReadOnly: boolean;
}

/** Gives the fields their document. */
export const FormContext = createContext<FormDocument | undefined>(undefined);

/** The document of the form around a field. */
export function useFormDocument(): FormDocument {
  const found = useContext(FormContext);
  if (found === undefined) throw new Error("A field needs a form around it.");
  return found;
}
