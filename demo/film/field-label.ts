/** What the fields at the top of a document are called. Pure. */

const labels: ReadonlyMap<string, string> = new Map([
  ["distribution", "Distributor"],
  ["more", "Other"],
  // The library's name for the files of a document.
  ["$files", "File"],
]);

/** The name of a field for people; of one that nobody foresaw, its own name. */
export function fieldLabel(field: string): string {
  return labels.get(field) ?? field.charAt(0).toUpperCase() + field.slice(1);
}
