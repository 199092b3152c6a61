/** The calls about full text. */
import { CofferError } from "../src/std/index.ts";
import { excerptLimits } from "../src/search/index.ts";
import type { SearchDefinition } from "../src/tenant/index.ts";
import type { SearchMessage, WorkerApi } from "./api.ts";
import type { WorkerHost } from "./host.ts";
import { readFields, readNatural, readQuery } from "./page-messages.ts";
import { readWords } from "./search-messages.ts";

type SearchCalls = Pick<WorkerApi, "openSearch" | "updateSearch" | "closeSearch">;

const names: ReadonlySet<string> = new Set<keyof SearchMessage>([
  "excerptLength",
  "fields",
  "filter",
  "fuzzy",
  "highlight",
  "limit",
  "locale",
  "offset",
  "prefix",
  "sort",
  "text",
]);
const maxHits = 1_000;

/** Answer the calls about full text. */
export function searchCalls(host: WorkerHost): SearchCalls {
  return {
    async openSearch(database, given, subscription) {
      const { session, database: source, shape } = host.database(database);
      const message = readSearch(given);
      readNatural(subscription, "subscription");
      host.watched.set(subscription, session);
      session.searches.open(subscription, source, { message, shape });
    },

    async updateSearch(subscription, given) {
      host.watched.get(subscription)?.searches.update(subscription, readSearch(given));
    },

    async closeSearch(subscription) {
      host.watched.get(subscription)?.searches.close(subscription);
      host.watched.delete(subscription);
    },
  };
}

/** Read a search of the page. Of a text that is too long the rest is left out. @throws `input/invalid` with `at`, `input/too-large` */
function readSearch(message: unknown): SearchDefinition {
  const given = readFields(message, "search");
  const { excerptLength, fields, filter, fuzzy, highlight, limit, locale } = given;
  const { offset, prefix, sort, text } = given;
  const other = Object.keys(given).find((name) => !names.has(name));
  if (other !== undefined) invalid(other);
  if (typeof highlight !== "boolean") invalid("highlight");
  const query = readQuery({ filter, sort, locale, limit, offset });
  return {
    filter: query.filter,
    sort: query.sort,
    locale: query.locale,
    offset: query.offset,
    highlight,
    excerptLength: excerptLength === undefined ? undefined : readExcerptLength(excerptLength),
    ...readWords({ text, fields, prefix, fuzzy }),
    limit: Math.min(query.limit ?? invalid("limit"), maxHits),
  };
}

function readExcerptLength(given: unknown): number {
  const { leastUnits, mostUnits } = excerptLimits;
  return Math.min(mostUnits, Math.max(leastUnits, readNatural(given, "excerptLength")));
}

function invalid(at: string): never {
  throw new CofferError("input/invalid", { at });
}
