/** Short messages at the foot of the window, some with a way back. */
import { dismiss, notices, type Notice } from "../state/activity.ts";
import { useAction } from "../state/action.ts";
import { ErrorNote } from "./error-note.tsx";
import { Icon } from "./icon.tsx";

/** Show the messages. */
export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map((notice) => (
        <NoticeLine key={notice.id} notice={notice} />
      ))}
    </div>
  );
}

function NoticeLine({ notice }: { readonly notice: Notice }) {
  const action = useAction(async () => {
    await notice.action?.run();
    dismiss(notice.id);
  });
  return (
    <div class="notice" data-testid="notice">
      <span class="notice-text">{notice.text}</span>
      {notice.action === undefined ? null : (
        <button
          type="button"
          class="button button-plain"
          disabled={action.isBusy.value}
          onClick={() => action.run()}
        >
          {notice.action.label}
        </button>
      )}
      <button type="button" class="button-icon" aria-label="Dismiss" onClick={() => dismiss(notice.id)}>
        <Icon name="close" />
      </button>
      <ErrorNote error={action.error} />
    </div>
  );
}
