/** The rows of the benches: ten plain fields, the same for every run and for every competitor. */

export interface Person {
  readonly name: string;
  readonly email: string;
  readonly phone: string;
  readonly company: string;
  readonly city: string;
  readonly country: string;
  readonly title: string;
  readonly age: number;
  readonly balance: number;
  readonly isActive: boolean;
}

const firstNames = ["Ada", "Björn", "Chloé", "Dmitri", "Efua", "Femke", "Goran", "Hana", "Ines", "Jonas"];
const lastNames = [
  "Aalto",
  "Berg",
  "Castro",
  "Dubois",
  "Eriksen",
  "Fischer",
  "Gupta",
  "Haddad",
  "Ito",
  "Jensen",
];
const companies = ["Nordlys", "Acme", "Umbra", "Volt & Co", "Kelp"];
const cities = ["Bergen", "Oslo", "Lyon", "Kyoto", "Accra", "Porto", "Graz"];
const countries = ["NO", "FR", "JP", "GH", "PT", "AT"];
const titles = ["Engineer", "Designer", "Analyst", "Director"];

/** Make `count` rows from a seed. */
export function makeRows(count: number, seed = 1): readonly Person[] {
  const draw = createDice(seed);
  const pick = (words: readonly string[]): string => words[draw(words.length)] ?? "";
  return Array.from({ length: count }, () => {
    const first = pick(firstNames);
    const last = pick(lastNames);
    return {
      name: `${first} ${last}`,
      email: `${first}.${last}${draw(1000)}@example.org`.toLowerCase(),
      phone: `+47 ${10_000_000 + draw(89_999_999)}`,
      company: pick(companies),
      city: pick(cities),
      country: pick(countries),
      title: pick(titles),
      age: 18 + draw(60),
      balance: draw(1_000_000) / 100,
      isActive: draw(4) > 0,
    };
  });
}

/** A dice of any number of sides (mulberry32), so that every run draws the same rows. */
export function createDice(seed: number): (sides: number) => number {
  let state = seed >>> 0;
  return (sides) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}
