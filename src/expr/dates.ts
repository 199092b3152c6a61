/** Functions of dates: parts, first moments, sums and distances, on the clocks of a time zone. */
import { zoneOffsetMs } from "./zones.ts";

const dayMs = 86_400_000;
/** of what has the same length everywhere and always */
const unitMs = new Map([
  ["hours", 3_600_000],
  ["minutes", 60_000],
  ["seconds", 1000],
]);
const isoText =
  /^[+-]?\d{4,6}(?:-\d{2}(?:-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?)?)?$/;

type Part = "year" | "quarter" | "month" | "week" | "day" | "weekday" | "hour" | "minute" | "second";

/** What the clocks show, kept as a date whose UTC parts are those. */
type Wall = Date;

const parts: Readonly<Record<Part, (wall: Wall) => number>> = {
  year: (wall) => wall.getUTCFullYear(),
  quarter: (wall) => Math.floor(wall.getUTCMonth() / 3) + 1,
  month: (wall) => wall.getUTCMonth() + 1,
  week: isoWeek,
  day: (wall) => wall.getUTCDate(),
  weekday: (wall) => ((wall.getUTCDay() + 6) % 7) + 1,
  hour: (wall) => wall.getUTCHours(),
  minute: (wall) => wall.getUTCMinutes(),
  second: (wall) => wall.getUTCSeconds(),
};

/** Read a date: of an ISO text, with its zone where it has a time; of milliseconds; or the date itself. */
export function readDate(from: unknown): Date | undefined {
  if (typeof from === "number") return valid(from);
  if (from instanceof Date) return valid(from.getTime());
  return typeof from === "string" && isoText.test(from) ? valid(Date.parse(from)) : undefined;
}

/** The function that reads a part of a date. */
export function datePart(part: Part): (date: unknown, zone: unknown) => number | undefined {
  const read = parts[part];
  return (date, zone) => {
    const wall = wallOf(date, zone);
    return wall && read(wall);
  };
}

/** The day of a date in ISO form. */
export function isoDate(date: unknown, zone: unknown): string | undefined {
  return wallOf(date, zone)?.toISOString().split("T")[0];
}

/** The first moment of the year, month… that a date is in. */
export function startOf(date: unknown, unit: unknown, zone: unknown): Date | undefined {
  const wall = wallOf(date, zone);
  if (wall === undefined) return undefined;
  const [year, month] = [wall.getUTCFullYear(), wall.getUTCMonth()];
  const start = new Date(wall.getTime());
  start.setUTCHours(0, 0, 0, 0);
  if (unit === "year") start.setUTCFullYear(year, 0, 1);
  else if (unit === "quarter") start.setUTCFullYear(year, month - (month % 3), 1);
  else if (unit === "month") start.setUTCDate(1);
  else if (unit === "week") start.setUTCDate(start.getUTCDate() - parts.weekday(wall) + 1);
  else if (unit === "hour" || unit === "minute") {
    // Clocks are set back and forth by days' and hours' lengths: what the clocks show says how far its start is.
    const passedMs = wall.getTime() - Math.floor(wall.getTime() / spanMs(unit)) * spanMs(unit);
    return valid((date as Date).getTime() - passedMs);
  } else if (unit !== "day") return undefined;
  return momentOf(start.getTime(), zone);
}

/** A date so many units later, or earlier. */
export function addTime(date: unknown, count: unknown, unit: unknown, zone: unknown): Date | undefined {
  const wall = wallOf(date, zone);
  if (wall === undefined || typeof count !== "number" || !Number.isSafeInteger(count)) return undefined;
  const exact = unitMs.get(String(unit));
  if (exact !== undefined) return valid((date as Date).getTime() + count * exact);
  if (count === 0 && isCalendarUnit(unit)) return date as Date;
  const later = addCalendar(wall, count, unit);
  return later && momentOf(later.getTime(), zone);
}

