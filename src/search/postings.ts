/**
 * Where a term occurs: two lists side by side, ascending, so that the places of a document are together and found by halving.
 *
 * ```
 *   slots   │ 3 │ 3 │ 7 │ …    which document, by its slot
 *   places  │ a │ b │ a │ …    in which field (upper bits), and how often (7 bits)
 * ```
 * Small whole numbers all of them, which engines keep and walk fastest.
 */

const countBits = 7;

/** More often counts as this often. */
export const maxCount = (1 << countBits) - 1;
/** Numbers of fields are below. */
export const maxFields = 1 << 16;

/** The places of one term. */
export interface Postings {
  readonly slots: number[];
  readonly places: number[];
}

/** A field and how often, as one number. */
export function packPlace(field: number, count: number): number {
  return (field << countBits) | Math.min(count, maxCount);
}

/** The field of a place. */
export function fieldOf(place: number): number {
  return place >>> countBits;
}

/** How often a term occurs at a place. */
export function countOf(place: number): number {
  return place & maxCount;
}

/** The index of the first place of a document, or of one behind it. */
function firstOf({ slots }: Postings, slot: number): number {
  let from = 0;
  let to = slots.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((slots[middle] ?? 0) < slot) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Put a place of a document in, behind those that it has there. */
export function addPlace(postings: Postings, slot: number, place: number): void {
  const { places, slots } = postings;
  const last = slots.at(-1);
  if (last === undefined || last <= slot) {
    slots.push(slot);
    places.push(place);
    return;
  }
  const at = firstOf(postings, slot + 1);
  slots.splice(at, 0, slot);
  places.splice(at, 0, place);
}

/** Go through the places of a document. */
export function eachPlace(postings: Postings, slot: number, hear: (place: number) => void): void {
  const { places, slots } = postings;
  for (let at = firstOf(postings, slot); slots[at] === slot; at++) hear(places[at] ?? 0);
}

/** Take the places of a document out. */
export function dropPlaces(postings: Postings, slot: number): void {
  const from = firstOf(postings, slot);
  let to = from;
  while (postings.slots[to] === slot) to++;
  postings.slots.splice(from, to - from);
  postings.places.splice(from, to - from);
}
