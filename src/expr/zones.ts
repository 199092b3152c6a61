/**
 * Time zones: how far the clocks of an IANA zone are from UTC at a moment, as this device's zone data has it.
 *
 * Asking `Intl` costs microseconds, so that answers are kept by quarters of an hour: where the offset is the same at both ends of
 * one, it is so in between. What is kept is bounded, whatever names and moments come.
 */

const quarterMs = 900_000;
const mostZones = 64;
const mostQuarters = 4096;
const longestName = 64;
const mostMs = 8.64e15;

interface Zone {
  readonly format: Intl.DateTimeFormat;
  /** by quarter; NaN where the offset changes within it */
  readonly offsets: Map<number, number>;
}

const zones = new Map<string, Zone | undefined>();

/** Milliseconds that a zone's clocks are ahead of UTC at a moment; `undefined` for an unknown zone. */
export function zoneOffsetMs(name: string, atMs: number): number | undefined {
  if (name === "UTC") return 0;
  const zone = findZone(name);
  if (zone === undefined) return undefined;
  const quarter = Math.floor(atMs / quarterMs);
  let offset = zone.offsets.get(quarter);
  if (offset === undefined) {
    const [start, end] = [readOffset(zone, quarter * quarterMs), readOffset(zone, (quarter + 1) * quarterMs)];
    offset = start === end ? start : Number.NaN;
    if (zone.offsets.size >= mostQuarters) zone.offsets.clear();
    zone.offsets.set(quarter, offset);
  }
  return Number.isNaN(offset) ? readOffset(zone, atMs) : offset;
}

function findZone(name: string): Zone | undefined {
  if (zones.has(name)) return zones.get(name);
  const zone = name.length > longestName ? undefined : makeZone(name);
  if (zones.size >= mostZones) zones.clear();
  if (name.length <= longestName) zones.set(name, zone);
  return zone;
}

function makeZone(timeZone: string): Zone | undefined {
  try {
    const format = new Intl.DateTimeFormat("en-US", {
      timeZone,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      era: "short",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    return { format, offsets: new Map() };
  } catch {
    return undefined;
  }
}

/** Ask `Intl`: what the clocks show, less what UTC shows, to the second. */
function readOffset({ format }: Zone, atMs: number): number {
  const second = Math.floor(Math.min(Math.max(atMs, -mostMs), mostMs) / 1000) * 1000;
  const at = Math.max(second, -mostMs);
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const read = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type));
  const year = parts.get("era")?.startsWith("B") === true ? 1 - read("year") : read("year");
  const shown = new Date(0);
  shown.setUTCFullYear(year, read("month") - 1, read("day"));
  shown.setUTCHours(read("hour"), read("minute"), read("second"));
  const offset = shown.getTime() - at;
  return Number.isNaN(offset) ? 0 : offset;
}
