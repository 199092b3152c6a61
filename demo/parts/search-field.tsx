/** A field to search with as one types. */
import type { ReadonlySignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "./icon.tsx";

interface SearchFieldProps {
  readonly label: string;
  readonly text: ReadonlySignal<string>;
  readonly onSearch: (text: string) => void;
  readonly onFocus?: () => void;
}

/** Search as one types. From anywhere, "/" leads here; from here, the arrow leads to the first hit. */
export function SearchField({ label, text, onSearch, onFocus }: SearchFieldProps) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const isTyping =
        event.target instanceof HTMLElement && event.target.closest("input, textarea, select, dialog");
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping !== null) return;
      event.preventDefault();
      input.current?.select();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return (
    <div class="search">
      <Icon name="search" />
      <input
        ref={input}
        type="search"
        aria-label={label}
        aria-keyshortcuts="/"
        placeholder="Search"
        value={text.value}
        onFocus={onFocus}
        onInput={(event) => onSearch(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape" && text.peek() !== "") onSearch("");
          else if (event.key === "ArrowDown")
            input.current?.closest(".library")?.querySelector<HTMLElement>('.row[tabindex="0"]')?.focus();
          else return;
          event.preventDefault();
        }}
        autocomplete="off"
        autocapitalize="none"
        enterkeyhint="search"
        spellcheck={false}
      />
      <kbd class="search-key" aria-hidden="true">
        /
      </kbd>
    </div>
  );
}
