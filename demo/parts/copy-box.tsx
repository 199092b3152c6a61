/** A text to hand over: it can be read, copied, or photographed. */
import { useSignal } from "@preact/signals";
import { Icon } from "./icon.tsx";
import { QrCode } from "./qr-code.tsx";

interface CopyBoxProps {
  readonly label: string;
  readonly text: string;
  readonly testId: string;
  /** the same as an address, for a QR code and to be opened with a press */
  readonly link?: string;
}

/** Show a text with a button that copies it; where the browser refuses, the text is selected instead. */
export function CopyBox({ label, text, testId, link }: CopyBoxProps) {
  const state = useSignal<"idle" | "copied" | "link-copied" | "refused">("idle");
  const copy = (what: string, done: "copied" | "link-copied") => (): void => {
    navigator.clipboard?.writeText(what).then(
      () => (state.value = done),
      () => (state.value = "refused"),
    );
  };
  return (
    <div class="copy-box">
      <div class="copy-head">
        <span class="label">{label}</span>
        {link === undefined ? null : (
          <button
            type="button"
            class="button button-plain"
            onClick={copy(link, "link-copied")}
            aria-label={`Copy ${label.toLowerCase()} as a link`}
          >
            {state.value === "link-copied" ? "Link copied" : "Copy as a link"}
          </button>
        )}
        <button
          type="button"
          class="button"
          onClick={copy(text, "copied")}
          aria-label={`Copy ${label.toLowerCase()}`}
        >
          <Icon name={state.value === "copied" ? "check" : "copy"} />
          {state.value === "copied" ? "Copied" : "Copy"}
        </button>
      </div>
      <textarea
        class="code"
        readOnly
        rows={text.length > 80 ? 4 : 1}
        aria-label={label}
        data-testid={testId}
        value={text}
        onFocus={(event) => event.currentTarget.select()}
      />
      <p class="hint" role="status">
        {state.value === "refused"
          ? "The browser did not allow copying: select the text and copy it by hand."
          : ""}
      </p>
      {link === undefined ? null : <QrCode text={link} label={`${label} as a QR code`} />}
    </div>
  );
}
