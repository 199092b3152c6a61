/**
 * The list: a table where there is room, cards where there is not. Only the rows in sight are in the page, in the place where they would
 * be in the whole list; the arrow keys, Home and End move through all of it.
 */
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { Icon } from "../parts/icon.tsx";
import { nextOrder, sortFields } from "../film/film-filter.ts";
import type { FilmList } from "../state/film-list.ts";
import { docHref, goTo } from "../state/route.ts";
import { look, measure, reveal } from "../parts/scroller.ts";
import { FilmRow } from "./film-row.tsx";

const rowPx = { table: 44, cards: 72 } as const;
/** with a line more, for what was found elsewhere in the document */
const hitPx = { table: 64, cards: 92 } as const;
const headPx = 44;
const cardsBelowPx = 620;
/** rows beyond the edges, so that a flick of the wheel finds them drawn */
const spareRows = 6;

interface FilmTableProps {
  readonly list: FilmList;
  readonly docId: string | undefined;
}

/** The list of films. */
export function FilmTable({ list, docId }: FilmTableProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const view = useSignal({ top: 0, height: 600, width: 1000 });
  const focused = useSignal(0);
  const wantsFocus = useRef(false);
  const lastDocId = useRef(docId);
  const total = list.rowCount.value;
  const isSearching = list.isSearching.value;
  const { offset, rows } = list.shown.value;
  const { top, height, width } = view.value;
  const form = width < cardsBelowPx ? "cards" : "table";
  const px = (isSearching ? hitPx : rowPx)[form];
  const first = Math.max(0, Math.floor(top / px) - spareRows);
  const end = Math.min(total, Math.ceil((top + height) / px) + spareRows);

  useLayoutEffect(() => measure(scroller.current, (now) => (view.value = now)), []);
  useEffect(() => list.want(first, end - first), [first, end]);
  useEffect(() => {
    scroller.current?.scrollTo({ top: 0 });
    focused.value = 0;
  }, [list.turn.value]);
  useLayoutEffect(() => {
    // Back from a document that had taken the list's place: on with the row one came from.
    const isBack = docId === undefined && lastDocId.current !== undefined;
    lastDocId.current = docId;
    if (isBack && document.activeElement === document.body) wantsFocus.current = true;
  }, [docId]);
  useLayoutEffect(() => {
    if (!wantsFocus.current) return;
    const row = scroller.current?.querySelector<HTMLElement>(`[aria-rowindex="${focused.value + 2}"]`);
    if (row === null || row === undefined) return;
    wantsFocus.current = false;
    row.focus({ preventScroll: true });
  });

  const moveTo = (index: number): void => {
    focused.value = Math.min(Math.max(index, 0), total - 1);
    wantsFocus.current = true;
    reveal(scroller.current, focused.value * px, px + (form === "table" ? headPx : 0));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const page = Math.max(1, Math.floor(height / px) - 1);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    const step = steps[event.key];
    if (step !== undefined) moveTo(focused.value + step);
    else if (event.key === "Home") moveTo(0);
    else if (event.key === "End") moveTo(total - 1);
    else if (event.key === "Enter") {
      const row = rows[focused.value - offset];
      if (row !== undefined) goTo(docHref(row.id));
    } else return;
    event.preventDefault();
  };
  // One row can be reached by Tab: the one that had the focus, or, when that is out of sight, the first in sight.
  const reachable = focused.value >= first && focused.value < end ? focused.value : Math.ceil(top / px);
  const indexes = Array.from({ length: Math.max(0, end - first) }, (_, index) => first + index);
  return (
    <div
      class={`grid grid-${form}${isSearching ? " grid-hits" : ""}`}
      role="grid"
      aria-label="Documents"
      aria-rowcount={total + 1}
      data-testid="films"
    >
      <div
        ref={scroller}
        class="scroller"
        role="presentation"
        onScroll={() => look(scroller.current, (now) => (view.value = now))}
      >
        <ColumnHeads list={list} />
        <div class="rows" role="rowgroup" style={{ height: `${total * px}px` }} onKeyDown={onKeyDown}>
          {indexes.map((index) => (
            <FilmRow
              key={index}
              row={rows[index - offset]}
              index={index}
              px={px}
              isFocusable={index === reachable}
              isOpen={docId !== undefined && rows[index - offset]?.id === docId}
              onFocus={() => (focused.value = index)}
            />
          ))}
        </div>
        {total === 0 ? <NothingFound list={list} /> : null}
      </div>
    </div>
  );
}

function ColumnHeads({ list }: { readonly list: FilmList }) {
  const now = list.order.value;
  const isSearching = list.isSearching.value;
  return (
    <div class="heads" role="rowgroup">
      <div class="head-row" role="row" aria-rowindex={1}>
        {sortFields.map(({ field, label }) => (
          <div
            key={field}
            role="columnheader"
            class={`cell cell-${field.split(".").at(-1)}`}
            aria-sort={now?.field === field ? (now.order === "asc" ? "ascending" : "descending") : "none"}
          >
            <button
              type="button"
              onClick={() => list.change({ order: nextOrder(now, field, { isSearching }) })}
            >
              {label}
              {now?.field === field ? <Icon name={now.order === "asc" ? "up" : "down"} /> : null}
            </button>
          </div>
        ))}
      </div>
    </div>
  );
}

function NothingFound({ list }: { readonly list: FilmList }) {
  const [search, genre] = [list.search.value.trim(), list.genre.value];
  if ((search === "" && genre === "") || list.error.value !== undefined) return null;
  const looked = list.indexing.value;
  return (
    <div class="nothing" role="row">
      <div role="gridcell" data-testid="nothing">
        {looked !== undefined ? (
          <p>Looking through the library…</p>
        ) : (
          <>
            <h2>
              {search === "" ? `No ${genre}` : <>Nothing matches “{search}”</>}
              {search === "" || genre === "" ? "" : ` in ${genre}`}
            </h2>
            {search === "" ? null : (
              <p>
                Every word must occur in a document. The last may be a beginning, and a letter or two may be
                wrong.
              </p>
            )}
            <div class="actions">
              {search !== "" && genre !== "" ? (
                <button type="button" class="button" onClick={() => list.change({ genre: "" })}>
                  Search all genres
                </button>
              ) : null}
              <button type="button" class="button" onClick={() => list.change({ search: "", genre: "" })}>
                Show everything
              </button>
            </div>
          </>
        )}
      </div>
    </div>
  );
}
