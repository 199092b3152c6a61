/**
 * What waiting commits wait for, so that each is judged again when something it needs came, and not before.
 *
 * | need | comes with |
 * |---|---|
 * | `directory` | a directory commit |
 * | `author/<key>` | a commit of that revoked author: their line to the cut may be whole now |
 * | `key` | a key: the next unlocking, where all that waits is judged once more |
 * | `entry/<hash>` | that entry |
 * | `card` | a key: names and settings in that directory commit are sealed under one that is not here |
 * | `doc/<id>` | anything new in that document |
 * | `gone/<id>` | the loss of something in that document: what was refused for what it held may fit, or wait, now |
 * | `erasure/<hash>` | the author's word that this entry was erased; the entry itself comes with a commit that is whole |
 *
 * A waiting commit costs its row in the ledger and one name here for each of its entries, however many an entry names: it waits for
 * the first that is missing, and then for the next. Its bytes stay in the log.
 */
import type { AuthorKey, CommitHash, DocId, EntryHash } from "../std/index.ts";
import type { ErasedName } from "./erasure.ts";

export type Need =
  | "directory"
  | "key"
  | "card"
  | `author/${AuthorKey}`
  | `entry/${EntryHash}`
  | `doc/${DocId}`
  | `gone/${DocId}`
  | `erasure/${EntryHash}`;

/** Waiting commits by what they need. */
export class Needs {
  /** what will never come: entries that their authors erased, see erasure.ts */
  readonly erased = new Set<ErasedName>();
  readonly #waiting = new Map<Need, Set<CommitHash>>();

  add(need: Need, commitHash: CommitHash): void {
    const waiting = this.#waiting.get(need);
    if (waiting === undefined) this.#waiting.set(need, new Set([commitHash]));
    else waiting.add(commitHash);
  }

  /** How many commits have a need. */
  count(need: Need): number {
    return this.#waiting.get(need)?.size ?? 0;
  }

  /** The commits that lack a ciphertext which their author did not say to have erased. */
  *lacking(): Generator<CommitHash, void> {
    for (const [need, waiting] of this.#waiting) if (need.startsWith("erasure/")) yield* waiting;
  }

  /** Whether some commit has a need of this kind or another: where none has, nobody need be told that one is met. */
  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** The need is met: the commits that had it. */
  meet(need: Need): Iterable<CommitHash> {
    const waiting = this.#waiting.get(need);
    this.#waiting.delete(need);
    return waiting ?? [];
  }
}
