/** What tabs show: the marks of documents, and the state of a tenant. */
import type { DocSnapshot } from "../../worker/api.ts";
import type { SimDevice, SimTab } from "./sim-device.ts";

/** An edit whose promise resolved. */
export interface Acknowledged {
  readonly device: SimDevice;
  readonly database: string;
  readonly docId: string;
  readonly mark: string;
  /** the branch it was written on */
  readonly branch?: string | undefined;
  /** how much was on the disk when it was acknowledged */
  readonly journalLength: number;
}

/** The marks that a document bears. */
export interface ShownMarks {
  readonly main: ReadonlySet<string>;
  /** of the document or one of its open branches */
  readonly anywhere: ReadonlySet<string>;
}

/** Read the marks of a document and of its open branches. */
export async function readMarks(tab: SimTab, database: string, docId: string): Promise<ShownMarks> {
  const read = async (branch?: string): Promise<DocSnapshot> => {
    const subscription = tab.nextNumber();
    const shown = await tab.api.openDocument(
      tab.databases.get(database) ?? 0,
      docId,
      subscription,
      ...(branch === undefined ? [] : [branch]),
    );
    await tab.api.closeDocument(subscription);
    return shown;
  };
  const shown = await read();
  const main = marksOf(shown);
  const anywhere = new Set(main);
  for (const branch of shown.branches) for (const mark of marksOf(await read(branch))) anywhere.add(mark);
  return { main, anywhere };
}

/** The marks in what is shown. */
export function marksOf({ value }: DocSnapshot): ReadonlySet<string> {
  const marks = value?.["marks"];
  return new Set(typeof marks === "object" && marks !== null ? Object.keys(marks) : []);
}

/** The acknowledged edits of each document. */
export function groupByDoc(edits: readonly Acknowledged[]): ReadonlyMap<string, readonly Acknowledged[]> {
  const groups = new Map<string, Acknowledged[]>();
  for (const edit of edits) {
    const name = `${edit.database} ${edit.docId}`;
    groups.set(name, [...(groups.get(name) ?? []), edit]);
  }
  return groups;
}

/** What a tab last told of its tenant. */
export function describeState(tab: SimTab): string {
  const event = tab.events.findLast((one) => one.kind === "tenant");
  if (event?.kind !== "tenant") return "nothing told";
  const { status, quarantine, alarms } = event.snapshot;
  const reasons = [
    ...quarantine.map(({ reason }) => reason),
    ...alarms.map(({ kind, detail }) => `${kind} ${detail}`),
  ];
  return `${status.phase}, ${status.unjudgedCount} to judge, ${status.sealedCount} sealed, ${status.quarantinedCount} quarantined: ${reasons.join("; ")}`;
}
