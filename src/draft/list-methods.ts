/** The methods of lists that write. */
import { assign, pathOf, read, spliceList, take, type ListNode } from "./node.ts";
import { shareStructure } from "./share.ts";
import { isContainer, isDraft, refuse, removedCopy } from "./value.ts";

type ListMethod = (node: ListNode, values: unknown[], name: string) => unknown;

/** By name; all others are Array's own and read through the draft. */
export const listMethods: Record<string, ListMethod> = {
  push(node, values) {
    spliceList(node, node.items.length, 0, values);
    return node.items.length;
  },
  unshift(node, values) {
    spliceList(node, 0, 0, values);
    return node.items.length;
  },
  pop: (node) => spliceList(node, node.items.length - 1, 1, [])[0],
  shift: (node) => spliceList(node, 0, 1, [])[0],
  splice(node, args) {
    const [index, remove, ...values] = args;
    const { length } = node.items;
    return spliceList(node, toInteger(index, 0), args.length === 1 ? length : toInteger(remove, 0), values);
  },
  insertAt(node, [index, ...values]) {
    spliceList(node, toInteger(index, 0), 0, values);
    return node.draft;
  },
  deleteAt(node, [index, count]) {
    spliceList(node, toInteger(index, 0), toInteger(count, 1), []);
    return node.draft;
  },
  fill(node, [given, start, end]) {
    const { length } = node.items;
    let value = given;
    if (isDraft(given)) take(node, [(value = removedCopy(given, node.session.room) ?? given)]);
    const from = toInteger(start, 0);
    const to = Math.min(toInteger(end, length), length);
    for (
      let index = from < 0 ? Math.max(from + length, 0) : from;
      index < (to < 0 ? to + length : to);
      index++
    ) {
      assign(node, index, value);
    }
    return node.draft;
  },
  sort: reorder,
  reverse: reorder,
  copyWithin: reorder,
};

function toInteger(value: unknown, otherwise: number): number {
  return value === undefined ? otherwise : Math.trunc(Number(value)) || 0;
}

/** Leaves take new places by as few assignments as do it: what is equal stays. */
function reorder(node: ListNode, args: unknown[], name: string): unknown {
  const { items } = node;
  if (items.some(isContainer))
    refuse(
      pathOf(node),
      `${name}() of objects cannot be merged: use splice, or sort where the list is shown`,
    );
  const before = [...items];
  const after = before.map((_, index) => read(node, index));
  take(node, after);
  (after[name as "sort"] as (...given: unknown[]) => unknown)(...args);
  if (items.length !== before.length || before.some((item, index) => item !== items[index]))
    refuse(pathOf(node), `the list changed during ${name}()`);
  for (const [index, item] of after.entries())
    if (shareStructure(before[index], item) !== before[index]) assign(node, index, item);
  return node.draft;
}
