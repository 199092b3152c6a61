/** Places of logs that a live session has passed, and whose commits have what they lacked now. */
import type { DbId } from "../../src/std/index.ts";
import type { LogCursor } from "../../src/sync/index.ts";
import type { LogPosition } from "./heads.ts";

/** Of one log. */
const maxPlaces = 1000;

/** What is to be sent once more; beyond a bound it is left to be asked for at the next session. */
export class FilledPlaces {
  readonly #placesByLog = new Map<DbId, Set<number>>();

  has(dbId: DbId): boolean {
    return this.#placesByLog.has(dbId);
  }

  /** Remember those before a cursor: the others are read when their turn comes. */
  note(dbId: DbId, filled: readonly number[], cursor: LogCursor | undefined): void {
    // Every growth of a log comes by here, for each of its sessions, and hardly any fills anything.
    if (filled.length === 0) return;
    const places = this.#placesByLog.get(dbId) ?? new Set();
    for (const seq of filled) if (seq < (cursor?.seq ?? 0) && places.size < maxPlaces) places.add(seq);
    if (places.size > 0) this.#placesByLog.set(dbId, places);
  }

  /** The log up to the next of these places and a cursor at it, so that just its commit follows; none where the cursor is of another epoch. */
  take(
    { dbId, epoch }: LogPosition,
    cursor: LogCursor | undefined,
  ): { readonly log: LogPosition; readonly at: LogCursor } | undefined {
    const places = this.#placesByLog.get(dbId);
    const [seq] = places ?? [];
    if (seq === undefined || cursor?.epoch !== epoch) {
      this.#placesByLog.delete(dbId);
      return undefined;
    }
    places?.delete(seq);
    return { log: { dbId, epoch, size: seq + 1 }, at: { dbId, epoch, seq } };
  }
}
