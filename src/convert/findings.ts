/**
 * The messages of a conversion about its input: what is left out, what would behave differently, and what to do by
 * hand.
 *
 * Filled by all files of this folder, shown by `cli/convert.ts`. Codes are stable, because programs compare them.
 */
import type { Fields } from '../gateway-api/fields.ts';
import type { Problem } from '../gateway-api/types.ts';

export const CONVERT_CODES = {
  'authority-port': 'A host name with a port, where Gateway API takes one without.',
  'bad-condition': 'A condition of a ServiceProfile that cannot be read, or is too large.',
  'bad-duration': 'A duration that cannot be read, or is finer than a millisecond.',
  'bad-value': 'A value that the field cannot have, such as two of exact, prefix and regex.',
  'cors-origin': 'A CORS origin by prefix or expression; Gateway API knows names only.',
  'cors-preflight': 'What becomes of preflights that fit no origin; sideroute answers all of them.',
  delegate: 'Rules in another VirtualService. Its requests are answered 500 until they are written here.',
  'direct-response': 'A reply without a backend. Its requests are answered 500 instead.',
  'export-to': 'A choice of client namespaces that routes of Gateway API cannot make.',
  fault: 'An injected fault; requests go on without.',
  'gateway-only': 'Rules for ingress gateways alone, which are no business of a sidecar.',
  'header-edit': 'A change of a header that cannot be said, or comes out in another order.',
  headless: 'A headless Service: it has no ClusterIP that a route could be for.',
  host: 'A host that is no Service of the cluster.',
  'host-twice': 'A second VirtualService for the same host; Istio uses the older one.',
  'invalid-output': 'What came out is refused by `sideroute check`.',
  'kind-not-converted': 'A kind without a counterpart here.',
  'left-out': 'A setting without a counterpart; requests go on without.',
  'match-left-out': 'A match that cannot be said. Its requests go where later rules send them.',
  name: 'A name that rules of Gateway API cannot have, or have already.',
  'no-rule': 'Nothing of it could be converted.',
  'not-http': 'Rules for TCP or TLS; such connections are tunnelled to the Service they dialled.',
  'order-differs': 'Two matches of which Gateway API prefers the later one, whatever the order of the rules.',
  'path-differs': 'A prefix that ends within a path element, in a rule that replaces it.',
  redirect: 'A redirect that cannot be said exactly.',
  'response-class': 'Which responses are failures, beyond lists of status codes.',
  'retry-by-default': 'Istio retries some failures where nothing is written; sideroute only what a rule says.',
  'retry-differs': 'Retries that cannot be said exactly.',
  'rewrite-differs': 'A rewrite that cannot be said exactly.',
  'service-needed': 'A Service that has to be made by hand.',
  'service-unknown': 'The Service is not in the input: its ports are not known.',
  'source-labels': 'A match by labels of the client pod. It is left out.',
  'source-namespace': 'A match by the namespace of the client that cannot be said.',
  subset: 'A subset that no DestinationRule in the input has.',
  'too-large': 'More matches than can be put in order.',
  'traffic-policy': 'Settings of connections, load balancing or TLS.',
  unreachable: 'A rule that no request reaches, neither there nor here.',
  weight: 'Weights that do not say where requests go.',
  'without-headers': 'A negated match that cannot be said exactly.',
} as const satisfies Readonly<Record<string, string>>;

export type ConvertCode = keyof typeof CONVERT_CODES;

export class Findings {
  readonly #problems = new Map<string, Problem>();

  /** Something that behaves differently or is left out. `name`: of the field; empty for `fields` itself. */
  differs(code: ConvertCode, fields: Fields, name: string, message: string): void {
    this.#add('warning', code, fields, name, message);
  }

  /** No difference; the note explains an interpretation that the document does not state. */
  note(code: ConvertCode, fields: Fields, name: string, message: string): void {
    this.#add('note', code, fields, name, message);
  }

  /** The document or the rule cannot be converted. */
  error(code: ConvertCode, fields: Fields, name: string, message: string): void {
    this.#add('error', code, fields, name, message);
  }

  /** Adds problems reported by a reader of documents. */
  take(problems: readonly Problem[]): void {
    for (const problem of problems) this.#keep(problem);
  }

  /** In the order in which they were found, without duplicates. */
  all(): readonly Problem[] {
    return [...this.#problems.values()];
  }

  #add(severity: Problem['severity'], code: ConvertCode, fields: Fields, name: string, message: string): void {
    const { report } = fields;
    const { file, document, line } = report.location(fields.tree(name)?.offset ?? fields.offset);
    const path = name === '' ? fields.path : fields.pathOf(name);
    this.#keep({ severity, code, file, document, line, resource: report.resource, path, message });
  }

  #keep(problem: Problem): void {
    const { file, document, path, code, message } = problem;
    const key = JSON.stringify([file, document, path, code, message]);
    if (!this.#problems.has(key)) this.#problems.set(key, problem);
  }
}
