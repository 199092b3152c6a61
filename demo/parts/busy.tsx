/** Says what a wait is for, while it lasts. */

/** Show a moving bar and the reason for the wait. The bar stands still for those who want less motion. */
export function Busy({ what, why }: { readonly what: string; readonly why?: string }) {
  return (
    <div class="busy" role="status" data-testid="busy">
      <p>
        <strong>{what}</strong> {why}
      </p>
      <div class="bar bar-moving" />
    </div>
  );
}

/** Show how far something with a known end is. */
export function ProgressBar({
  label,
  done,
  total,
}: {
  readonly label: string;
  readonly done: number;
  readonly total: number;
}) {
  return <progress class="bar" aria-label={label} value={done} max={Math.max(1, total)} />;
}
