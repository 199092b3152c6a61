/** Marks of a text as a signal. */
import type { computed, effect, Signal } from "@preact/signals-core";
import { shareStructure, type Mark, type Path } from "../draft/index.ts";
import { toCofferError, type Release } from "../std/index.ts";
import type { DocCore } from "./doc.ts";

/** Ask for the marks of a text each time that the document has other heads, until the release; the last answer counts. */
export function followMarks(
  core: DocCore,
  path: Path,
  marks: Signal<readonly Mark[] | undefined>,
  signals: { readonly computed: typeof computed; readonly effect: typeof effect },
): Release {
  const wanted = signals.computed(() => {
    const { data, heads } = core.shown.value;
    return data && heads;
  });
  let isOver = false;
  const stop = signals.effect(() => {
    const at = wanted.value;
    const isLate = (): boolean => isOver || at !== wanted.peek();
    const show = (now?: readonly Mark[]): void => {
      if (!isLate()) marks.value = shareStructure(marks.peek(), now);
    };
    const ask = (): void => {
      core
        .call((api) => api.marks(core.subscription, path))
        .then(show, (cause: unknown) => {
          // The next worker is asked again: the heads may be the same there.
          if (toCofferError(cause).code !== "worker/restarted") show();
          else if (!isLate()) ask();
        });
    };
    if (at === undefined) show();
    else ask();
  });
  return () => {
    isOver = true;
    stop();
  };
}
