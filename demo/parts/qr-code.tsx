/** A text as a QR code, drawn as one SVG path. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

const quietModules = 4;

/** Draw a QR code; nothing when the text does not fit into one. The code's maker is loaded when it is first wanted. */
export function QrCode({ text, label }: { readonly text: string; readonly label: string }) {
  const drawing = useSignal<{ size: number; path: string } | undefined>(undefined);
  useEffect(() => {
    let isStale = false;
    drawQrCode(text).then(
      (drawn) => {
        if (!isStale) drawing.value = drawn;
      },
      () => undefined,
    );
    return () => {
      isStale = true;
    };
  }, [text]);
  if (drawing.value === undefined) return <div class="qr" />;
  const { size, path } = drawing.value;
  return (
    <svg
      class="qr"
      role="img"
      aria-label={label}
      viewBox={`0 0 ${size} ${size}`}
      shape-rendering="crispEdges"
    >
      <path d={path} />
    </svg>
  );
}

async function drawQrCode(text: string): Promise<{ size: number; path: string }> {
  const { default: qrcode } = await import("qrcode-generator");
  const code = qrcode(0, "L");
  code.addData(text, "Byte");
  code.make();
  const count = code.getModuleCount();
  let path = "";
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < count; column += 1) {
      if (code.isDark(row, column)) path += `M${column + quietModules} ${row + quietModules}h1v1h-1z`;
    }
  }
  return { size: count + 2 * quietModules, path };
}
