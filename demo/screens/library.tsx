/** The library: search, filter, sort, import; and the list itself. */
import { useSignal } from "@preact/signals";
import { Busy } from "../parts/busy.tsx";
import { ImportBar } from "../parts/import-bar.tsx";
import { Icon } from "../parts/icon.tsx";
import { createFilm, genres } from "../film/film.ts";
import { sortFields, type SortField } from "../film/film-filter.ts";
import { useAction } from "../state/action.ts";
import { importCsv, importJob } from "../state/import-job.ts";
import { pillState, whileSaving } from "../state/activity.ts";
import { createAndOpen, type Space } from "../state/space.ts";
import { formatCount, formatThings } from "../text/format.ts";
import { ErrorNote } from "../parts/error-note.tsx";
import { CsvButton, EmptyLibrary, ImportButton } from "./empty-library.tsx";
import { FilmTable } from "./film-table.tsx";

interface LibraryProps {
  readonly space: Space;
  /** the document whose page is open beside the list */
  readonly docId: string | undefined;
}

/** While it stands so with the server, an empty library may only be one that has not arrived yet. */
const comingKinds: ReadonlySet<string> = new Set(["connecting", "receiving", "checking"]);

/** The library, which takes CSV files dropped anywhere on it. */
export function Library({ space, docId }: LibraryProps) {
  const isOver = useSignal(false);
  const { list, db } = space;
  const documentCount = db.status.value.documentCount;
  const isEmpty = documentCount === 0 && list.total.value === 0;
  const isLoading = isEmpty && (db.status.value.phase === "loading" || list.status.value === "loading");
  const onDrop = (event: DragEvent): void => {
    event.preventDefault();
    isOver.value = false;
    const file = event.dataTransfer?.files[0];
    if (file !== undefined) void importCsv(file);
  };
  return (
    <section
      class={isOver.value ? "library is-over" : "library"}
      aria-label="Library"
      onDragOver={(event) => {
        event.preventDefault();
        isOver.value = true;
      }}
      onDragLeave={() => (isOver.value = false)}
      onDrop={onDrop}
    >
      {isLoading ? (
        <p class="muted pad">Opening the library…</p>
      ) : isEmpty && comingKinds.has(pillState.value.kind) ? (
        <div class="empty">
          <Busy what="The first documents are on their way." why={`Just now: ${pillState.value.text}.`} />
        </div>
      ) : isEmpty && importJob.value === undefined ? (
        <EmptyLibrary />
      ) : (
        <>
          <Toolbar space={space} />
          <ErrorNote error={list.error} />
          <FilmTable list={list} docId={docId} />
        </>
      )}
      <ImportBar />
    </section>
  );
}

function Toolbar({ space: { list, db } }: { readonly space: Space }) {
  const create = useAction(async () => whileSaving(createAndOpen(createFilm(""))));
  const total = list.total.value;
  const all = db.status.value.documentCount;
  const isFiltered = list.search.value !== "" || list.genre.value !== "";
  return (
    <div class="toolbar">
      <div class="search">
        <Icon name="search" />
        <input
          type="search"
          aria-label="Search title, director, genre or tag"
          placeholder="Search"
          value={list.search.value}
          onInput={(event) => list.change({ search: event.currentTarget.value })}
          spellcheck={false}
        />
      </div>
      <select
        aria-label="Genre"
        value={list.genre.value}
        onChange={(event) => list.change({ genre: event.currentTarget.value })}
      >
        <option value="">All genres</option>
        {genres.map((genre) => (
          <option key={genre}>{genre}</option>
        ))}
      </select>
      <SortChoice space={{ list }} />
      <p class="total" role="status" data-testid="count">
        {isFiltered
          ? `${formatCount(total)} of ${formatThings(all, "document")}`
          : formatThings(total, "document")}
      </p>
      <div class="toolbar-end">
        <ImportButton />
        <CsvButton />
      </div>
      <button
        type="button"
        class="button button-main button-new"
        disabled={create.isBusy.value}
        onClick={() => create.run()}
      >
        <Icon name="plus" />
        <span class="button-words">New document</span>
      </button>
      <ErrorNote error={create.error} />
    </div>
  );
}

/** Where the columns have no heads to press, on narrow screens, the order is chosen here. */
function SortChoice({ space: { list } }: { readonly space: Pick<Space, "list"> }) {
  const { field, order } = list.order.value;
  return (
    <div class="sort-choice">
      <select
        aria-label="Sort by"
        value={field}
        onChange={(event) => {
          const chosen = event.currentTarget.value as SortField;
          const { firstOrder = "asc" } = sortFields.find((one) => one.field === chosen) ?? {};
          list.change({ order: { field: chosen, order: firstOrder } });
        }}
      >
        {sortFields.map((one) => (
          <option key={one.field} value={one.field}>
            {one.label}
          </option>
        ))}
      </select>
      <button
        type="button"
        class="button-icon"
        aria-label={order === "asc" ? "Sorted upwards; sort downwards" : "Sorted downwards; sort upwards"}
        onClick={() => list.change({ order: { field, order: order === "asc" ? "desc" : "asc" } })}
      >
        <Icon name={order === "asc" ? "up" : "down"} />
      </button>
    </div>
  );
}