/** Whole units from one date to another, towards zero. */
export function timeBetween(from: unknown, to: unknown, unit: unknown, zone: unknown): number | undefined {
  const [one, other] = [wallOf(from, zone), wallOf(to, zone)];
  if (one === undefined || other === undefined) return undefined;
  const exact = unitMs.get(String(unit));
  if (exact !== undefined) return whole(((to as Date).getTime() - (from as Date).getTime()) / exact);
  const apartMs = other.getTime() - one.getTime();
  if (unit === "days" || unit === "weeks") return whole(apartMs / (unit === "days" ? dayMs : 7 * dayMs));
  if (unit !== "months" && unit !== "years") return undefined;
  let months = (other.getUTCFullYear() - one.getUTCFullYear()) * 12 + other.getUTCMonth() - one.getUTCMonth();
  const reached = addCalendar(one, months, "months")?.getTime() ?? Number.NaN;
  if (apartMs >= 0 && reached > other.getTime()) months -= 1;
  if (apartMs < 0 && reached < other.getTime()) months += 1;
  return whole(unit === "months" ? months : months / 12);
}

const whole = (of: number): number => Math.trunc(of) + 0;

const spanMs = (unit: "hour" | "minute"): number => (unit === "hour" ? 3_600_000 : 60_000);

const isCalendarUnit = (unit: unknown): boolean =>
  unit === "days" || unit === "weeks" || unit === "months" || unit === "years";

function addCalendar(wall: Wall, count: number, unit: unknown): Wall | undefined {
  const later = new Date(wall.getTime());
  if (unit === "days" || unit === "weeks") {
    later.setUTCDate(later.getUTCDate() + count * (unit === "days" ? 1 : 7));
  } else if (unit === "months" || unit === "years") {
    const day = later.getUTCDate();
    later.setUTCDate(1);
    later.setUTCMonth(later.getUTCMonth() + count * (unit === "months" ? 1 : 12));
    later.setUTCDate(Math.min(day, daysIn(later)));
  } else return undefined;
  return Number.isNaN(later.getTime()) ? undefined : later;
}

function daysIn(month: Date): number {
  const last = new Date(month.getTime());
  last.setUTCMonth(last.getUTCMonth() + 1, 0);
  return last.getUTCDate();
}

/** The calendar repeats itself, weekdays included, after 400 years. */
const cycleMs = 146_097 * dayMs;

/** Weeks begin on Monday; the first one of a year has its 4th of January. */
function isoWeek(wall: Wall): number {
  // Counted a cycle nearer to 1970, so that the year's first days exist beside the earliest and the last date there is.
  const thursday = new Date(wall.getTime() + (wall.getTime() < 0 ? cycleMs : -cycleMs));
  thursday.setUTCHours(0, 0, 0, 0);
  thursday.setUTCDate(thursday.getUTCDate() + 4 - parts.weekday(wall));
  const newYear = new Date(thursday.getTime());
  newYear.setUTCMonth(0, 1);
  return Math.floor((thursday.getTime() - newYear.getTime()) / (7 * dayMs)) + 1;
}

/** What the clocks of a zone show at a date; without a zone, those of UTC. */
function wallOf(date: unknown, zone: unknown): Wall | undefined {
  if (!(date instanceof Date)) return undefined;
  const atMs = date.getTime();
  const offset = Number.isNaN(atMs) ? undefined : offsetMs(zone, atMs);
  return offset === undefined ? undefined : valid(atMs + offset);
}

/** The first moment at which the clocks show a time; one that they skip is as much later as they skip. */
function momentOf(wallMs: number, zone: unknown): Date | undefined {
  const before = offsetMs(zone, wallMs - dayMs);
  const after = offsetMs(zone, wallMs + dayMs);
  if (before === undefined || after === undefined) return undefined;
  const fits = [wallMs - before, wallMs - after].filter(
    (moment) => offsetMs(zone, moment) === wallMs - moment,
  );
  return valid(fits.length > 0 ? Math.min(...fits) : wallMs - before);
}

function offsetMs(zone: unknown, atMs: number): number | undefined {
  if (zone === undefined) return 0;
  return typeof zone === "string" ? zoneOffsetMs(zone, atMs) : undefined;
}

function valid(atMs: number): Date | undefined {
  const date = new Date(atMs);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
