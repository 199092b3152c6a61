/** Who did what when: read from the log, each commit verified anew; and a report for somebody else to check. */
import { useSignal } from "@preact/signals";
import type { AuditStep } from "cofferdb";
import { ErrorNote } from "../parts/error-note.tsx";
import { Icon } from "../parts/icon.tsx";
import { useAction } from "../state/action.ts";
import { notify } from "../state/activity.ts";
import { saveBlob } from "../state/save-file.ts";
import { authorName, memberName, type Space } from "../state/space.ts";
import { describeDeeds, describeVerdict, isAdmins } from "../text/deeds.ts";
import { formatBytes, formatCount, formatMoment } from "../text/format.ts";

/** So many of the newest are shown. */
const shownCount = 200;

interface Found {
  /** newest first */
  readonly steps: readonly AuditStep[];
  readonly totalCount: number;
  readonly isWhole: boolean;
}

/** The last deeds, and the report. */
export function Audit({ space: { tenant } }: { readonly space: Space }) {
  const found = useSignal<Found | undefined>(undefined);
  const look = useAction(async () => {
    const steps: AuditStep[] = [];
    let totalCount = 0;
    let isWhole = true;
    for await (const step of tenant.audit()) {
      totalCount += 1;
      isWhole &&= step.verified && step.chain === "whole";
      steps.push(step);
      if (steps.length > shownCount) steps.shift();
    }
    found.value = { steps: steps.toReversed(), totalCount, isWhole };
  });
  const save = useAction(async () => {
    const report = await tenant.exportAudit();
    const name = `audit-${new Date().toISOString().slice(0, 10)}.cofferaudit`;
    saveBlob(name, report);
    notify(`Saved ${name}, ${formatBytes(report.size)}.`);
  });
  return (
    <section class="form" aria-labelledby="audit-title" data-testid="audit">
      <h2 id="audit-title">Who did what</h2>
      <p class="hint">
        Read from this device's log; every commit's hashes and signature are verified once more. A report
        holds the same without contents, and anybody can check it with public keys alone.
      </p>
      <div class="actions">
        <button type="button" class="button" disabled={look.isBusy.value} onClick={() => look.run()}>
          <Icon name="history" />
          {found.value === undefined ? "Look" : "Look again"}
        </button>
        <button type="button" class="button" disabled={save.isBusy.value} onClick={() => save.run()}>
          <Icon name="download" />
          Save a report
        </button>
      </div>
      <ErrorNote error={look.error} />
      <ErrorNote error={save.error} />
      {found.value === undefined ? null : <Steps found={found.value} />}
    </section>
  );
}

function Steps({ found: { isWhole, steps, totalCount } }: { readonly found: Found }) {
  return (
    <>
      <p class="all-good" role="status" data-testid="audit-verdict">
        <Icon name={isWhole ? "check" : "warning"} />
        {isWhole
          ? `All ${formatCount(totalCount)} commits are whole: hashes, signatures, and nothing missing in between.`
          : `Of ${formatCount(totalCount)} commits, some are damaged, missing or doubled. They are marked below or lie further back.`}
      </p>
      <ol class="plain records">
        {steps.map((step) => {
          const verdict = describeVerdict(step);
          return (
            <li key={step.commitHash} class="record" data-testid="audit-step">
              <div>
                <strong>{isAdmins(step) ? "the admin" : authorName(step.author)}</strong>{" "}
                {describeDeeds(step.deeds, (key) => memberName(key))}
                <p class="muted">
                  {formatMoment(step.atMs, Date.now())}
                  {verdict === undefined ? null : ` · ${verdict}`}
                </p>
              </div>
            </li>
          );
        })}
      </ol>
      {totalCount > steps.length ? (
        <p class="hint">The newest {formatCount(steps.length)} are shown.</p>
      ) : null}
    </>
  );
}
