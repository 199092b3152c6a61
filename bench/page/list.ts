/** A plain list on screen, so that "shown" means shown. */
import type { QueryRow } from "cofferdb";
import type { Person } from "./rows.ts";

/** Replace what the list shows. */
export function showRows(rows: readonly QueryRow<Person>[]): void {
  const list = document.querySelector("ul") ?? document.body.appendChild(document.createElement("ul"));
  list.replaceChildren(
    ...rows.map(({ data }) => {
      const item = document.createElement("li");
      item.textContent = [data.name, data.email, data.company, data.city, data.age].join(" · ");
      return item;
    }),
  );
}
