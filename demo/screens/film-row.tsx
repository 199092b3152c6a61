/** One row of the list: the cells of a table, or, laid out by the style sheet, a card. */
import type { QueryRow } from "cofferdb";
import { Marked } from "../parts/marked.tsx";
import type { Film } from "../film/film.ts";
import { numberOf, readAt, textOf } from "../film/read-value.ts";
import { docHref, goTo } from "../state/route.ts";
import { formatMoney } from "../text/format.ts";

interface FilmRowProps {
  /** undefined while it is on its way */
  readonly row: QueryRow<Film> | undefined;
  readonly index: number;
  readonly px: number;
  readonly isFocusable: boolean;
  readonly isOpen: boolean;
  readonly words: readonly string[];
  readonly onFocus: () => void;
}

/** Show a row in its place. */
export function FilmRow({ row, index, px, isFocusable, isOpen, words, onFocus }: FilmRowProps) {
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
          {title === "" ? <em class="muted">Untitled</em> : <Marked text={title} words={words} />}
        </a>
      </div>
      <div class="cell cell-year" role="gridcell">
        {textOf(data.year)}
      </div>
      <div class="cell cell-genre" role="gridcell">
        <Marked text={textOf(data.genre)} words={words} />
      </div>
      <div class="cell cell-director" role="gridcell">
        <Marked text={textOf(data.director)} words={words} />
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
