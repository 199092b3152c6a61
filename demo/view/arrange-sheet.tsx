/** Chooses by what the films are grouped, and which columns there are, in which order, with which totals. What is chosen is seen at once. */
import { useSignal } from "@preact/signals";
import { Icon } from "../parts/icon.tsx";
import { Sheet, type SheetRef } from "../parts/sheet.tsx";
import {
  measureOf,
  moveColumn,
  toggleColumn,
  usualLevel,
  type Arrangement,
  type ChosenColumn,
} from "./arrangement.ts";
import {
  columnNames,
  columnOf,
  groupingOf,
  groupNames,
  totalWords,
  type ColumnName,
  type GroupName,
} from "./columns.ts";
import type { FilmView } from "./film-view.ts";

interface ArrangeProps {
  readonly model: FilmView;
  readonly sheet: SheetRef;
}

/** The sheet with all of it. */
export function ArrangeSheet({ model, sheet }: ArrangeProps) {
  const arrangement = model.arrangement.value;
  const change = (to: Partial<Arrangement>): void => void model.arrange(to);
  return (
    <Sheet sheet={sheet} title="Columns and groups" testId="arrange">
      <Groups arrangement={arrangement} onChange={change} />
      <Columns columns={arrangement.columns} onChange={(columns) => change({ columns })} />
      <Measure arrangement={arrangement} onChange={change} />
    </Sheet>
  );
}

interface PartProps {
  readonly arrangement: Arrangement;
  readonly onChange: (to: Partial<Arrangement>) => void;
}

function Groups({ arrangement: { levels }, onChange }: PartProps) {
  const [outer, inner] = levels;
  if (outer === undefined) return null;
  const choose = (at: 0 | 1, chosen: string): void => {
    const level = groupNames.filter((name) => name === chosen).map(usualLevel);
    // Whoever chooses the other one wants the two the other way round.
    const other = at === 0 ? [inner?.name === chosen ? outer : inner] : [outer];
    const kept = other.filter((one) => one !== undefined);
    onChange({ levels: at === 0 ? [...level, ...kept] : [...kept, ...level] });
  };
  return (
    <div class="arrange-groups">
      <label class="field">
        <span class="label">Group by</span>
        <select value={outer.name} onChange={(event) => choose(0, event.currentTarget.value)}>
          {groupNames.map((name) => (
            <option key={name} value={name}>
              {groupingOf(name).label}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        <span class="label">Then by</span>
        <select value={inner?.name ?? ""} onChange={(event) => choose(1, event.currentTarget.value)}>
          <option value="">Nothing else</option>
          {groupNames
            .filter((name) => name !== outer.name)
            .map((name) => (
              <option key={name} value={name}>
                {groupingOf(name).label}
              </option>
            ))}
        </select>
      </label>
      <label class="field">
        <span class="label">Order</span>
        <select
          value={outer.order}
          onChange={(event) => {
            const order = event.currentTarget.value === "desc" ? "desc" : "asc";
            onChange({ levels: [{ ...outer, order }, ...levels.slice(1)] });
          }}
        >
          <option value="asc">{orderWords(outer.name)[0]}</option>
          <option value="desc">{orderWords(outer.name)[1]}</option>
        </select>
      </label>
    </div>
  );
}

const orderWords = (name: GroupName): readonly [string, string] =>
  groupingOf(name).isNumber ? ["Oldest", "Newest"] : ["A to Z", "Z to A"];

/** Those that are shown, in their order, then the others. */
function Columns(props: {
  readonly columns: readonly ChosenColumn[];
  readonly onChange: (columns: readonly ChosenColumn[]) => void;
}) {
  const { columns, onChange } = props;
  const said = useSignal("");
  const others = columnNames.filter((name) => columns.every((column) => column.name !== name));
  const move = (name: ColumnName, places: number): void => {
    const moved = moveColumn(columns, name, places);
    const place = moved.findIndex((column) => column.name === name) + 1;
    said.value = `${columnOf(name).label} is now column ${place} of ${moved.length}.`;
    onChange(moved);
  };
  const check = (name: ColumnName, isShown: boolean) => (
    <label class="check">
      <input type="checkbox" checked={isShown} onChange={() => onChange(toggleColumn(columns, name))} />
      <span>{columnOf(name).label}</span>
    </label>
  );
  return (
    <fieldset class="arrange-columns">
      <legend>Columns</legend>
      <ul class="plain" data-testid="columns">
        {columns.map(({ name, total }, index) => (
          <li key={name} class="arrange-column">
            {check(name, true)}
            {columnOf(name).totals.length > 1 ? (
              <select
                aria-label={`What ${columnOf(name).label} comes to`}
                value={total}
                onChange={(event) => {
                  const how = columnOf(name).totals.find((one) => one === event.currentTarget.value);
                  if (how !== undefined) onChange(columns.with(index, { name, total: how }));
                }}
              >
                {columnOf(name).totals.map((how) => (
                  <option key={how} value={how}>
                    {totalWords[how]}
                  </option>
                ))}
              </select>
            ) : null}
            <button
              type="button"
              class="button-icon"
              aria-label={`Move ${columnOf(name).label} up`}
              aria-disabled={index === 0}
              onClick={() => move(name, -1)}
            >
              <Icon name="up" />
            </button>
            <button
              type="button"
              class="button-icon"
              aria-label={`Move ${columnOf(name).label} down`}
              aria-disabled={index === columns.length - 1}
              onClick={() => move(name, 1)}
            >
              <Icon name="down" />
            </button>
          </li>
        ))}
        {others.map((name) => (
          <li key={name} class="arrange-column">
            {check(name, false)}
          </li>
        ))}
      </ul>
      <p class="visually-hidden" role="status">
        {said.value}
      </p>
    </fieldset>
  );
}

function Measure({ arrangement, onChange }: PartProps) {
  const measures = arrangement.columns.filter(({ name, total }) => name !== "films" && total !== "none");
  return (
    <div class="arrange-groups">
      <label class="field">
        <span class="label">The chart shows</span>
        <select
          value={measureOf(arrangement).name}
          onChange={(event) => {
            const chosen = columnNames.find((name) => name === event.currentTarget.value);
            onChange({ measure: chosen ?? "films" });
          }}
        >
          <option value="films">Films</option>
          {measures.map(({ name, total }) => (
            <option key={name} value={name}>
              {columnOf(name).label}, {totalWords[total]}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}
