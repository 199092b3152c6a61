/** A text to hand over: it can be read, copied, or photographed. */
import { useSignal } from "@preact/signals";
import { Icon } from "./icon.tsx";
import { QrCode } from "./qr-code.tsx";

interface CopyBoxProps {
  readonly label: string;
  readonly text: string;
  readonly testId: string;
  /** whether a QR code of it makes sense */
  readonly hasQr?: boolean;
}

/** Show a text with a button that copies it; where the browser refuses, the text is selected instead. */
export function CopyBox({ label, text, testId, hasQr = false }: CopyBoxProps) {
  const state = useSignal<"idle" | "copied" | "refused">("idle");
  const copy = (): void => {
    navigator.clipboard?.writeText(text).then(
      () => (state.value = "copied"),
      () => (state.value = "refused"),
    );
  };
  return (
    <div class="copy-box">
      <div class="copy-head">
        <span class="label">{label}</span>
        <button type="button" class="button" onClick={copy} aria-label={`Copy ${label.toLowerCase()}`}>
          <Icon name={state.value === "copied" ? "check" : "copy"} />
          {state.value === "copied" ? "Copied" : "Copy"}
        </button>
      </div>
      <textarea
        class="code"
        readOnly
        rows={hasQr ? 4 : 1}
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
      {hasQr ? <QrCode text={text} label={`${label} as a QR code`} /> : null}
    </div>
  );
}
