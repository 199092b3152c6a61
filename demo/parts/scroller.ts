/** What lists of many rows share: which part of them is in sight, and scrolling to one. */

/** What is in sight of a list, in pixels. */
export interface Sight {
  readonly top: number;
  readonly height: number;
  readonly width: number;
}

/** Tell what is in sight of an element; nothing while it is hidden. */
export function look(element: HTMLElement | null, tell: (sight: Sight) => void): void {
  if (element === null || element.clientHeight === 0) return;
  tell({ top: element.scrollTop, height: element.clientHeight, width: element.clientWidth });
}

/** Tell it now, and whenever the element's size changes; gives what ends that. */
export function measure(element: HTMLElement | null, tell: (sight: Sight) => void): () => void {
  if (element === null) return () => undefined;
  look(element, tell);
  const observer = new ResizeObserver(() => look(element, tell));
  observer.observe(element);
  return () => observer.disconnect();
}

/** Scroll just so far that a row is in sight; `px` is its height and that of what stays at the top and the bottom. */
export function reveal(element: HTMLElement | null, rowTop: number, px: number): void {
  if (element === null) return;
  const { scrollTop, clientHeight } = element;
  if (rowTop < scrollTop) element.scrollTop = rowTop;
  else if (rowTop + px > scrollTop + clientHeight) element.scrollTop = rowTop + px - clientHeight;
}
