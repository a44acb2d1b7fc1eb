/**
 * The list of frontends: a line for each with its numbers, its rules when it is open. Only what can be seen is in the document
 * and brought up to date, so that thousands of rules cost little.
 */
import type { Config, ConfigFrontend } from './answers.ts';
import { byId, byIdOf, h, setText } from './dom.ts';
import { formatCount, formatRate, serviceName, targetKey } from './format.ts';
import type { History } from './history.ts';
import { ConfigSearch, type FoundFrontend } from './model.ts';
import { summaryNumbers } from './rate-cells.ts';
import { ruleView, type RuleView } from './rule-view.ts';

const PAGE = 50;
const RULES_PAGE = 25;
/** So few are shown open at first. */
const OPEN_FRONTENDS = 4;
const OPEN_RULES = 20;

export class FrontendsView {
  readonly #history: History;
  readonly #onExplain: (service: string) => void;
  readonly #list = byId('frontends');
  readonly #filter = byIdOf('filter', HTMLInputElement);
  readonly #more = byIdOf('more-frontends', HTMLButtonElement);
  readonly #empty = byId('no-frontends');
  readonly #beside = byId('beside');
  #search: ConfigSearch | null = null;
  #total = 0;
  #limit = PAGE;
  #cards: Card[] = [];
  /** What a person opened or closed, by key. */
  readonly #open = new Map<string, boolean>();
  #openAll = false;
  #filterTimer: number | undefined;

