/** The tags of a document: a list that grows and shrinks one word at a time. */
import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { textsOf } from "../film/read-value.ts";
import { useChange } from "./bound-fields.tsx";
import { useFormDocument } from "./form-document.ts";
import { Icon } from "./icon.tsx";

/** Show the tags, each with a button that removes it, and a field that adds one. */
export function TagField() {
  const id = useId();
  const { doc, isReadOnly } = useFormDocument();
  const change = useChange();
  const typed = useSignal("");
  const tags = textsOf(doc.data.value?.tags);
  const add = (): void => {
    const tag = typed.peek().trim();
    typed.value = "";
    if (tag === "" || tags.includes(tag)) return;
    change((draft) => {
      if (Array.isArray(draft.tags)) draft.tags.push(tag);
      else draft.tags = [tag];
    });
  };
  const remove = (tag: string): void =>
    change((draft) => {
      const index = draft.tags.indexOf(tag);
      if (index >= 0) draft.tags.splice(index, 1);
    });
  return (
    <div class="field">
      <label for={id}>Tags</label>
      <div class="tags">
        {tags.length === 0 ? null : (
          <ul class="plain tag-list" aria-label="Tags" data-testid="tags">
            {tags.map((tag, index) => (
              <li key={`${index} ${tag}`} class="tag">
                <span>{tag}</span>
                {isReadOnly ? null : (
                  <button type="button" aria-label={`Remove tag ${tag}`} onClick={() => remove(tag)}>
                    <Icon name="close" />
                  </button>
                )}
              </li>
            ))}
          </ul>
        )}
        <input
          id={id}
          type="text"
          placeholder={isReadOnly ? undefined : "Add a tag"}
          readOnly={isReadOnly}
          autocomplete="off"
          value={typed.value}
          data-unsaved={typed.value === "" ? undefined : ""}
          onInput={(event) => (typed.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            event.preventDefault();
            add();
          }}
          onBlur={add}
        />
      </div>
    </div>
  );
}
