/** The data of the comparison: task records of ten fields with about 300 bytes of varied notes, the same for every peer and run. */

export interface Task {
  readonly title: string;
  readonly status: string;
  readonly priority: number;
  readonly assignee: string;
  readonly due: string;
  readonly project: string;
  readonly estimateHours: number;
  readonly isBillable: boolean;
  readonly tag: string;
  readonly notes: string;
}

/** A task where its id is one of its fields. */
export interface StoredTask extends Task {
  readonly id: string;
}

const verbs = [
  "Call",
  "Draft",
  "Review",
  "Order",
  "Repair",
  "Measure",
  "Translate",
  "Plan",
  "Visit",
  "Close",
];
const things = [
  "the harbour lease",
  "quarterly figures",
  "a spare pump",
  "the visitors' route",
  "chapter four",
  "insurance papers",
  "the north roof",
  "supplier contracts",
  "winter timetable",
  "the choir's programme",
];
const people = [
  "ada",
  "björn",
  "chloé",
  "dmitri",
  "efua",
  "femke",
  "goran",
  "hana",
  "ines",
  "jonas",
  "keiko",
  "lars",
];
const projects = ["Harbour", "Archive", "Kitchen", "Website", "Audit", "Garden", "Festival", "Fleet"];
const tags = ["urgent", "waiting", "idea", "someday", "budget", "travel"];
/** What a task can be. */
export const statuses = ["open", "started", "blocked", "done"];
const words = (
  "agreed already another because before budget called careful change clear close colder copy corner cost daily " +
  "decided delay deliver detail early enough every evening exact fabric final finish first follow forward friday " +
  "gather green handle harbour heavy hours ideas inside invoice island keep kitchen known large later letter light " +
  "little local machine market meeting monday morning narrow nearly notes number office older onward order paint " +
  "paper partly people perhaps phone place plain price proof quick quiet rather ready reason repair report river " +
  "second send short signed simple slowly small spare spring station still stone supply table taken third through " +
  "timber today tomorrow twice under until useful visit waiting weather weekly within without wooden written yellow"
).split(" ");

/** Make `count` tasks from a seed. */
export function makeTasks(count: number, seed = 1): readonly Task[] {
  const draw = createDice(seed);
  const pick = (list: readonly string[]): string => list[draw(list.length)] ?? "";
  return Array.from({ length: count }, () => ({
    title: `${pick(verbs)} ${pick(things)} ${draw(10_000)}`,
    status: pick(statuses),
    priority: 1 + draw(5),
    assignee: pick(people),
    due: new Date(Date.UTC(2026, 0, 1) + draw(730 * 24) * 3_600_000).toISOString(),
    project: pick(projects),
    estimateHours: (1 + draw(160)) / 4,
    isBillable: draw(3) > 0,
    tag: pick(tags),
    notes: makeNotes(draw, pick),
  }));
}

function makeNotes(draw: (sides: number) => number, pick: (list: readonly string[]) => string): string {
  const sizeUnits = 200 + draw(200);
  let text = "";
  while (text.length < sizeUnits) {
    const word = pick(words);
    text += text === "" || text.endsWith(". ") ? word.charAt(0).toUpperCase() + word.slice(1) : word;
    text += draw(9) === 0 ? ". " : " ";
  }
  return text.trimEnd();
}

/** A dice of any number of sides (mulberry32). */
function createDice(seed: number): (sides: number) => number {
  let state = seed >>> 0;
  return (sides) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}
