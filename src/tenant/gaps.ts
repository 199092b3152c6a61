/**
 * Commits that follow what is not here, although a server has shown everything it has. What is missing was withheld, or refused by every
 * server, or never left its author's device: nothing here can tell which.
 */
import type { CommitHash } from "../std/index.ts";
import type { KnownCommit, Ledger } from "./ledger.ts";

const limit = 256;
/** An answer that was on its way when the commit came says nothing against it. */
const patienceMs = 30_000;

/** What is missing in the lines of authors who may write. */
export class Gaps {
  readonly #open = new Map<CommitHash, { readonly row: KnownCommit; readonly notedAtMs: number }>();

  /** A commit was judged. */
  note(ledger: Pick<Ledger, "find">, row: KnownCommit, nowMs: number): void {
    if (this.#open.size >= limit || !hasGap(ledger, row)) return;
    if (!this.#open.has(row.commitHash)) this.#open.set(row.commitHash, { row, notedAtMs: nowMs });
  }

  /** A server has shown everything it has. @returns the commits that have followed what is not here for long enough, each once */
  complete(ledger: Pick<Ledger, "find">, atMs: number): readonly KnownCommit[] {
    const found: KnownCommit[] = [];
    for (const [hash, { notedAtMs, row }] of this.#open) {
      const isStill = hasGap(ledger, row);
      if (isStill && notedAtMs + patienceMs > atMs) continue;
      this.#open.delete(hash);
      if (isStill) found.push(row);
    }
    return found;
  }
}

function hasGap(ledger: Pick<Ledger, "find">, { predecessors }: KnownCommit): boolean {
  return predecessors.some((hash) => ledger.find(hash) === undefined);
}
