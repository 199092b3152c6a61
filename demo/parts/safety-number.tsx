/** A safety number in groups of four digits, as both people read it to each other. */

/** Show a safety number and why it is worth a minute. */
export function SafetyNumber({ number, who }: { readonly number: string; readonly who: string }) {
  const groups = number.replaceAll(/\D/g, "").match(/.{1,4}/g) ?? [];
  return (
    <figure class="safety">
      <figcaption>
        <span class="label">Safety number with {who}</span>
      </figcaption>
      <p class="digits" data-testid="safety-number">
        {groups.map((group, index) => (
          <span key={index}>{group}</span>
        ))}
      </p>
      <p class="hint">
        Read it to each other on the phone or side by side: if all digits are the same, nobody in between has
        exchanged a key.
      </p>
    </figure>
  );
}
