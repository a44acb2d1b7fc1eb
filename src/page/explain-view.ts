/** The form that asks `/explain`, and what it answers. */
import type {
  Config,
  ExplainedForward,
  ExplainedLocal,
  ExplainedMatch,
  ExplainedRequest,
  ExplainedShare,
  Explanation,
} from './answers.ts';
import { byId, byIdOf, h, setText, type Child } from './dom.ts';
import { formatCount, formatProtocol, formatShare, limitTexts, serviceName } from './format.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'CONNECT', 'TRACE'];
const MAX_SERVICES = 500;
const TIMEOUT_MS = 10_000;

export class ExplainView {
  readonly #service = byIdOf('service', HTMLInputElement);
  readonly #result = byId('explanation');
  /** Of the question asked last; an older answer is not shown. */
  #asked = 0;

  constructor() {
    byId('methods').append(...METHODS.map((method) => h('option', { value: method })));
    byIdOf('explain-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#ask();
    });
  }

  setConfig({ frontends }: Config): void {
    const names = frontends.slice(0, MAX_SERVICES).map((frontend) => serviceName(frontend));
    byId('services').replaceChildren(...names.map((value) => h('option', { value })));
    if (this.#service.value === '') this.#service.value = names[0] ?? '';
  }

  /** Puts a Service into the form. */
  choose(service: string): void {
    this.#service.value = service;
    byId('path').focus();
  }

  async #ask(): Promise<void> {
    const asked = ++this.#asked;
    const query = new URLSearchParams({
      service: this.#service.value.trim(),
      method: byIdOf('method', HTMLInputElement).value.trim(),
      path: byIdOf('path', HTMLInputElement).value.trim(),
      format: 'json',
    });
    for (const line of byIdOf('headers', HTMLTextAreaElement).value.split('\n')) {
      if (line.trim() !== '') query.append('header', line.trim());
    }
    let shown: HTMLElement[];
    try {
      const response = await fetch(`/explain?${query}`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (response.ok) shown = renderExplanation((await response.json()) as Explanation);
      else shown = [failure((await response.text()).trim())];
    } catch {
      shown = [failure('The sidecar does not answer.')];
    }
    if (asked !== this.#asked) return;
    this.#result.replaceChildren(...shown);
    // A screen reader hears the verdict, and may go on to read the rest.
    setText(byId('announcement'), shown[0]!.querySelector('h3')?.textContent ?? shown[0]!.textContent);
  }
}

function failure(message: string): HTMLElement {
  return h('p', { class: 'card bad note' }, message);
}

function renderExplanation(explanation: Explanation): HTMLElement[] {
  const { candidates, candidateCount, elsewhere, elsewhereCount, winner } = explanation;
  const tried = candidates.map((match, index) => matchItem(match, match.position, index === winner));
  const shown = tried.length === candidateCount ? '' : ` (${tried.length} of ${formatCount(candidateCount)})`;
  const left = elsewhereCount - elsewhere.length;
  return [
    verdict(explanation),
    ...answers(explanation),
    ...(tried.length === 0
      ? []
      : [
          h(
            'section',
            { class: 'card' },
            h('h3', {}, `Rules in the order they are tried${shown}`),
            h('ol', { class: 'tried' }, ...tried),
          ),
        ]),
    ...(elsewhereCount === 0
      ? []
      : [
          h(
            'details',
            { class: 'card' },
            h('summary', {}, `Rules for other paths (${formatCount(elsewhereCount)})`),
            h(
              'ul',
              { class: 'elsewhere' },
              ...elsewhere.map((match) =>
                h('li', {}, ruleName(match), ' ', h('code', {}, match.predicates[0]!.expected)),
              ),
              ...(left > 0 ? [h('li', {}, `and ${formatCount(left)} more`)] : []),
            ),
          ),
        ]),
  ];
}

function ruleName({ route, ruleIndex, ruleName: name }: ExplainedMatch): string {
  return `${route} rule ${ruleIndex}${name === null ? '' : ` (${name})`}`;
}

function verdict(explanation: Explanation): HTMLElement {
  const { request, frontend, candidates, winner, runnerUp, outcome } = explanation;
  const target = `${request.method} ${request.path}${request.query === '' ? '' : `?${request.query}`}`;
  const lines: Child[] = [h('p', { class: 'mono' }, target, frontend === null ? '' : ` at ${frontend}`)];
  if (winner !== null) {
    const best = candidates[winner]!;
    lines.push(h('p', {}, 'Won by ', h('strong', {}, ruleName(best)), `, match ${best.matchIndex}.`));
    if (runnerUp !== null) {
      const second = ruleName(candidates[runnerUp.candidate]!);
      lines.push(h('p', { class: 'hint' }, `It comes before ${second} by: ${runnerUp.criterion}.`));
    }
  }
  return h(
    'section',
    { class: `card verdict ${outcome.kind}` },
    h('h3', { id: 'verdict' }, headline(outcome, request.call)),
    ...lines,
  );
}

/** What a call of gRPC is answered with is a code. */
function statusText({ status, grpc }: ExplainedLocal, call: boolean): string {
  return call && grpc !== null ? grpc : String(status);
}

function headline(outcome: Explanation['outcome'], call: boolean): string {
  if (outcome.kind === 'local') return `Answered by sideroute: ${statusText(outcome, call)} ${outcome.reason}`;
  if (outcome.kind === 'original') {
    return outcome.opaque === null
      ? 'Not routed: goes on to where it was going'
      : `Tunnelled unread: ${outcome.opaque} is opaque`;
  }
  const picked = outcome.shares.filter(({ percent }) => percent > 0);
  return `Goes to ${picked.map(({ backend, percent }) => `${backend}${picked.length === 1 ? '' : ` (${formatShare(percent / 100)})`}`).join(', ')}`;
}

function answers({ request, outcome }: Explanation): HTMLElement[] {
  if (outcome.kind === 'original') return [];
  if (outcome.kind === 'local') {
    return [
      h('section', { class: 'card' }, h('p', {}, outcome.message), ...lines('Fields of the reply', outcome.fields)),
    ];
  }
  return outcome.shares.map((share) => shareCard(share, request.call));
}

function shareCard({ backend, weight, percent, answer }: ExplainedShare, call: boolean): HTMLElement {
  const bar = h('span', { class: 'bar' }, h('span'));
  (bar.firstChild as HTMLElement).style.width = `${percent}%`;
  const title = h('h3', {}, backend, ' ', h('small', {}, `${formatShare(percent / 100)} · weight ${weight}`));
  const body: Child[] = [];
  if (answer.kind === 'never') body.push(h('p', { class: 'hint' }, 'Weight 0: never picked.'));
  else if (answer.kind === 'local') {
    body.push(
      h(
        'p',
        { class: 'bad' },
        `Answered by sideroute: ${statusText(answer, call)} ${answer.reason}: ${answer.message}`,
      ),
    );
    body.push(...lines('Fields of the reply', answer.fields));
  } else body.push(...forward(answer));
  return h('section', { class: 'card answer' }, title, bar, ...body);
}

function forward(answer: ExplainedForward): HTMLElement[] {
  const { addresses, protocol, request, response, mirrors } = answer;
  const spoken = protocol === null ? '' : `, in ${formatProtocol(protocol)}`;
  const limits = limitTexts(answer);
  return [
    h('p', { class: 'hint' }, `At ${addresses.join(', ')}${spoken}. The request as the backend receives it:`),
    requestBlock(request),
    ...lines('Its response', [
      ...response.remove.map((name) => `without ${name}`),
      ...response.append.map((field) => `with ${field}`),
    ]),
    ...(limits.length === 0 ? [] : [h('ul', { class: 'actions' }, ...limits.map((text) => h('li', {}, text)))]),
    ...mirrors.map(({ backend, percent, request: copy, dropped }) =>
      h(
        'div',
        {},
        h(
          'p',
          { class: 'hint' },
          `${formatShare(percent / 100)} mirrored to `,
          h('strong', {}, backend),
          dropped === null ? '' : `: dropped, ${dropped}`,
        ),
        ...(copy === null || sameRequest(copy, request) ? [] : [requestBlock(copy)]),
      ),
    ),
  ];
}

function sameRequest(a: ExplainedRequest, b: ExplainedRequest): boolean {
  return a.line === b.line && a.fields.join('\n') === b.fields.join('\n');
}

function requestBlock({ line, fields }: ExplainedRequest): HTMLElement {
  return h('pre', { class: 'request', tabindex: '0' }, [line, ...fields].join('\n'));
}

function lines(title: string, texts: readonly string[]): HTMLElement[] {
  if (texts.length === 0) return [];
  return [h('p', { class: 'hint' }, `${title}:`), h('pre', { tabindex: '0' }, texts.join('\n'))];
}

function matchItem(match: ExplainedMatch, position: number, wins: boolean): HTMLElement {
  const verdictText = wins ? 'wins' : match.matched ? 'matches too' : 'does not match';
  return h(
    'li',
    { class: wins ? 'wins' : match.matched ? 'holds' : '' },
    h('strong', {}, `${position}. ${ruleName(match)}`),
    ' ',
    h('span', { class: `badge ${wins ? 'good' : ''}` }, verdictText),
    h(
      'ul',
      {},
      ...match.predicates.map(({ expected, actual, matched }) =>
        h(
          'li',
          { class: matched ? 'yes' : 'no' },
          h('span', { class: 'mark' }, matched ? '✓ yes' : '✗ no'),
          h('code', {}, expected),
          h('span', {}, actual === null ? 'absent' : 'is ', actual === null ? null : h('code', {}, actual)),
        ),
      ),
    ),
  );
}
