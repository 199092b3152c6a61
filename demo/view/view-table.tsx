/**
 * The rows of the view as a tree that is a table: categories with what they come to, films within them. Only the rows in sight are in the
 * page, each under its own key, in the place where it would be among all of them.
 *
 * | key | does |
 * |---|---|
 * | ↑ ↓ Page↑ Page↓ Home End | go to another row |
 * | → | expands a category; then goes to its first row |
 * | ← | collapses a category; then goes to the one around it |
 * | Enter | opens a film, expands or collapses a category; Space does the latter |
 */
import { useSignal } from "@preact/signals";
import type { ShownRow, View } from "cofferdb";
import type { ComponentProps, VNode } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { Icon } from "../parts/icon.tsx";
import { look, measure, reveal, type Sight } from "../parts/scroller.ts";
import { goTo, viewHref } from "../state/route.ts";
import { formatCount } from "../text/format.ts";
import { measureOf, nextSort, type ChosenColumn } from "./arrangement.ts";
import { columnOf, isNumeric, totalWords, type ColumnName } from "./columns.ts";
import type { FilmView } from "./film-view.ts";
import { formatCell } from "./format-cell.ts";
import { ComingRow, ViewRow } from "./view-row.tsx";

const rowPx = { table: 44, cards: 64 } as const;
const edgePx = 44;
const cardsBelowPx = 620;
/** rows beyond the edges, so that a flick of the wheel finds them drawn */
const spareRows = 4;

interface ViewTableProps {
  readonly model: FilmView;
  readonly view: View;
  readonly docId: string | undefined;
}

/** The tree of the view. */
export function ViewTable({ model, view, docId }: ViewTableProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const sight = useSignal<Sight>({ top: model.place.top, height: 600, width: 1000 });
  const rows = view.rows.value ?? [];
  const from = view.from.value;
  const rowCount = view.total.value?.rowCount ?? 0;
  const { top, height, width } = sight.value;
  const form = width < cardsBelowPx ? "cards" : "table";
  const px = rowPx[form];
  const first = Math.max(0, Math.floor(top / px) - spareRows);
  const end = Math.min(rowCount, Math.ceil((top + height) / px) + spareRows);
  const focus = useFocus(model, { scroller, px, form, rowCount, docId });

  useLayoutEffect(() => {
    if (scroller.current !== null) scroller.current.scrollTop = model.place.top;
    return measure(scroller.current, (now) => (sight.value = now));
  }, []);
  useEffect(() => model.want(first, end - first), [first, end]);
  useAnchor(scroller, { rows, from, px, top });

  const drawn = useDrawn();
  const indexes = Array.from({ length: Math.max(0, end - first) }, (_, index) => first + index);
  const at = (index: number): ShownRow | undefined => rows[index - from];
  const focused = indexes.find((index) => at(index) !== undefined && at(index)?.key === model.place.key);
  const reachable = focused ?? Math.min(Math.ceil(top / px), rowCount - 1);
  const { arrangement } = model;
  return (
    <div
      class={`grid grid-${form} view-grid`}
      role="treegrid"
      aria-label="Films by category"
      aria-rowcount={rowCount + 2}
      aria-colcount={arrangement.value.columns.length + 1}
      data-testid="view"
      data-status={view.status.value}
      style={columnStyle(arrangement.value.columns, width)}
    >
      <div
        ref={scroller}
        class="scroller"
        role="presentation"
        onScroll={() =>
          look(scroller.current, (now) => {
            sight.value = now;
            model.place.top = now.top;
          })
        }
      >
        <ColumnHeads model={model} />
        <div
          class="rows"
          role="rowgroup"
          tabIndex={-1}
          style={{ height: `${rowCount * px}px` }}
          onKeyDown={(event) => focus.onKeyDown(event, view)}
          onFocusOut={focus.onFocusOut}
        >
          {indexes.map((index) => {
            const row = at(index);
            const shared = { index, px, isFocusable: index === reachable, onFocus: focus.onFocus };
            return row === undefined ? (
              <ComingRow key={`coming ${index}`} {...shared} />
            ) : (
              drawn(row, {
                ...shared,
                arrangement: arrangement.value,
                viewId: model.savedId.value,
                isOpen: row.kind === "document" && row.id === docId,
                isCard: form === "cards",
                onToggle: (category) => focus.toggle(view, category),
              })
            );
          })}
        </div>
        <Everything model={model} view={view} rowCount={rowCount} />
      </div>
    </div>
  );
}

type RowProps = Omit<ComponentProps<typeof ViewRow>, "row">;

