/** Where the bars of a chart stand. Pure. */

/** One bar: what it stands for, how long it is, and its value in words. */
export interface Bar {
  readonly key: string;
  readonly label: string;
  readonly value: number;
  readonly text: string;
}

/** A bar in its place, in pixels. */
export interface PlacedBar extends Bar {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly isLabelled: boolean;
  readonly isValued: boolean;
}

/** A label may reach a little beyond its place, not over its neighbours. */
const labelPx = { least: 46, value: 50, letter: 6.6, give: 8 } as const;

/** The heights of an upright chart: its values above, its labels below. */
export const uprightPx = { top: 18, bottom: 22 } as const;

/** Bars side by side on a line. Where they are many, every so many has a label, and none its value. */
export function placeUpright(
  bars: readonly Bar[],
  { width, height }: { readonly width: number; readonly height: number },
): readonly PlacedBar[] {
  const most = greatest(bars);
  const step = width / Math.max(1, bars.length);
  const each = Math.max(1, Math.ceil(labelPx.least / Math.max(1, step)));
  const plot = height - uprightPx.top - uprightPx.bottom;
  const barWidth = Math.max(1, Math.min(56, step * 0.68));
  return bars.map((bar, index) => {
    const length = lengthOf(bar, most, plot);
    return {
      ...bar,
      x: index * step + (step - barWidth) / 2,
      y: uprightPx.top + plot - length,
      width: barWidth,
      height: length,
      isLabelled: index % each === 0 && bar.label.length * labelPx.letter <= each * step + labelPx.give,
      isValued: step >= labelPx.value,
    };
  });
}

/** The room for names and values beside bars that lie. */
export const lyingPx = { row: 22, name: 132, value: 64, gap: 32 } as const;

/** Bars one below the other, in one or two columns; only so many as there is room for. */
export function placeLying(
  bars: readonly Bar[],
  { width, height }: { readonly width: number; readonly height: number },
): readonly PlacedBar[] {
  const most = greatest(bars);
  const columns = width >= 720 ? 2 : 1;
  const rows = Math.floor(height / lyingPx.row);
  const columnWidth = (width - (columns - 1) * lyingPx.gap) / columns;
  const plot = Math.max(8, columnWidth - lyingPx.name - lyingPx.value);
  return bars.slice(0, rows * columns).map((bar, index) => ({
    ...bar,
    x: Math.floor(index / rows) * (columnWidth + lyingPx.gap) + lyingPx.name,
    y: (index % rows) * lyingPx.row + 4,
    width: lengthOf(bar, most, plot),
    height: lyingPx.row - 8,
    isLabelled: true,
    isValued: true,
  }));
}

const greatest = (bars: readonly Bar[]): number => bars.reduce((most, { value }) => Math.max(most, value), 0);

/** What is there at all can be seen. */
function lengthOf({ value }: Bar, most: number, plot: number): number {
  if (value <= 0 || most === 0) return 0;
  return Math.max(1.5, (value / most) * plot);
}
