/** The fields of a document. Texts merge while people type; numbers and tags are set as a whole. */
import type { Signal } from "@preact/signals";
import type { Database, Doc } from "cofferdb";
import { useEffect } from "preact/hooks";
import { NumberField, TextAreaField, TextField } from "../parts/bound-fields.tsx";
import { FormContext } from "../parts/form-document.ts";
import { TagField } from "../parts/tag-field.tsx";
import { space } from "../state/space.ts";
import { genres, type Film } from "../film/film.ts";

interface DocumentFormProps {
  readonly db: Database<Film>;
  readonly doc: Doc<Film>;
  /** takes what could not be saved */
  readonly failure: Signal<unknown>;
  readonly isReadOnly: boolean;
}

/** The form of a film. */
export function DocumentForm({ db, doc, failure, isReadOnly }: DocumentFormProps) {
  const say = (field: string | undefined, isTyping: boolean): void =>
    space.peek()?.here.show({ doc: doc.id, field, isTyping });
  useEffect(() => {
    say(undefined, false);
    return () => space.peek()?.here.show({});
  }, [doc]);
  return (
    <FormContext.Provider value={{ db, doc, failure, isReadOnly }}>
      <div
        class="document-form"
        onFocusIn={(event) => say(fieldOf(event), false)}
        onFocusOut={() => say(undefined, false)}
        onInput={(event) => say(fieldOf(event), true)}
      >
        <TextField label="Title" path={["title"]} isTitle />
        <div class="fields">
          <TextField label="Director" path={["director"]} />
          <TextField label="Genre" path={["genre"]} suggestions={genres} />
          <NumberField label="Year" path={["year"]} range={{ min: 1800, max: 2200 }} />
          <NumberField label="Minutes" path={["runtimeMinutes"]} range={{ min: 1, max: 10_000 }} />
          <TextField label="Rated" path={["rated"]} />
        </div>
        <TagField />
        <fieldset class="group">
          <legend>Ratings</legend>
          <div class="fields">
            <NumberField label="IMDb" path={["ratings", "imdb"]} range={{ min: 0, max: 10 }} />
            <NumberField
              label="Rotten Tomatoes, %"
              path={["ratings", "rottenTomatoes"]}
              range={{ min: 0, max: 100 }}
            />
            <NumberField label="Votes" path={["ratings", "votes"]} range={{ min: 0, max: 1e9 }} />
          </div>
        </fieldset>
        <fieldset class="group">
          <legend>Distribution</legend>
          <div class="fields">
            <TextField label="Distributor" path={["distribution", "distributor"]} />
            <NumberField
              label="Budget, $"
              path={["distribution", "budgetUsd"]}
              range={{ min: 0, max: 1e12 }}
            />
            <NumberField
              label="Worldwide gross, $"
              path={["distribution", "worldwideUsd"]}
              range={{ min: 0, max: 1e12 }}
            />
          </div>
        </fieldset>
        <TextAreaField label="Notes" path={["notes"]} />
        <MoreFields doc={doc} />
      </div>
    </FormContext.Provider>
  );
}

/** The label of the field that something happens in: what others know it by. */
function fieldOf({ target }: Event): string | undefined {
  const isField = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
  return isField ? target.labels?.[0]?.textContent.trim() : undefined;
}

/** Columns of an imported table without a field of their own. */
function MoreFields({ doc }: { readonly doc: Doc<Film> }) {
  const more = doc.data.value?.more;
  const names = typeof more === "object" && more !== null ? Object.keys(more) : [];
  if (names.length === 0) return null;
  return (
    <fieldset class="group">
      <legend>More</legend>
      <div class="fields">
        {names.map((name) => (
          <TextField key={name} label={name} path={["more", name]} />
        ))}
      </div>
    </fieldset>
  );
}
