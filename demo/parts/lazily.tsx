/** Parts of the application whose code is loaded when they are first shown, so that the first screen does not wait for it. */
import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { ErrorText } from "./error-note.tsx";

interface WaitingProps {
  readonly className: string;
  readonly label: string;
  /** what is said until it is there */
  readonly words: string;
}

/** Make a component out of a loader of one. Once loaded, it is there at once; what could not be loaded is tried again the next time. */
export function lazily<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
  { className, label, words }: WaitingProps,
): ComponentType<Props> {
  let loaded: ComponentType<Props> | undefined;
  return function Lazy(props: Props) {
    const part = useSignal<{ readonly is: ComponentType<Props> } | undefined>(loaded && { is: loaded });
    const error = useSignal<unknown>(undefined);
    useEffect(() => {
      if (part.peek() !== undefined) return;
      load().then(
        (component) => {
          loaded = component;
          part.value = { is: component };
        },
        (cause: unknown) => (error.value = cause),
      );
    }, []);
    const Part = part.value?.is;
    if (Part !== undefined) return <Part {...props} />;
    return (
      <section class={className} aria-label={label}>
        {error.value === undefined ? <p class="muted pad">{words}</p> : <ErrorText error={error.value} />}
      </section>
    );
  };
}
