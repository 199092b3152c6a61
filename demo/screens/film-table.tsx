/**
 * The list: a table where there is room, cards where there is not. Only the rows in sight are in the page, in the place where they would
 * be in the whole list; the arrow keys, Home and End move through all of it.
 */
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { Icon } from "../parts/icon.tsx";
import { nextOrder, searchWords, sortFields } from "../film/film-filter.ts";
import type { FilmList } from "../state/film-list.ts";
import { docHref, goTo } from "../state/route.ts";
import { FilmRow } from "./film-row.tsx";

const rowPx = { table: 44, cards: 72 } as const;
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
  const total = list.total.value;
  const { offset, rows } = list.shown.value;
  const { top, height, width } = view.value;
  const form = width < cardsBelowPx ? "cards" : "table";
  const px = rowPx[form];
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
  const words = searchWords(list.search.value);
  const indexes = Array.from({ length: Math.max(0, end - first) }, (_, index) => first + index);
  return (
    <div
      class={`grid grid-${form}`}
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
              words={words}
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
  return (
    <div class="heads" role="rowgroup">
      <div class="head-row" role="row" aria-rowindex={1}>
        {sortFields.map(({ field, label }) => (
          <div
            key={field}
            role="columnheader"
            class={`cell cell-${field.split(".").at(-1)}`}
            aria-sort={now.field === field ? (now.order === "asc" ? "ascending" : "descending") : "none"}
          >
            <button type="button" onClick={() => list.change({ order: nextOrder(now, field) })}>
              {label}
              {now.field === field ? <Icon name={now.order === "asc" ? "up" : "down"} /> : null}
            </button>
          </div>
        ))}
      </div>
    </div>
  );
}

function NothingFound({ list }: { readonly list: FilmList }) {
  if (list.search.value === "" && list.genre.value === "") return null;
  return (
    <div class="nothing" role="row">
      <p role="gridcell">
        Nothing matches.{" "}
        <button type="button" class="button" onClick={() => list.change({ search: "", genre: "" })}>
          Show everything
        </button>
      </p>
    </div>
  );
}

interface View {
  readonly top: number;
  readonly height: number;
  readonly width: number;
}

function look(element: HTMLElement | null, tell: (view: View) => void): void {
  if (element === null || element.clientHeight === 0) return;
  tell({ top: element.scrollTop, height: element.clientHeight, width: element.clientWidth });
}

function measure(element: HTMLElement | null, tell: (view: View) => void): () => void {
  if (element === null) return () => undefined;
  look(element, tell);
  const observer = new ResizeObserver(() => look(element, tell));
  observer.observe(element);
  return () => observer.disconnect();
}

/** Scroll just so far that a row is in sight; `px` is its height and that of the heads, which stay at the top. */
function reveal(element: HTMLElement | null, rowTop: number, px: number): void {
  if (element === null) return;
  const { scrollTop, clientHeight } = element;
  if (rowTop < scrollTop) element.scrollTop = rowTop;
  else if (rowTop + px > scrollTop + clientHeight) element.scrollTop = rowTop + px - clientHeight;
}
