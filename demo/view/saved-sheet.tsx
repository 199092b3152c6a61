/** Saves the view, and takes saved ones away. */
import { useSignal } from "@preact/signals";
import { ErrorNote } from "../parts/error-note.tsx";
import { Field } from "../parts/field.tsx";
import { Icon } from "../parts/icon.tsx";
import { Sheet, type SheetRef } from "../parts/sheet.tsx";
import { useAction } from "../state/action.ts";
import { notify } from "../state/activity.ts";
import { goTo, viewHref } from "../state/route.ts";
import type { FilmView } from "./film-view.ts";
import type { ViewName } from "./saved-views.ts";

interface SavedSheetProps {
  readonly model: FilmView;
  readonly sheet: SheetRef;
}

/** The sheet of saved views. */
export function SavedSheet({ model, sheet }: SavedSheetProps) {
  const names = model.saved.names.value ?? [];
  return (
    <Sheet sheet={sheet} title="Save this view" testId="saved-views">
      <SaveForm model={model} names={names} onDone={sheet.close} />
      {names.length === 0 ? null : (
        <section class="saved" aria-labelledby="saved-title">
          <h3 id="saved-title" class="label">
            Saved views
          </h3>
          <ul class="plain">
            {names.map((one) => (
              <SavedLine key={one.id} model={model} saved={one} />
            ))}
          </ul>
        </section>
      )}
    </Sheet>
  );
}

function SaveForm(props: {
  readonly model: FilmView;
  readonly names: readonly ViewName[];
  readonly onDone: () => void;
}) {
  const { model, names, onDone } = props;
  const open = names.find(({ id }) => id === model.savedId.peek());
  const name = useSignal(open?.name ?? "");
  const save = useAction(async (isNew: boolean) => {
    const called = name.value.trim();
    const look = model.look();
    const id = isNew || open === undefined ? await model.saved.create(called, look) : open.id;
    if (!isNew && open !== undefined) await model.saved.write(open.id, called, look);
    model.keep(id);
    onDone();
    goTo(viewHref(id));
    notify(`Saved “${called}”.`);
  });
  const isNameless = name.value.trim() === "";
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        if (!isNameless) save.run(open === undefined);
      }}
    >
      <Field
        label="Name"
        value={name}
        autocomplete="off"
        autofocus
        hint="Groups, columns, chart and what is expanded. Everybody in this space will find it."
      />
      <ErrorNote error={save.error} />
      <div class="actions">
        <button type="submit" class="button button-main" disabled={isNameless || save.isBusy.value}>
          {open === undefined ? "Save" : "Save changes"}
        </button>
        {open === undefined ? null : (
          <button
            type="button"
            class="button"
            disabled={isNameless || save.isBusy.value}
            onClick={() => save.run(true)}
          >
            Save as a new one
          </button>
        )}
        {model.isChanged.value ? (
          <button
            type="button"
            class="button button-plain"
            onClick={() => {
              void model.reset();
              onDone();
            }}
          >
            {open === undefined ? "Start afresh" : "Discard changes"}
          </button>
        ) : null}
      </div>
    </form>
  );
}

function SavedLine({ model, saved }: { readonly model: FilmView; readonly saved: ViewName }) {
  const remove = useAction(async () => {
    await model.saved.remove(saved.id);
    if (model.savedId.peek() === saved.id) goTo(viewHref(undefined));
    notify(`Deleted the view “${saved.name}”.`, {
      label: "Undo",
      run: async () => model.saved.bringBack(saved.id),
    });
  });
  return (
    <li class="saved-line">
      <span>{saved.name}</span>
      <button
        type="button"
        class="button-icon"
        aria-label={`Delete the view ${saved.name}`}
        disabled={remove.isBusy.value}
        onClick={() => remove.run()}
      >
        <Icon name="trash" />
      </button>
      <ErrorNote error={remove.error} />
    </li>
  );
}
