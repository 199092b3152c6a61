/** A worker that measures a view alone: the room that makes it, without catalog, log and messages. */
import {
  category,
  parseViewDefinition,
  sorted,
  total,
  View,
  ViewWindow,
  type ViewRow,
} from "../../src/view/index.ts";
import { answerOnce } from "./ask.ts";
import { makeRows } from "./rows.ts";

export interface ViewQuestion {
  readonly count: number;
  readonly edits: number;
}

/** How long it was busy. */
export interface ViewAnswer {
  readonly buildMs: number;
  /** one edit, with what the page is told of it: means of a hundred each */
  readonly editMs: readonly number[];
  /** 60 rows at a random position: means of a hundred each */
  readonly windowMs: readonly number[];
}

const together = 100;

function createView(rows: readonly ViewRow[]): View {
  const verdict = parseViewDefinition({
    columns: [
      category("country"),
      category("city"),
      sorted("name"),
      total("balance", "sum"),
      total("age", "average"),
      total("*", "count"),
    ],
    locale: "en",
  });
  if (verdict.kind !== "definition") throw new Error(`The definition is malformed at ${verdict.at}`);
  const state = { version: 1, expandedTo: 2, flipped: [], selected: [] } as const;
  const view = new View(verdict.definition, [{ origin: "o", matches: () => true }], state);
  const steps = view.build(rows.map((row) => ({ origin: 0, row })));
  while (steps.next().done !== true);
  return view;
}

function meansOf(rounds: number, run: (index: number) => void): readonly number[] {
  return Array.from({ length: rounds }, (_, round) => {
    const startMs = performance.now();
    for (let index = 0; index < together; index++) run(round * together + index);
    return (performance.now() - startMs) / together;
  });
}

async function measure({ count, edits }: ViewQuestion): Promise<ViewAnswer> {
  const rows = makeRows(count).map((value, index): ViewRow => ({
    docId: `document-${index}`,
    value: { ...value },
    author: "author",
    createdAtMs: index,
    changedAtMs: index,
  }));
  const startMs = performance.now();
  const view = createView(rows);
  const buildMs = performance.now() - startMs;
  const window = new ViewWindow(60);
  window.read(view);
  const editMs = meansOf(edits, (edit) => {
    const at = (edit * 7919) % count;
    const row = rows[at];
    if (row === undefined) return;
    // Every other edit moves its document.
    const changed = edit % 2 === 0 ? { balance: edit } : { name: `Name ${edit}`, city: `City ${edit % 5}` };
    const next = { ...row, value: { ...row.value, ...changed } };
    rows[at] = next;
    view.apply([{ origin: 0, id: next.docId, row: next }]);
    window.read(view);
  });
  const windowMs = meansOf(edits, (index) => {
    window.move((index * 7919 * 13) % (count - 60), 60);
    window.read(view);
  });
  return { buildMs, editMs, windowMs };
}

answerOnce<ViewQuestion, ViewAnswer>(measure);
