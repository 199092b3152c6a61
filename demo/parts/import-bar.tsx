/** How far an import is. */
import { cancelImport, closeImport, importJob } from "../state/import-job.ts";
import { formatCount } from "../text/format.ts";
import { ErrorText } from "./error-note.tsx";
import { ProgressBar } from "./busy.tsx";

/** Show the import that is under way, or what stopped it. */
export function ImportBar() {
  const job = importJob.value;
  if (job === undefined) return null;
  const { source, phase, doneCount, totalCount, perSecond, error } = job;
  if (phase === "failed") {
    return (
      <div class="import-bar" data-testid="import">
        <ErrorText error={error} />
        <p>
          {formatCount(doneCount)} of {formatCount(totalCount)} were stored before, and stay.
        </p>
        <button type="button" class="button" onClick={closeImport}>
          Close
        </button>
      </div>
    );
  }
  return (
    <div class="import-bar" data-testid="import">
      <p role="status">{phase === "reading" ? `Reading ${source}…` : `Sealing and storing ${source}`}</p>
      <p class="numbers import-numbers">
        <span data-testid="import-count">
          {phase === "reading" ? "" : `${formatCount(doneCount)} of ${formatCount(totalCount)}`}
        </span>{" "}
        <span class="muted" data-testid="import-rate">
          {perSecond > 0 ? `${formatCount(Math.round(perSecond))} per second` : ""}
        </span>
      </p>
      <button type="button" class="button" onClick={cancelImport}>
        Cancel
      </button>
      <ProgressBar label="Import" done={doneCount} total={totalCount} />
    </div>
  );
}
