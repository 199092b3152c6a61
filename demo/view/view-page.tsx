/** The view page: films in categories, with totals. All of it is loaded when somebody first comes here. */
import type { View } from "cofferdb";
import { useEffect } from "preact/hooks";
import { ProgressBar } from "../parts/busy.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Icon } from "../parts/icon.tsx";
import { SearchField } from "../parts/search-field.tsx";
import { useSheet } from "../parts/sheet.tsx";
import { useSteady } from "../parts/steady.ts";
import { goTo, viewHref } from "../state/route.ts";
import type { Space } from "../state/space.ts";
import { formatThings } from "../text/format.ts";
import { ArrangeSheet } from "./arrange-sheet.tsx";
import { Chart } from "./chart.tsx";
import { groupingOf } from "./columns.ts";
import { viewOf, type FilmView } from "./film-view.ts";
import { SavedSheet } from "./saved-sheet.tsx";
import { ViewTable } from "./view-table.tsx";
import "./view.css";

interface ViewPageProps {
  readonly space: Space;
  readonly viewId: string | undefined;
  readonly docId: string | undefined;
}

/** The page of the view that the address names. */
export function ViewPage({ space, viewId, docId }: ViewPageProps) {
  const model = viewOf(space, viewId);
  useEffect(() => {
    model.show(viewId).catch((error: unknown) => (model.error.value = error));
  }, [viewId]);
  const view = model.view.value;
  const isEmpty = view?.status.value === "ready" && view.total.value?.documentCount === 0;
  const { bars } = model;
  return (
    <section class="library view-page" aria-label="View">
      <Toolbar model={model} view={view} />
      <ErrorNote error={model.error} />
      {isEmpty && !isSearched(model) ? (
        <NothingYet />
      ) : (
        <>
          {isChartShown(model) && bars.value !== undefined ? (
            <Chart arrangement={model.arrangement.value} bars={bars.value} />
          ) : null}
          {isEmpty ? <NothingFound /> : null}
          {view === undefined ? <Opening /> : <Tree model={model} view={view} docId={docId} />}
        </>
      )}
    </section>
  );
}

const isSearched = (model: FilmView): boolean => model.search.value.trim() !== "";

/** The chart is of all films: it makes room for those that are found. */
const isChartShown = (model: FilmView): boolean => model.arrangement.value.isChartShown && !isSearched(model);

function Tree({ model, view, docId }: { model: FilmView; view: View; docId: string | undefined }) {
  // What is there within a moment needs no bar.
  const progress = useSteady(view.progress).value;
  if (view.rows.value === undefined)
    return progress === undefined ? (
      <Opening />
    ) : (
      <div class="pad">
        <p class="muted">Arranging the films…</p>
        <ProgressBar label="Arranging the films" done={progress} total={1} />
      </div>
    );
  return <ViewTable model={model} view={view} docId={docId} />;
}

function Opening() {
  return <p class="muted pad">Opening the view…</p>;
}

function NothingFound() {
  return (
    <p class="muted pad" data-testid="view-none">
      No film has these words.
    </p>
  );
}

function NothingYet() {
  return (
    <div class="empty" data-testid="view-empty">
      <Icon name="views" />
      <h2>Nothing to arrange yet</h2>
      <p class="muted">Films come in by the library; here they stand in categories, with totals.</p>
      <a class="button button-main button-large" href="#/library">
        Go to the library
      </a>
    </div>
  );
}

function Toolbar({ model, view }: { readonly model: FilmView; readonly view: View | undefined }) {
  const arrange = useSheet();
  const save = useSheet();
  const count = view?.total.value?.documentCount;
  return (
    <div class="toolbar view-toolbar">
      <SearchField
        label="Search the films of the view"
        text={model.search}
        onFocus={() => model.prepare()}
        onSearch={(text) => void model.find(text)}
      />
      <ViewChoice model={model} />
      <button
        type="button"
        class="button"
        aria-haspopup="dialog"
        disabled={view === undefined}
        onClick={save.open}
        data-testid="save-view"
      >
        <Icon name="save" />
        <span class="button-words">Save…</span>
      </button>
      {view === undefined ? null : <Levels model={model} view={view} />}
      <p class="total" role="status" data-testid="view-count">
        {count === undefined ? "" : formatThings(count, "film")}
      </p>
      <div class="toolbar-end">
        <button
          type="button"
          class="button"
          aria-pressed={isChartShown(model)}
          disabled={view === undefined || isSearched(model)}
          onClick={() => void model.arrange({ isChartShown: !isChartShown(model) })}
        >
          <Icon name="chart" />
          <span class="button-words">Chart</span>
        </button>
        <button
          type="button"
          class="button"
          aria-haspopup="dialog"
          disabled={view === undefined}
          onClick={arrange.open}
        >
          <Icon name="columns" />
          <span class="button-words">Columns</span>
        </button>
      </div>
      <ArrangeSheet model={model} sheet={arrange} />
      <SavedSheet model={model} sheet={save} />
    </div>
  );
}

/** Which view is shown: what everybody begins with, or a saved one. */
function ViewChoice({ model }: { readonly model: FilmView }) {
  const names = model.saved.names.value ?? [];
  const id = model.savedId.value;
  return (
    <select
      class="view-choice"
      aria-label="View"
      value={id ?? ""}
      onChange={(event) => goTo(viewHref(event.currentTarget.value || undefined))}
    >
      <option value="">All films</option>
      {names.map((one) => (
        <option key={one.id} value={one.id}>
          {one.name}
        </option>
      ))}
      {id === undefined || names.some((one) => one.id === id) ? null : (
        <option value={id}>A saved view</option>
      )}
    </select>
  );
}

/** How deep it is expanded, by the names of what is to be seen. */
function Levels({ model, view }: { readonly model: FilmView; readonly view: View }) {
  const { expandedTo, flipped } = view.state.value;
  const words = [...model.arrangement.value.levels.map(({ name }) => groupingOf(name).many), "Films"];
  const isAt = (level: number): boolean =>
    flipped.length === 0 && (level === words.length - 1 ? expandedTo >= level : expandedTo === level);
  return (
    <div class="segments" role="group" aria-label="Expand to">
      {words.map((word, level) => (
        <button
          key={word}
          type="button"
          aria-pressed={isAt(level)}
          onClick={() => {
            view.expandTo(level).catch((error: unknown) => (model.error.value = error));
          }}
        >
          {word}
        </button>
      ))}
    </div>
  );
}
