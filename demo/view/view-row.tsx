/** One row of the view: a category with what it comes to, or a film. */
import type { CategoryRow, DocumentRow, ShownRow } from "cofferdb";
import { Fragment, type VNode } from "preact";
import { Icon } from "../parts/icon.tsx";
import { Marked } from "../parts/marked.tsx";
import { textOf } from "../film/read-value.ts";
import { goTo, viewHref } from "../state/route.ts";
import { formatCount } from "../text/format.ts";
import { measureOf, type Arrangement, type ChosenColumn } from "./arrangement.ts";
import { columnOf, isNumeric } from "./columns.ts";
import { levelOf } from "./film-view.ts";
import { formatCategory, formatCell } from "./format-cell.ts";

interface PlaceProps {
  readonly index: number;
  readonly px: number;
  readonly isFocusable: boolean;
  readonly onFocus: (index: number, key: string | undefined) => void;
}

interface ViewRowProps extends PlaceProps {
  readonly row: ShownRow;
  readonly arrangement: Arrangement;
  readonly viewId: string | undefined;
  readonly isOpen: boolean;
  readonly isCard: boolean;
  readonly onToggle: (row: ShownRow) => void;
}

const placeOf = ({ index, px }: PlaceProps) => ({
  transform: `translateY(${index * px}px)`,
  height: `${px}px`,
});

/** A row that is on its way. */
export function ComingRow(props: PlaceProps) {
  const { index, isFocusable, onFocus } = props;
  return (
    <div
      class="row row-coming"
      style={placeOf(props)}
      role="row"
      aria-rowindex={index + 2}
      data-index={index}
      tabIndex={isFocusable ? 0 : -1}
      onFocus={() => onFocus(index, undefined)}
    >
      <span class="visually-hidden" role="gridcell">
        On its way
      </span>
    </div>
  );
}

/** Show a row in its place. */
export function ViewRow(props: ViewRowProps) {
  const { row, index, arrangement, isCard, isFocusable, isOpen, onFocus, onToggle, viewId } = props;
  const isCategory = row.kind === "category";
  const name = isCategory ? categoryName(row, arrangement) : textOf(row.values["title"]);
  return (
    <div
      class={`row view-row ${isCategory ? "view-category" : "view-film"} view-level-${Math.min(row.level, 3)}`}
      style={placeOf(props)}
      role="row"
      aria-level={row.level + 1}
      aria-expanded={isCategory ? row.expanded : undefined}
      aria-rowindex={index + 2}
      aria-selected={isCategory ? undefined : isOpen}
      tabIndex={isFocusable ? 0 : -1}
      data-index={index}
      data-testid={isCategory ? "view-category" : "view-film"}
      onFocus={() => onFocus(index, row.key)}
      onClick={() => (isCategory ? onToggle(row) : goTo(viewHref(viewId, row.id)))}
    >
      <div class="cell cell-title" role="gridcell">
        {isCategory ? <Icon name="chevron" /> : null}
        {isCategory ? (
          <span class="view-name">{name}</span>
        ) : (
          <a class="view-name" href={viewHref(viewId, row.id)} tabIndex={-1}>
            {name === "" ? <em class="muted">Untitled</em> : words(row, "title", name)}
          </a>
        )}
      </div>
      {arrangement.columns.map((column) => (
        <div
          key={column.name}
          class={`cell${isNumeric(column.name) ? " cell-number" : ""}`}
          role="gridcell"
          data-column={column.name}
        >
          {isCategory ? categoryCell(row, column) : words(row, column.name, filmCell(row, column))}
        </div>
      ))}
      {isCard ? <CardLines row={row} arrangement={arrangement} /> : null}
    </div>
  );
}

/** On a card, where there are no heads: what the chart shows stands large, the rest in a line with its names. */
function CardLines({ row, arrangement }: { readonly row: ShownRow; readonly arrangement: Arrangement }) {
  const measure = measureOf(arrangement);
  const cell = (column: ChosenColumn): string =>
    row.kind === "category" ? categoryCell(row, column) : filmCell(row, column);
  const rest = arrangement.columns
    .filter(({ name }) => name !== measure.name)
    .map((column) => ({ name: column.name, text: named(column, cell(column)) }))
    .filter(({ text }) => text !== "");
  return (
    <>
      <div class="cell card-rest" aria-hidden="true">
        {rest.map(({ name, text }, index) => (
          <Fragment key={name}>
            {index === 0 ? "" : " · "}
            {row.kind === "category" ? text : words(row, name, text)}
          </Fragment>
        ))}
      </div>
      <div class="cell card-measure" aria-hidden="true">
        {cell(measure)}
      </div>
    </>
  );
}

/** A value with what it is of, where it does not say so by itself. */
function named({ name, total }: ChosenColumn, text: string): string {
  const { kind, label } = columnOf(name);
  if (text === "" || (kind === "text" && total === "none") || kind === "year") return text;
  if (kind === "films") return `${text} ${text === "1" ? "film" : "films"}`;
  return kind === "minutes" ? `${text} min` : `${label} ${text}`;
}

/**
 * The text of a column; where it is shown as it is, the words that are searched for are marked in it. Rows are made at every step of
 * scrolling, so a text without words is no part of its own.
 */
function words({ marks, values }: DocumentRow, column: string, text: string): string | VNode {
  const places = values[column] === text ? (marks?.filter((mark) => mark.column === column) ?? []) : [];
  return places.length === 0 ? text : <Marked text={text} places={places} />;
}

function categoryName(row: CategoryRow, arrangement: Arrangement): string {
  const level = levelOf(arrangement, row.column);
  return level === undefined ? String(row.value ?? "") : formatCategory(level.name, row.value);
}

function categoryCell(row: CategoryRow, { name, total }: ChosenColumn): string {
  if (name === "films") return formatCount(row.documentCount);
  return total === "none" ? "" : formatCell(name, row.totals[name], total);
}

/** A film has its own value, whatever many of them come to. */
function filmCell({ values }: DocumentRow, { name }: ChosenColumn): string {
  return name === "films" ? "" : formatCell(name, values[name], "none");
}