/** Rows as they were drawn last: what says the same is not gone through again, so that scrolling costs what comes into sight. */
function useDrawn(): (row: ShownRow, props: RowProps) => VNode {
  const kept = useRef(new Map<string, { readonly stamp: readonly unknown[]; readonly node: VNode }>());
  const before = kept.current;
  const now: typeof before = new Map();
  kept.current = now;
  return (row, props) => {
    const { arrangement, index, isCard, isFocusable, isOpen, px, viewId } = props;
    const stamp = [row, arrangement, index, isCard, isFocusable, isOpen, px, viewId];
    const same = before.get(row.key);
    const isSame = same?.stamp.every((part, at) => part === stamp[at]) === true;
    const one = isSame ? same : { stamp, node: <ViewRow key={row.key} row={row} {...props} /> };
    now.set(row.key, one);
    return one.node;
  };
}

/** Pixels of a table's parts, and of one that has not that much room. */
const spacious = { title: 240, figures: 96, text: 104, gap: 24 } as const;
const tight = { title: 160, figures: 80, text: 88, gap: 12 } as const;
const sidesPx = 48;

/** How wide the columns are: figures as wide as they get, texts share the rest. */
function columnStyle(columns: readonly ChosenColumn[], roomPx: number): Record<string, string> {
  const leastOf = ({ title, figures, text, gap }: typeof spacious | typeof tight): number =>
    columns.reduce((sum, { name }) => sum + gap + (isNumeric(name) ? figures : text), title + sidesPx);
  const px = leastOf(spacious) <= roomPx ? spacious : tight;
  const widths = columns.map(({ name }) =>
    isNumeric(name) ? `${px.figures}px` : `minmax(${px.text}px, 1.2fr)`,
  );
  return {
    "--columns": [`minmax(${px.title}px, 2.4fr)`, ...widths].join(" "),
    "--least": `${leastOf(px)}px`,
    "--column-gap": `${px.gap}px`,
  };
}

function ColumnHeads({ model }: { readonly model: FilmView }) {
  const { columns, sort } = model.arrangement.value;
  const head = (name: ColumnName | "title", label: string, total: string) => (
    <div
      key={name}
      role="columnheader"
      class={name !== "title" && isNumeric(name) ? "cell cell-number" : "cell"}
      aria-sort={sort.name === name ? (sort.order === "asc" ? "ascending" : "descending") : "none"}
    >
      {name === "films" ? (
        <span class="view-head">{label}</span>
      ) : (
        <button
          type="button"
          class="view-head"
          onClick={() => void model.arrange({ sort: nextSort(sort, name) })}
        >
          <span>{label}</span>
          {sort.name === name ? <Icon name={sort.order === "asc" ? "up" : "down"} /> : null}
          {total === "" ? null : <small>{total}</small>}
        </button>
      )}
    </div>
  );
  return (
    <div class="heads" role="rowgroup">
      <div class="head-row" role="row" aria-rowindex={1}>
        {head("title", "Title", "")}
        {columns.map(({ name, total }) =>
          head(name, columnOf(name).label, total === "none" ? "" : totalWords[total]),
        )}
      </div>
    </div>
  );
}

/** What all of it comes to; it stays at the bottom. */
function Everything({ model, view, rowCount }: { model: FilmView; view: View; rowCount: number }) {
  const { documentCount = 0, totals = {} } = view.total.value ?? {};
  const { name: measure } = measureOf(model.arrangement.value);
  return (
    <div class="view-foot" role="rowgroup">
      <div class="foot-row" role="row" aria-rowindex={rowCount + 2} data-testid="view-total">
        <div class="cell cell-title" role="gridcell">
          Everything
        </div>
        {model.arrangement.value.columns.map(({ name, total }) => (
          <div
            key={name}
            class={isNumeric(name) ? "cell cell-number" : "cell"}
            role="gridcell"
            data-column={name}
            data-measure={name === measure}
          >
            {name === "films"
              ? formatCount(documentCount)
              : total === "none"
                ? ""
                : formatCell(name, totals[name], total)}
          </div>
        ))}
      </div>
    </div>
  );
}

/** What is in sight stays there when rows come or go above it. */
function useAnchor(
  scroller: { readonly current: HTMLElement | null },
  now: {
    readonly rows: readonly ShownRow[];
    readonly from: number;
    readonly px: number;
    readonly top: number;
  },
): void {
  const before = useRef<{ readonly key: string; readonly index: number } | undefined>(undefined);
  useLayoutEffect(() => {
    const element = scroller.current;
    const held = before.current;
    const { rows, from, px } = now;
    if (element !== null && held !== undefined && element.scrollTop >= px) {
      const place = rows.findIndex(({ key }) => key === held.key);
      if (place >= 0 && place + from !== held.index) element.scrollTop += (place + from - held.index) * px;
    }
  }, [now.rows, now.from]);
  useLayoutEffect(() => {
    const index = Math.ceil(now.top / now.px);
    const row = now.rows[index - now.from];
    before.current = row && { key: row.key, index };
  });
}

