/** A document's past, as it is read: its steps, and the document after one of them. */
import { useSignal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Database, Doc, DocData, HistoryStep } from "cofferdb";
import { useEffect } from "preact/hooks";
import type { Film } from "../film/film.ts";
import { groupSteps } from "../text/group-steps.ts";

/** While somebody types, the steps are read again only at a pause. */
const settleMs = 300;

/** The steps of a document, oldest first; they are read at once, and again when it has changed. */
export function useSteps(
  db: Database<Film>,
  doc: Doc<Film>,
  failure: Signal<unknown>,
): ReadonlySignal<readonly HistoryStep[]> {
  const steps = useSignal<readonly HistoryStep[]>([]);
  const heads = doc.heads.value;
  useEffect(() => {
    const ended = new AbortController();
    const read = async (): Promise<void> => {
      try {
        const found = await readSteps(db, doc.id, ended.signal);
        if (ended.signal.aborted) return;
        steps.value = found;
        failure.value = undefined;
      } catch (error) {
        if (!ended.signal.aborted) failure.value = error;
      }
    };
    const timer = setTimeout(() => void read(), steps.peek().length === 0 ? 0 : settleMs);
    return () => {
      clearTimeout(timer);
      ended.abort();
    };
  }, [heads]);
  return steps;
}

/** The document as it was after a step; undefined where it was not there, and until it is read for the first time. */
export function useVersion(
  db: Database<Film>,
  id: string,
  step: HistoryStep | undefined,
  failure: Signal<unknown>,
): ReadonlySignal<DocData<Film> | undefined> {
  const version = useSignal<DocData<Film> | undefined>(undefined);
  useEffect(() => {
    if (step === undefined) return undefined;
    let isStale = false;
    db.getDocumentAtTimestamp(id, step.atMs).then(
      ({ data }) => {
        if (!isStale) version.value = data;
      },
      (error: unknown) => {
        if (!isStale) failure.value = error;
      },
    );
    return () => {
      isStale = true;
    };
  }, [step?.hash]);
  return version;
}

async function readSteps(
  db: Database<Film>,
  id: string,
  signal: AbortSignal,
): Promise<readonly HistoryStep[]> {
  const found: HistoryStep[] = [];
  for await (const step of db.iterateDocumentHistory(id, { signal })) found.push(step);
  return groupSteps(found);
}
