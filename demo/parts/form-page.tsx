/** A page with one form on it, and the way back. */
import type { ComponentChildren } from "preact";
import { Icon } from "./icon.tsx";

interface FormPageProps {
  readonly title: string;
  readonly onBack: () => void;
  readonly children: ComponentChildren;
}

/** Lay out a form page. */
export function FormPage({ title, onBack, children }: FormPageProps) {
  return (
    <main class="form-page">
      <button type="button" class="button button-plain back" onClick={onBack}>
        <Icon name="back" />
        Back
      </button>
      <h1>{title}</h1>
      {children}
    </main>
  );
}
