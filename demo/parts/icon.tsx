/** Icons as inline SVG. They say nothing by themselves: the words are beside them or on their button. */
const paths = {
  library: "M4 5h16M4 12h16M4 19h10",
  people:
    "M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM2 21v-1a6 6 0 0 1 6-6h2a6 6 0 0 1 6 6v1M17 11.5a3.5 3.5 0 1 0-1.5-6.7M22 21v-1a5 5 0 0 0-4-4.9",
  sync: "M20 11a8 8 0 0 0-14.3-4M4 13a8 8 0 0 0 14.3 4M5 3v4h4M19 21v-4h-4",
  shield: "M12 3l8 3v6c0 4.5-3.2 7.8-8 9-4.8-1.2-8-4.5-8-9V6zM9 12l2 2 4-4",
  lock: "M6 11h12v9H6zM8.5 11V7.5a3.5 3.5 0 0 1 7 0V11",
  plus: "M12 5v14M5 12h14",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM16 16l4.5 4.5",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "M5 12.5l4.5 4.5L19 7",
  upload: "M12 16V4M7 9l5-5 5 5M4 16v4h16v-4",
  film: "M4 5h16v14H4zM8 5v14M16 5v14M4 9.5h4M4 14.5h4M16 9.5h4M16 14.5h4",
  up: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
  warning: "M12 4l9 16H3zM12 10v4.5M12 17.2v.3",
  key: "M14.5 13a5 5 0 1 0-4.4-2.6L4 16.5V20h3.5v-2.5H10V15l1.6-1.6a5 5 0 0 0 2.9-.4ZM16 8.5v.1",
  undo: "M9 14l-5-5 5-5M4 9h9.5a6.5 6.5 0 0 1 0 13H9",
  redo: "M15 14l5-5-5-5M20 9h-9.5a6.5 6.5 0 0 0 0 13H15",
  history: "M3.5 12a8.5 8.5 0 1 0 2.6-6.1L3.5 8.3M3.5 3.5v4.8h4.8M12 7.5V12l3.2 2",
  download: "M12 4v12M7 11l5 5 5-5M4 20h16",
  views: "M4 5h16M9 12h11M9 19h11M4 5v14h2M4 12h2",
  columns: "M4 5h16v14H4zM9.5 5v14M14.5 5v14",
  chart: "M4 20h16M7 16v-5M12 16V6M17 16v-8",
  save: "M7 4h10v16l-5-4-5 4z",
  chevron: "M9 6l6 6-6 6",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12ZM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  camera: "M4 7h4l1.5-2.5h5L16 7h4v12H4zM12 16.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7Z",
  pin: "M9 4h6l-1 6 3 3v2H7v-2l3-3zM12 15v6",
  cloud: "M7 18.5a4.5 4.5 0 0 1-.4-9A6 6 0 0 1 18 9a4.8 4.8 0 0 1-.5 9.5z",
  play: "M8 5l11 7-11 7z",
} as const;

/** The name of an icon. */
export type IconName = keyof typeof paths;

/** Draw an icon of the size of the text around it. */
export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
