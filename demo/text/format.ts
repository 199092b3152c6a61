/** Numbers, times and ids in words. Pure. */

const counts = new Intl.NumberFormat("en");
const money = new Intl.NumberFormat("en", {
  style: "currency",
  currency: "USD",
  notation: "compact",
  maximumSignificantDigits: 3,
});
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const days = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

/** "3,201" */
export const formatCount = (count: number): string => counts.format(count);

/** "1 document", "3,201 documents" */
export const formatThings = (count: number, one: string, many = `${one}s`): string =>
  `${counts.format(count)} ${count === 1 ? one : many}`;

/** "$767M" */
export const formatMoney = (usd: number): string => money.format(usd);

/** "14:02" */
export const formatClock = (atMs: number): string => clock.format(atMs);

/** "21 Nov 2026" */
export const formatDay = (atMs: number): string => days.format(atMs);

/** "14:02" today, "21 Nov 2026, 14:02" on other days. */
export function formatMoment(atMs: number, nowMs: number): string {
  return formatDay(atMs) === formatDay(nowMs)
    ? formatClock(atMs)
    : `${formatDay(atMs)}, ${formatClock(atMs)}`;
}

/** "812 B", "3.4 MB"; powers of 1000, as browsers count their storage. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let amount = Math.max(0, bytes);
  let unit = 0;
  while (amount >= 999.5 && unit < units.length - 1) {
    amount /= 1000;
    unit += 1;
  }
  return `${unit === 0 || amount >= 99.5 ? Math.round(amount) : Number(amount.toFixed(1))} ${units[unit]}`;
}

/** The first eight characters of an id: enough to tell a few apart. */
export const shortId = (id: string): string => id.slice(0, 8);

const letters = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** One or two capitals that stand for a name. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  return [words[0], words.length > 1 ? words.at(-1) : undefined]
    .map((word) => letters.segment(word ?? "").containing(0)?.segment ?? "")
    .join("")
    .toUpperCase();
}
