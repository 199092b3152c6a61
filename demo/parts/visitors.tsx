/** Who else is here: in the space, at a document, in a field. */
import type { Visitor } from "../state/here.ts";
import { isOwnKey, memberName, space } from "../state/space.ts";
import { useFormDocument } from "./form-document.ts";
import { MemberBadge } from "./member-badge.tsx";

const maxShown = 4;

/** Other people who are here; `docId`: only those who have that document open. One is not shown oneself, in other windows either. */
export function Visitors({ docId }: { readonly docId?: string }) {
  const visitors = space.value?.here.visitors.value ?? [];
  const there = docId === undefined ? visitors : visitors.filter(({ doc }) => doc === docId);
  const users = [...new Set(there.map(({ user }) => user))].filter((user) => !isOwnKey(user));
  const names = users.map(memberName);
  const words = docId === undefined ? "Here now" : "Also in this document";
  return (
    <span class="visitors" role="status" data-testid={docId === undefined ? "here" : "here-doc"}>
      {users.length === 0 ? null : <span class="visually-hidden">{`${words}: ${names.join(", ")}`}</span>}
      {users.slice(0, maxShown).map((user) => (
        <span key={user} title={`${words}: ${memberName(user)}`}>
          <MemberBadge userKey={user} name={memberName(user)} />
        </span>
      ))}
      {users.length > maxShown ? <span aria-hidden="true">+{users.length - maxShown}</span> : null}
    </span>
  );
}

/** Who else is in a field of the open document, and whether they type. */
export function InField({ label }: { readonly label: string }) {
  const { doc } = useFormDocument();
  const visitors = space.value?.here.visitors.value ?? [];
  const there = visitors.filter((visitor) => visitor.doc === doc.id && visitor.field === label);
  const [first] = there.toSorted((a, b) => Number(b.isTyping) - Number(a.isTyping));
  return first === undefined ? null : <OneInField visitor={first} othersCount={there.length - 1} />;
}

function OneInField({ visitor, othersCount }: { readonly visitor: Visitor; readonly othersCount: number }) {
  const name = isOwnKey(visitor.user) ? "you, elsewhere" : memberName(visitor.user);
  const others = othersCount > 0 ? ` and ${othersCount} more` : "";
  return (
    <span class="in-field" data-testid="in-field">
      <MemberBadge userKey={visitor.user} name={memberName(visitor.user)} />
      <span class="in-field-words">
        {visitor.isTyping === true ? `${name}${others} is typing` : `${name}${others}`}
      </span>
    </span>
  );
}
