/** One row of the list: the cells of a table, or, laid out by the style sheet, a card. */
import type { QueryRow, SearchExcerpt, SearchHit } from "cofferdb";
import { fieldLabel } from "../film/field-label.ts";
import { Marked } from "../parts/marked.tsx";
import type { Film } from "../film/film.ts";
import { numberOf, readAt, textOf } from "../film/read-value.ts";
import { docHref, goTo } from "../state/route.ts";
import type { Place } from "../text/cut-marks.ts";
import { formatMoney } from "../text/format.ts";

interface FilmRowProps {
  /** undefined while it is on its way */
  readonly row: QueryRow<Film> | SearchHit<Film> | undefined;
  readonly index: number;
  readonly px: number;
  readonly isFocusable: boolean;
  readonly isOpen: boolean;
  readonly onFocus: () => void;
}

/** Show a row in its place. */
export function FilmRow({ row, index, px, isFocusable, isOpen, onFocus }: FilmRowProps) {
  const place = { transform: `translateY(${index * px}px)`, height: `${px}px` };
  if (row === undefined) {
    return (
      <div
        class="row row-coming"
        style={place}
        role="row"
        aria-rowindex={index + 2}
        tabIndex={isFocusable ? 0 : -1}
        onFocus={onFocus}
      />
    );
  }
  const { data, id } = row;
  const excerpt = "excerpts" in row ? row.excerpts.find(({ field }) => !shownFields.has(field)) : undefined;
  const title = textOf(data.title);
  const imdb = numberOf(readAt(data, ["ratings", "imdb"]));
  const worldwideUsd = numberOf(readAt(data, ["distribution", "worldwideUsd"]));
  return (
    <div
      class="row"
      style={place}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={isOpen}
      tabIndex={isFocusable ? 0 : -1}
      data-testid="film-row"
      onFocus={onFocus}
      onClick={() => goTo(docHref(id))}
    >
      <div class="cell cell-title" role="gridcell">
        <a href={docHref(id)} tabIndex={-1}>
          {title === "" ? (
            <em class="muted">Untitled</em>
          ) : (
            <Marked text={title} places={marksOf(row, "title")} />
          )}
        </a>
        {excerpt === undefined ? null : <Excerpt excerpt={excerpt} label={labelOf(excerpt, data)} />}
      </div>
      <div class="cell cell-year" role="gridcell">
        {textOf(data.year)}
      </div>
      <div class="cell cell-genre" role="gridcell">
        <Marked text={textOf(data.genre)} places={marksOf(row, "genre")} />
      </div>
      <div class="cell cell-director" role="gridcell">
        <Marked text={textOf(data.director)} places={marksOf(row, "director")} />
      </div>
      <div class="cell cell-imdb" role="gridcell">
        {imdb === undefined ? "" : imdb.toFixed(1)}
      </div>
      <div class="cell cell-runtimeMinutes" role="gridcell">
        {textOf(data.runtimeMinutes)}
      </div>
      <div class="cell cell-worldwideUsd" role="gridcell">
        {worldwideUsd === undefined ? "" : formatMoney(worldwideUsd)}
      </div>
    </div>
  );
}

/** What has a column of its own needs no excerpt. */
const shownFields: ReadonlySet<string> = new Set(["title", "genre", "director"]);

/** Where the words stand in a field, if the row is a hit. */
function marksOf(row: QueryRow<Film> | SearchHit<Film>, field: keyof Film): readonly Place[] {
  return "marks" in row ? row.marks.filter((mark) => mark.field === field && mark.path.length === 1) : [];
}

/** Where a piece comes from: its field, or, of what is written in a file, the name of that. */
function labelOf({ field, path: [id, what] }: SearchExcerpt, data: unknown): string {
  if (field !== "$files" || what !== "text") return fieldLabel(field);
  return textOf(readAt(data, [`$file:${id}`, "name"])) || fieldLabel(field);
}

/** A piece of a text that is not in the row otherwise. */
function Excerpt({ excerpt, label }: { readonly excerpt: SearchExcerpt; readonly label: string }) {
  const { from, marks, text, wholeLength } = excerpt;
  return (
    <span class="excerpt" data-testid="excerpt">
      <span class="excerpt-field">{label}</span> {from > 0 ? "… " : ""}
      <Marked text={text} places={marks} />
      {from + text.length < wholeLength ? " …" : ""}
    </span>
  );
}
