/** An empty library is an invitation; and the ways in which documents come into one. */
import { useId } from "preact/hooks";
import { ErrorNote } from "../parts/error-note.tsx";
import { Icon } from "../parts/icon.tsx";
import { createFilm, dataSetCount } from "../film/film.ts";
import { useAction } from "../state/action.ts";
import { whileSaving } from "../state/activity.ts";
import { importCsv, importDataSet, importJob } from "../state/import-job.ts";
import { createAndOpen } from "../state/space.ts";
import { formatCount } from "../text/format.ts";

/** What to do with a library that holds nothing yet. */
export function EmptyLibrary() {
  const create = useAction(async () => whileSaving(createAndOpen(createFilm(""))));
  return (
    <div class="empty" data-testid="empty">
      <Icon name="film" />
      <h2>Nothing here yet</h2>
      <p class="muted">Whatever you put in is sealed on this device before it is stored.</p>
      <div class="empty-actions">
        <button type="button" class="button button-main button-large" onClick={() => void importDataSet()}>
          <Icon name="film" />
          Import {formatCount(dataSetCount)} films
        </button>
        <button
          type="button"
          class="button button-large"
          disabled={create.isBusy.value}
          onClick={() => create.run()}
        >
          <Icon name="plus" />
          New document
        </button>
        <CsvButton isLarge />
      </div>
      <p class="hint">
        A CSV file may also be dropped anywhere on this page. Its first row names the columns.
      </p>
      <ErrorNote error={create.error} />
    </div>
  );
}

/** Import the shipped films into a library that holds something already. */
export function ImportButton() {
  return (
    <button
      type="button"
      class="button wide-only"
      disabled={importJob.value !== undefined}
      onClick={() => void importDataSet()}
    >
      <Icon name="film" />
      Import {formatCount(dataSetCount)} films
    </button>
  );
}

/** Choose a CSV file; it looks like the other buttons, and is a file input to the browser. */
export function CsvButton({ isLarge = false }: { readonly isLarge?: boolean }) {
  const id = useId();
  return (
    <span class={isLarge ? "file-button" : "file-button wide-only"}>
      <input
        id={id}
        class="visually-hidden"
        type="file"
        accept=".csv,.tsv,text/csv"
        disabled={importJob.value !== undefined}
        data-testid={isLarge ? "csv-empty" : "csv"}
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          if (file !== undefined) void importCsv(file);
          event.currentTarget.value = "";
        }}
      />
      <label for={id} class={isLarge ? "button button-large" : "button"}>
        <Icon name="upload" />
        Drop a CSV
      </label>
    </span>
  );
}
