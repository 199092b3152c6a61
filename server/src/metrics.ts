/**
 * Numbers about a running server in the text format of Prometheus (version 0.0.4).
 *
 * Names and labels are fixed here and at the places that count; a label is never a tenant, a user, a document or an address,
 * so that the numbers tell nothing about anyone, and the set of series is bounded.
 */

/** Counts up, by the values of its labels. */
export interface Counter {
  add(amount: number, ...labels: readonly string[]): void;
}

/** Measured values in buckets, by the values of its labels. */
export interface Histogram {
  observe(value: number, ...labels: readonly string[]): void;
}

/** All numbers of one server. */
export interface Metrics {
  counter(name: string, help: string, labelNames?: readonly string[]): Counter;
  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames?: readonly string[],
  ): Histogram;
  /** A number that is read when somebody asks; one that cannot be read is left out. */
  gauge(name: string, help: string, read: () => number | Promise<number>): void;
  render(): Promise<string>;
}

/** The media type of {@link Metrics.render}. */
export const metricsType = "text/plain; version=0.0.4; charset=utf-8";

/** Series beyond so many are not kept: a bug in a label must not eat the memory. */
const maxSeries = 1000;

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly lines: () => readonly string[] | Promise<readonly string[]>;
}

/** Create an empty set of numbers. */
export function createMetrics(): Metrics {
  const families: Family[] = [];

  return {
    counter(name, help, labelNames = []) {
      const values = new Map<string, number>();
      const lines = (): readonly string[] =>
        [...values].map(([labels, value]) => `${name}${labels} ${value}`);
      families.push({ name, help, type: "counter", lines });
      // A counter without labels begins at 0, so that its first step can be seen.
      if (labelNames.length === 0) values.set("", 0);
      return {
        add(amount, ...labels) {
          const series = seriesOf(labelNames, labels);
          if (!values.has(series) && values.size >= maxSeries) return;
          values.set(series, (values.get(series) ?? 0) + amount);
        },
      };
    },
    histogram(name, help, buckets, labelNames = []) {
      const series = new Map<string, Observed>();
      const lines = (): readonly string[] =>
        [...series.values()].flatMap((observed) => histogramLines(name, labelNames, buckets, observed));
      families.push({ name, help, type: "histogram", lines });
      return {
        observe(value, ...labels) {
          const key = seriesOf(labelNames, labels);
          const known = series.get(key);
          if (known === undefined && series.size >= maxSeries) return;
          const observed = known ?? { labels, counts: buckets.map(() => 0), count: 0, sum: 0 };
          series.set(key, observed);
          observed.count += 1;
          observed.sum += value;
          const index = buckets.findIndex((upTo) => value <= upTo);
          if (index >= 0) observed.counts[index] = (observed.counts[index] ?? 0) + 1;
        },
      };
    },
    gauge(name, help, read) {
      const lines = async (): Promise<readonly string[]> => {
        try {
          return [`${name} ${await read()}`];
        } catch {
          return [];
        }
      };
      families.push({ name, help, type: "gauge", lines });
    },
    async render() {
      const parts = await Promise.all(
        families.map(async ({ name, help, type, lines }) =>
          [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...(await lines()), ""].join("\n"),
        ),
      );
      return parts.join("");
    },
  };
}

interface Observed {
  readonly labels: readonly string[];
  /** of each bucket alone; what is above the last one is only in `count` */
  readonly counts: number[];
  count: number;
  sum: number;
}

function histogramLines(
  name: string,
  labelNames: readonly string[],
  buckets: readonly number[],
  { labels, counts, count, sum }: Observed,
): readonly string[] {
  let below = 0;
  const lines = buckets.map((upTo, index) => {
    below += counts[index] ?? 0;
    return `${name}_bucket${seriesOf([...labelNames, "le"], [...labels, String(upTo)])} ${below}`;
  });
  const all = seriesOf([...labelNames, "le"], [...labels, "+Inf"]);
  const series = seriesOf(labelNames, labels);
  return [
    ...lines,
    `${name}_bucket${all} ${count}`,
    `${name}_sum${series} ${sum}`,
    `${name}_count${series} ${count}`,
  ];
}

function seriesOf(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return "";
  const pairs = names.map((name, index) => `${name}="${escapeLabel(values[index] ?? "")}"`);
  return `{${pairs.join(",")}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
