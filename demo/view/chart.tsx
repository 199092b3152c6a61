/** A small chart of what the outermost categories come to. The same numbers stand in a table for those who do not see it. */
import { useSignal } from "@preact/signals";
import type { Query } from "cofferdb";
import { useLayoutEffect, useRef } from "preact/hooks";
import { measure } from "../parts/scroller.ts";
import { barsOf, type Bars } from "./bars.ts";
import { lyingPx, placeLying, placeUpright, uprightPx, type PlacedBar } from "./chart-layout.ts";
import { columnOf, groupingOf, totalWords } from "./columns.ts";
import { measureOf, type Arrangement } from "./arrangement.ts";

const heightPx = 140;
const letterPx = 6.6;

interface ChartProps {
  readonly arrangement: Arrangement;
  readonly bars: Query;
}

/** The chart of an arrangement. */
export function Chart({ arrangement, bars: { groups } }: ChartProps) {
  const room = useRef<HTMLDivElement>(null);
  const width = useSignal(0);
  useLayoutEffect(() => measure(room.current, (now) => (width.value = now.width)), []);
  const bars = barsOf(arrangement, groups.value);
  const { name, total } = measureOf(arrangement);
  const by = groupingOf(arrangement.levels[0]?.name ?? "decade").label.toLowerCase();
  const what = columnOf(name).label;
  const title = `${what}${total === "none" ? "" : `, ${totalWords[total]}`}, by ${by}`;
  return (
    <figure class="chart" data-testid="chart">
      <figcaption>
        <strong>{title}</strong>
        <span class="muted">{restOf(bars, width.value)}</span>
      </figcaption>
      <div ref={room} class="chart-room">
        <svg width={width.value} height={heightPx} aria-hidden="true" focusable="false">
          {width.value === 0 ? null : bars.isUpright ? (
            <Upright
              bars={placeUpright(bars.all, { width: width.value, height: heightPx })}
              width={width.value}
            />
          ) : (
            <Lying bars={placeLying(bars.all, { width: width.value, height: heightPx })} />
          )}
        </svg>
      </div>
      <table class="visually-hidden">
        <caption>{title}</caption>
        <tbody>
          {bars.all.map((bar) => (
            <tr key={bar.key}>
              <th scope="row">{bar.label}</th>
              <td>{bar.text}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}

/** What the chart has no room for is said. */
function restOf({ all, isUpright }: Bars, width: number): string {
  if (isUpright || width === 0) return "";
  const shown = placeLying(all, { width, height: heightPx }).length;
  return shown < all.length ? `The largest ${shown} of ${all.length}` : "";
}

function Upright({ bars, width }: { readonly bars: readonly PlacedBar[]; readonly width: number }) {
  const base = heightPx - uprightPx.bottom;
  return (
    <>
      <path class="chart-base" d={`M0 ${base + 0.5}H${width}`} />
      {bars.map((bar) => {
        const middle = bar.x + bar.width / 2;
        return (
          <g key={bar.key}>
            <title>{`${bar.label}: ${bar.text}`}</title>
            <rect class="chart-room-of" x={bar.x} y={0} width={bar.width} height={base} />
            <path class="chart-bar" d={upright(bar)} />
            {bar.isValued ? (
              <text class="chart-value" x={middle} y={bar.y - 6} text-anchor="middle">
                {bar.text}
              </text>
            ) : null}
            {bar.isLabelled ? (
              <text x={middle} y={base + 16} text-anchor="middle">
                {bar.label}
              </text>
            ) : null}
          </g>
        );
      })}
    </>
  );
}

function Lying({ bars }: { readonly bars: readonly PlacedBar[] }) {
  return (
    <>
      {bars.map((bar) => {
        const middle = bar.y + bar.height / 2 + 4;
        return (
          <g key={bar.key}>
            <title>{`${bar.label}: ${bar.text}`}</title>
            <text class="chart-name" x={bar.x - 12} y={middle} text-anchor="end">
              {shortened(bar.label, lyingPx.name - 16)}
            </text>
            <path class="chart-bar" d={lying(bar)} />
            <text class="chart-value" x={bar.x + bar.width + 8} y={middle}>
              {bar.text}
            </text>
          </g>
        );
      })}
    </>
  );
}

/** Round where the bar ends, straight where it begins. */
function upright({ x, y, width, height }: PlacedBar): string {
  const r = Math.min(3, width / 2, height);
  return `M${x} ${y + height}v${-(height - r)}q0 ${-r} ${r} ${-r}h${width - 2 * r}q${r} 0 ${r} ${r}v${height - r}z`;
}

function lying({ x, y, width, height }: PlacedBar): string {
  const r = Math.min(3, height / 2, width);
  return `M${x} ${y}h${width - r}q${r} 0 ${r} ${r}v${height - 2 * r}q0 ${r} ${-r} ${r}h${-(width - r)}z`;
}

/** A text that fits; an SVG cuts nothing by itself. */
function shortened(text: string, width: number): string {
  const most = Math.floor(width / letterPx);
  return text.length <= most ? text : `${text.slice(0, most - 1).trimEnd()}…`;
}
