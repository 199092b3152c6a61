/** The library: search, filter, sort, import; and the list itself. */
import { useSignal } from "@preact/signals";
import { Busy } from "../parts/busy.tsx";
import { ImportBar } from "../parts/import-bar.tsx";
import { Icon } from "../parts/icon.tsx";
import { createFilm, genres } from "../film/film.ts";
import { firstOrderOf, sortFields } from "../film/film-filter.ts";
import { useAction } from "../state/action.ts";
import { importCsv, importJob } from "../state/import-job.ts";
import { pillState, whileSaving } from "../state/activity.ts";
import { createAndOpen, type Space } from "../state/space.ts";
import { formatCount, formatThings } from "../text/format.ts";
import { ErrorNote } from "../parts/error-note.tsx";
import { SearchField } from "../parts/search-field.tsx";
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
  const listed = list.rowCount.value;
  const unlisted = listed < total ? `, the first ${formatCount(listed)} listed` : "";
  const isFiltered = list.isSearching.value || list.genre.value !== "";
  return (
    <div class="toolbar">
      <SearchField
        label="Search everything in the documents"
        text={list.search}
        onFocus={() => list.prepare()}
        onSearch={(search) => list.change({ search })}
      />
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
        {list.indexing.value !== undefined
          ? `Looked through ${Math.floor(list.indexing.value * 100)} %`
          : isFiltered
            ? `${formatCount(total)} of ${formatThings(all, "document")}${unlisted}`
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
  const { field, order } = list.order.value ?? {};
  return (
    <div class="sort-choice">
      <select
        aria-label="Sort by"
        value={field ?? ""}
        onChange={(event) => {
          const chosen = sortFields.find((one) => one.field === event.currentTarget.value)?.field;
          list.change({ order: chosen && firstOrderOf(chosen) });
        }}
      >
        {list.isSearching.value ? <option value="">Best match</option> : null}
        {sortFields.map((one) => (
          <option key={one.field} value={one.field}>
            {one.label}
          </option>
        ))}
      </select>
      <button
        type="button"
        class="button-icon"
        disabled={field === undefined}
        aria-label={order === "desc" ? "Sorted downwards; sort upwards" : "Sorted upwards; sort downwards"}
        onClick={() => field && list.change({ order: { field, order: order === "asc" ? "desc" : "asc" } })}
      >
        <Icon name={order === "desc" ? "down" : "up"} />
      </button>
    </div>
  );
}