  constructor(history: History, onExplain: (service: string) => void) {
    this.#history = history;
    this.#onExplain = onExplain;
    this.#filter.addEventListener('input', () => {
      clearTimeout(this.#filterTimer);
      this.#filterTimer = setTimeout(() => this.#refilter(), 150);
    });
    this.#more.addEventListener('click', () => {
      const first = this.#cards.length;
      this.#limit += PAGE;
      this.#render();
      this.#cards[first]?.focus();
    });
  }

  setConfig(config: Config): void {
    const rules = config.frontends.reduce((all, frontend) => all + frontend.rules.length, 0);
    this.#search = new ConfigSearch(config);
    this.#total = config.frontends.length;
    this.#openAll = config.frontends.length <= OPEN_FRONTENDS && rules <= OPEN_RULES;
    const services = `${formatCount(this.#total)} ${this.#total === 1 ? 'Service port' : 'Service ports'}`;
    setText(byId('frontends-count'), `${services}, ${formatCount(rules)} ${rules === 1 ? 'rule' : 'rules'}`);
    this.#render();
  }

  /** New numbers in what is shown. */
  update(): void {
    for (const card of this.#cards) card.update();
    const unrouted = this.#history.rates(this.#history.idsOfParent('', '', 0)).perSecond;
    const folded = this.#history.rates(this.#history.idsOfParent('other', 'other', 0)).perSecond;
    const texts = [
      ...(unrouted === 0
        ? []
        : [`${formatRate(unrouted)} requests/s on connections to Services whose routes are gone`]),
      ...(folded === 0 ? [] : [`${formatRate(folded)} requests/s in the series “other”, beyond the limit of series`]),
    ];
    this.#beside.hidden = texts.length === 0;
    setText(this.#beside, `Beside these: ${texts.join('; ')}.`);
  }

  #refilter(): void {
    this.#limit = PAGE;
    this.#render();
  }

  #render(): void {
    if (this.#search === null) return;
    const query = this.#filter.value;
    const found = this.#search.find(query);
    const focused = (document.activeElement?.closest('[data-frontend]') as HTMLElement | null)?.dataset['frontend'];
    this.#cards = found.slice(0, this.#limit).map((entry) => this.#card(entry, found.length === 1));
    this.#list.replaceChildren(...this.#cards.map(({ element }) => element));
    if (focused !== undefined) this.#cards.find(({ key }) => key === focused)?.focus();
    const left = found.length - this.#cards.length;
    this.#more.hidden = left <= 0;
    setText(this.#more, `Show ${Math.min(PAGE, left)} more of ${formatCount(left)} left`);
    this.#empty.hidden = found.length > 0;
    setText(
      this.#empty,
      this.#total === 0
        ? 'No route is attached to any Service: all traffic is tunnelled unread.'
        : `Nothing has “${query}”.`,
    );
  }

  #card(entry: FoundFrontend, only: boolean): Card {
    const { key } = entry.frontend;
    const open = this.#open.get(key) ?? (this.#openAll || only);
    const onToggle = (now: boolean): void => void this.#open.set(key, now);
    return new Card(this.#history, entry, open, onToggle, this.#onExplain);
  }
}

/** What is counted for a frontend when none of its rules matches. */
const NO_RULE = {
  ...{ routeNamespace: '', routeName: '', rule: '' },
  ...{ backendNamespace: '', backendName: '', backendPort: 0 },
};

class Card {
  readonly element: HTMLDetailsElement;
  readonly key: string;
  readonly #history: History;
  readonly #entry: FoundFrontend;
  readonly #summary: HTMLElement;
  readonly #numbers;
  /** What is wrong has to be seen while it is closed. */
  readonly #alarm = h('span', { class: 'badge bad alarm', hidden: '' });
  readonly #body = h('div', { class: 'rules' });
  readonly #more = h('button', { type: 'button', class: 'more' });
  /** Shown when there are requests that no rule wants. */
  readonly #unmatched = h('p', { class: 'note bad', hidden: '' });
  #rules: RuleView[] = [];

  constructor(
    history: History,
    entry: FoundFrontend,
    open: boolean,
    onToggle: (open: boolean) => void,
    onExplain: (service: string) => void,
  ) {
    this.#history = history;
    this.#entry = entry;
    const { frontend } = entry;
    this.key = frontend.key;
    this.#numbers = summaryNumbers(history, () =>
      history.idsOfParent(frontend.namespace, frontend.name, frontend.port),
    );
    this.#summary = h(
      'summary',
      {},
      h('span', { class: 'name' }, h('strong', {}, frontend.key), ...badges(frontend), this.#alarm),
      h('span', { class: 'figures' }, ...(frontend.mode === 'http' ? this.#numbers.elements : [])),
    );
    const explain = h('button', { type: 'button', class: 'link' }, 'Explain a request to it');
    explain.addEventListener('click', () => onExplain(serviceName(frontend)));
    this.#more.addEventListener('click', () => this.#showRules(this.#rules.length + RULES_PAGE));
    this.element = h(
      'details',
      { class: 'card frontend', 'data-frontend': frontend.key },
      this.#summary,
      h('p', { class: 'note' }, noteOf(frontend), ' ', explain),
      this.#body,
      this.#more,
      this.#unmatched,
    );
    this.element.open = open;
    if (open) this.#showRules(RULES_PAGE);
    this.element.addEventListener('toggle', () => {
      onToggle(this.element.open);
      if (this.element.open && this.#rules.length === 0) this.#showRules(RULES_PAGE);
    });
    this.#numbers.update();
  }

  focus(): void {
    this.#summary.focus();
  }

  update(): void {
    this.#numbers.update();
    this.#updateAlarm();
    if (!this.element.open) return;
    for (const rule of this.#rules) rule.update();
    const { namespace, name, port } = this.#entry.frontend;
    const { perSecond } = this.#history.rates(
      this.#history.idsOf({ ...NO_RULE, parentNamespace: namespace, parentName: name, parentPort: port }),
    );
    this.#unmatched.hidden = perSecond === 0;
    setText(this.#unmatched, `No rule matches ${formatRate(perSecond)} requests/s: answered 404 no_route.`);
  }

  #updateAlarm(): void {
    const { frontend } = this.#entry;
    const { errorShare } = this.#history.rates(
      this.#history.idsOfParent(frontend.namespace, frontend.name, frontend.port),
    );
    const without = withoutAddress(frontend);
    const texts = [
      ...(errorShare === 1 ? ['every request fails'] : []),
      ...(without === 0
        ? []
        : [`${formatCount(without)} ${without === 1 ? 'backend' : 'backends'} without an address`]),
    ];
    this.#alarm.hidden = texts.length === 0;
    setText(this.#alarm, texts.join(', '));
  }

  #showRules(limit: number): void {
    const { frontend, rules } = this.#entry;
    for (let index = this.#rules.length; index < Math.min(limit, rules.length); index++) {
      const rule = rules[index]!;
      // Words may have left out some; the position is among all.
      const view = ruleView(this.#history, frontend, rule, frontend.rules.indexOf(rule) + 1);
      view.update();
      this.#rules.push(view);
      this.#body.append(view.element);
    }
    const left = rules.length - this.#rules.length;
    this.#more.hidden = left === 0;
    setText(this.#more, `Show ${Math.min(RULES_PAGE, left)} more rules of ${formatCount(left)} left`);
  }
}

function withoutAddress({ rules }: ConfigFrontend): number {
  const keys = new Set<string>();
  for (const { backends } of rules) {
    for (const backend of backends) {
      if (backend.weight > 0 && ['missing', 'pending', 'refused'].includes(backend.state)) keys.add(targetKey(backend));
    }
  }
  return keys.size;
}

function badges({ mode, routeKind, consumer, unresolved, addresses, rules }: ConfigFrontend): HTMLElement[] {
  return [
    h(
      'span',
      { class: 'badge' },
      mode === 'opaque' ? 'tunnelled' : `${rules.length} ${rules.length === 1 ? 'rule' : 'rules'}`,
    ),
    ...(routeKind === 'HTTPRoute' ? [] : [h('span', { class: 'badge' }, routeKind)]),
    ...(consumer ? [h('span', { class: 'badge' }, 'consumer routes')] : []),
    unresolved === null
      ? h('span', { class: 'addresses' }, addresses.join(', '))
      : h('span', { class: 'badge bad' }, `no address: ${unresolved}`),
  ];
}

function noteOf({ mode, unresolved }: ConfigFrontend): string {
  if (mode === 'opaque')
    return 'Its connections are tunnelled unread: the port is no HTTP, or has routes of another kind.';
  if (unresolved !== null) return 'Without an address its traffic passes unrouted.';
  return 'Rules in order of precedence; the first that holds wins.';
}
