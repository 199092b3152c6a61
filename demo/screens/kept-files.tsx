/** What the files of the space take on this device, how much they may, and how to let some of them go. */
import { useComputed } from "@preact/signals";
import { useEffect, useId } from "preact/hooks";
import { ErrorNote } from "../parts/error-note.tsx";
import { useAction } from "../state/action.ts";
import { notify } from "../state/activity.ts";
import type { Space } from "../state/space.ts";
import { formatBytes } from "../text/format.ts";

/** What one may choose as the most, in bytes; 0 is as much as there is room for. */
const budgets = [0, 100e6, 500e6, 1e9, 5e9] as const;

/** The panel; nothing before it is known what is kept. */
export function FilesPanel({ space: { tenant } }: { readonly space: Space }) {
  const id = useId();
  const files = useComputed(() => tenant.status.value.files).value;
  // It is weighed when somebody asks for it first.
  useEffect(() => void tenant.limitFiles({}).catch(() => undefined), [tenant]);
  const free = useAction(async () => {
    const before = tenant.status.peek().files?.localBytes ?? 0;
    const after = await tenant.limitFiles({ freeBytes: before });
    notify(
      `${formatBytes(Math.max(0, before - after.localBytes))} went from this device; the server has them.`,
    );
  });
  const limit = useAction(async (budgetBytes: number) => {
    await tenant.limitFiles({ budgetBytes: budgetBytes === 0 ? null : budgetBytes });
  });
  if (files === undefined) return null;
  const { budgetBytes = 0, freeableBytes, localBytes, pinnedBytes, unsafeBytes } = files;
  const choices = [...new Set([...budgets, budgetBytes])].sort((a, b) => a - b);
  return (
    <section class="panel" aria-labelledby={id} data-testid="kept-files">
      <h2 id={id}>Files on this device</h2>
      <dl class="facts">
        <div>
          <dt>In all</dt>
          <dd data-testid="files-local">{formatBytes(localBytes)}</dd>
        </div>
        <div>
          <dt>Kept by you</dt>
          <dd>{formatBytes(pinnedBytes)}</dd>
        </div>
        <div>
          <dt>Only here</dt>
          <dd>{formatBytes(unsafeBytes)}</dd>
        </div>
        <div>
          <dt>Can go</dt>
          <dd data-testid="files-freeable">{formatBytes(freeableBytes)}</dd>
        </div>
      </dl>
      <label class="field">
        <span class="label">Keep at most</span>
        <select
          value={String(budgetBytes)}
          disabled={limit.isBusy.value}
          onChange={(event) => limit.run(Number(event.currentTarget.value))}
        >
          {choices.map((bytes) => (
            <option key={bytes} value={String(bytes)}>
              {bytes === 0 ? "as much as there is room for" : formatBytes(bytes)}
            </option>
          ))}
        </select>
      </label>
      <p class="hint">
        What was used longest ago goes first and is fetched again when it is opened. What you keep, and what
        no server has yet, never goes.
      </p>
      <div class="actions">
        <button
          type="button"
          class="button"
          disabled={free.isBusy.value || freeableBytes === 0}
          onClick={() => free.run()}
        >
          Free {formatBytes(freeableBytes)}
        </button>
      </div>
      <ErrorNote error={free.error} />
      <ErrorNote error={limit.error} />
    </section>
  );
}
