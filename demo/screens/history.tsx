/** A document's history: a slider over its steps, who changed what when, and the document as it was. */
import { useSignal } from "@preact/signals";
import type { Doc, DocData, HistoryStep } from "cofferdb";
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { ErrorNote } from "../parts/error-note.tsx";
import { Icon } from "../parts/icon.tsx";
import type { Film } from "../film/film.ts";
import { listFacts } from "../film/film-facts.ts";
import { useAction } from "../state/action.ts";
import { notify, whileSaving } from "../state/activity.ts";
import { useSteps, useVersion } from "../state/past.ts";
import { authorName, type Space } from "../state/space.ts";
import { bringBack } from "../film/bring-back.ts";
import { describeKind, describePatches } from "../text/describe-step.ts";
import { formatMoment, formatThings } from "../text/format.ts";

interface HistoryProps {
  readonly space: Space;
  readonly doc: Doc<Film>;
  readonly onClose: () => void;
}

/** The drawer beside the form; on narrow screens it takes the form's place. */
export function History({ space: { db }, doc, onClose }: HistoryProps) {
  const failure = useSignal<unknown>(undefined);
  const steps = useSteps(db, doc, failure);
  const chosen = useSignal<number | undefined>(undefined);
  const slider = useRef<HTMLInputElement>(null);
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => close.current?.focus(), []);
  const at = Math.min(chosen.value ?? steps.value.length - 1, steps.value.length - 1);
  const step = steps.value[at];
  const then = useVersion(db, doc.id, step, failure);
  const restore = useAction(async () => {
    const wanted = then.peek();
    if (wanted === undefined) return;
    if (doc.status.peek() === "deleted") await whileSaving(db.undeleteDocument(doc.id));
    await whileSaving(db.changeDoc(doc, (draft) => bringBack(draft, wanted)));
    chosen.value = undefined;
    // The button has done its work and can be pressed no more: the focus would be lost with it.
    slider.current?.focus();
    notify("That version is back. Undo takes it away again.");
  });
  return (
    <aside
      class="history"
      aria-label="History"
      data-testid="history"
      onKeyDown={(event) => event.key === "Escape" && onClose()}
    >
      <header class="history-head">
        <h2>History</h2>
        <button
          ref={close}
          type="button"
          class="button-icon"
          aria-label="Close the history"
          onClick={onClose}
        >
          <Icon name="close" />
        </button>
      </header>
      <ErrorNote error={failure} />
      {step === undefined ? (
        <p class="muted">{failure.value === undefined ? "Reading the history…" : ""}</p>
      ) : (
        <>
          <TimeSlider
            steps={steps.value}
            step={step}
            at={at}
            slider={slider}
            onChoose={(index) => (chosen.value = index)}
          />
          <Then film={then.value} now={doc.data.value} />
          <button
            type="button"
            class="button"
            disabled={at === steps.value.length - 1 || then.value === undefined || restore.isBusy.value}
            onClick={() => restore.run()}
          >
            Bring this version back
          </button>
          <ErrorNote error={restore.error} />
          <StepList steps={steps.value} chosen={at} onChoose={(index) => (chosen.value = index)} />
        </>
      )}
    </aside>
  );
}

interface TimeSliderProps {
  readonly steps: readonly HistoryStep[];
  readonly step: HistoryStep;
  readonly at: number;
  readonly slider: RefObject<HTMLInputElement | null>;
  readonly onChoose: (index: number) => void;
}

function TimeSlider({ steps, step, at, slider, onChoose }: TimeSliderProps) {
  const moment = formatMoment(step.atMs, Date.now());
  return (
    <label class="history-time">
      <span>
        As of {moment}
        <span class="muted">
          , step {at + 1} of {steps.length}
        </span>
      </span>
      <input
        ref={slider}
        type="range"
        min={0}
        max={steps.length - 1}
        value={at}
        aria-valuetext={`${moment}, ${authorName(step.author)} ${describeKind(step.kind)}`}
        onInput={(event) => onChoose(Number(event.currentTarget.value))}
      />
    </label>
  );
}

/** The newest first. Each step was verified against the signed entry it came from. */
function StepList(props: {
  readonly steps: readonly HistoryStep[];
  readonly chosen: number;
  readonly onChoose: (index: number) => void;
}) {
  const newestFirst = props.steps.map((step, index) => ({ step, index })).toReversed();
  const shown = newestFirst.slice(0, maxShown);
  return (
    <>
      <ol class="plain steps" reversed>
        {shown.map(({ step, index }) => (
          <li key={step.hash} data-testid="history-step">
            <button
              type="button"
              class="step"
              aria-current={index === props.chosen ? "step" : undefined}
              onClick={() => props.onChoose(index)}
            >
              <span class="step-who">
                <strong>{capitalize(authorName(step.author))}</strong> {describeKind(step.kind)}
                {step.verified ? null : <span class="bad"> (its signature does not hold)</span>}
              </span>
              <span class="step-when">{formatMoment(step.atMs, Date.now())}</span>
              {describePatches(step).map((line) => (
                <span key={line} class="step-what">
                  {line}
                </span>
              ))}
            </button>
          </li>
        ))}
      </ol>
      {newestFirst.length > shown.length ? (
        <p class="hint">
          {formatThings(newestFirst.length - shown.length, "older step")} can be reached with the slider.
        </p>
      ) : null}
    </>
  );
}

const maxShown = 60;

function Then(props: { readonly film: DocData<Film> | undefined; readonly now: DocData<Film> | undefined }) {
  if (props.film === undefined)
    return (
      <div class="then">
        <p class="muted">The document was not there then.</p>
      </div>
    );
  const facts = listFacts(props.film, props.now);
  return (
    <div
      class="then"
      data-testid="history-then"
      tabIndex={0}
      role="group"
      aria-label="The document as it was"
    >
      {facts.length === 0 ? <p class="muted">The document was empty.</p> : null}
      <dl>
        {facts.map(({ label, text, isDifferent }) => (
          <div key={label} class={isDifferent ? "differs" : undefined}>
            <dt>{label}</dt>
            <dd>{text === "" ? <span class="muted">empty</span> : text}</dd>
            {isDifferent ? <dd class="then-differs">changed since</dd> : null}
          </div>
        ))}
      </dl>
    </div>
  );
}

const capitalize = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
