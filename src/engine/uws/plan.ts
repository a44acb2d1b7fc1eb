/**
 * Carries a forward plan out on strings: the counterpart of native/src/http1/head_writer.cc, which does it on bytes.
 *
 * Stage before: a decision. Stage after: the `uws` engine. Strings are Latin-1 views of bytes throughout.
 */
import type { FieldEdits, FieldLine, ForwardPlan } from '../../routing/decision.ts';

/** A name and a value in turn. */
type Fields = string[];

/** `fields`, with lower-case names. A new Host takes the place of the old one; framing is not a plan's business. */
export function editRequest(fields: readonly string[], { request, host }: ForwardPlan): Fields {
  const edited: Fields = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    if (name === 'host') edited.push(name, host ?? fields[i + 1]!);
    else if (name === 'content-length' || !removes(request, name)) edited.push(name, fields[i + 1]!);
  }
  for (const { name, value } of request.append) edited.push(name, value);
  return edited;
}

/** `name` in lower case. */
export function removes({ remove }: FieldEdits, name: string): boolean {
  return remove.includes(name);
}

/** Adds lines to fields that uWS writes: text is ASCII there, everything else bytes. */
export function appendLines(fields: (string | Uint8Array)[], lines: readonly FieldLine[]): void {
  for (const { name, value } of lines) fields.push(name, Buffer.from(value, 'latin1'));
}