interface FocusRoom {
  readonly scroller: { readonly current: HTMLElement | null };
  readonly px: number;
  readonly form: "table" | "cards";
  readonly rowCount: number;
  readonly docId: string | undefined;
}

/** The focus among rows that come and go: it stays with its row, and where that has gone, at its place. */
function useFocus(model: FilmView, { scroller, px, form, rowCount, docId }: FocusRoom) {
  const lastDocId = useRef(docId);
  const wanted = useRef<number | undefined>(undefined);
  const isInside = useRef(false);
  const { place } = model;
  useLayoutEffect(() => {
    // Back from a document that had taken the view's place: on with the row one came from.
    const isBack = docId === undefined && lastDocId.current !== undefined;
    lastDocId.current = docId;
    if (!isBack || scroller.current === null) return;
    scroller.current.scrollTop = place.top;
    if (document.activeElement === document.body) isInside.current = true;
  }, [docId]);
  useLayoutEffect(() => {
    const all = scroller.current?.querySelector<HTMLElement>(".rows");
    const { activeElement } = document;
    const isLost = isInside.current && (activeElement === document.body || activeElement === all);
    const index = wanted.current ?? (isLost ? Math.min(place.index, rowCount - 1) : undefined);
    if (index === undefined) return;
    const row = all?.querySelector<HTMLElement>(`.row[data-index="${index}"]`);
    if (row === null || row === undefined) {
      // Out of sight: until the row is there again, the keys go to all of them.
      if (isLost) all?.focus({ preventScroll: true });
      return;
    }
    if (!row.classList.contains("row-coming")) wanted.current = undefined;
    row.focus({ preventScroll: true });
  });
  const moveTo = (view: View, index: number): void => {
    const last = (view.total.peek()?.rowCount ?? 0) - 1;
    const to = Math.max(0, Math.min(last, index));
    place.index = to;
    place.key = model.rowAt(to)?.key;
    wanted.current = to;
    reveal(scroller.current, to * px, px + (form === "table" ? 2 : 1) * edgePx);
    // Where nothing has to be scrolled, nothing is drawn again.
    scroller.current?.querySelector<HTMLElement>(`.row[data-index="${to}"]`)?.focus({ preventScroll: true });
  };
  const toggle = (view: View, row: ShownRow): void => {
    if (row.kind !== "category") return;
    const turned = row.expanded ? view.collapse(row.key) : view.expand(row.key);
    turned.catch((error: unknown) => (model.error.value = error));
  };
  const goOut = async (view: View, row: ShownRow): Promise<void> => {
    const parent = (await view.find(row.key))?.parents.at(-1);
    const found = parent && (await view.find(parent.key));
    if (found?.index !== undefined) moveTo(view, found.index);
  };
  const onKeyDown = (event: KeyboardEvent, view: View): void => {
    const row = model.rowAt(place.index);
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / px) - 3);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    const step = steps[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (step !== undefined) moveTo(view, place.index + step);
    else if (event.key === "Home") moveTo(view, 0);
    else if (event.key === "End") moveTo(view, Infinity);
    else if (row === undefined) return;
    else if (event.key === "ArrowRight" && row.kind === "category")
      if (row.expanded) moveTo(view, place.index + 1);
      else toggle(view, row);
    else if (event.key === "ArrowLeft")
      if (row.kind === "category" && row.expanded) toggle(view, row);
      else void goOut(view, row);
    else if (event.key === "Enter" && row.kind === "document") goTo(viewHref(model.savedId.peek(), row.id));
    else if (event.key === "Enter" || event.key === " ") toggle(view, row);
    else return;
    event.preventDefault();
  };
  return {
    onKeyDown,
    toggle,
    onFocus: (index: number, key: string | undefined): void => {
      isInside.current = true;
      place.index = index;
      if (key !== undefined) place.key = key;
    },
    onFocusOut: (event: FocusEvent): void => {
      // A row that is taken away takes the focus with it; whoever leaves goes to something else.
      const { target, relatedTarget, currentTarget } = event;
      const isAmongThem =
        currentTarget instanceof Node && currentTarget.contains(relatedTarget as Node | null);
      if (isAmongThem) return;
      queueMicrotask(() => {
        if (target instanceof Node && target.isConnected) isInside.current = false;
      });
    },
  };
}
