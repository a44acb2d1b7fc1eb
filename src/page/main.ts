/**
 * The admin page: asks the private endpoint of one sidecar, and shows what it says.
 *
 * Stage before: index.html. `poller.ts` asks, `history.ts` keeps, the views show.
 */
import type { Config } from './answers.ts';
import { byId, byIdOf, setText } from './dom.ts';
import { ExplainView } from './explain-view.ts';
import { FrontendsView } from './frontends-view.ts';
import { GraphView } from './graph-view.ts';
import { History } from './history.ts';
import { OverviewView } from './overview-view.ts';
import { Poller } from './poller.ts';
import { TapView } from './tap-view.ts';

const VIEWS = ['traffic', 'graph', 'tap', 'explain'] as const;

const history = new History();
const overview = new OverviewView(history);
const explain = new ExplainView();
const graph = new GraphView(history);
const tap = new TapView();
const frontends = new FrontendsView(history, (service) => {
  location.hash = '/explain';
  showView();
  explain.choose(service);
});

/** A screen reader hears what changes in here, so it says one thing as long as that is true. */
function showState(state: 'live' | 'lost' | 'paused', text: string): void {
  const element = byId('state');
  element.dataset['state'] = state;
  document.body.dataset['state'] = state;
  setText(element.firstElementChild!, text);
}

/** The view is named behind the `#`, so that it can be linked to. */
function showView(): void {
  const wanted = VIEWS.find((view) => `#/${view}` === location.hash) ?? VIEWS[0];
  for (const view of VIEWS) byId(view).hidden = view !== wanted;
  for (const link of document.querySelectorAll<HTMLElement>('nav a[data-view]')) {
    if (link.dataset['view'] === wanted) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (wanted !== 'tap') tap.leave();
}

function showMetricsLink({ catalog }: History): void {
  const port = catalog.metrics[0]?.replace(/^.*:/, '');
  const link = byIdOf('metrics', HTMLAnchorElement);
  link.hidden = port === undefined;
  if (port === undefined) return;
  link.href = `http://${location.hostname}:${port}/metrics`;
  setText(link, `:${port}/metrics`);
}

function onStats(): void {
  const { draining, version } = history.last!;
  showState('live', draining ? 'Draining' : 'Live');
  document.title = `sideroute ${version}`;
  showMetricsLink(history);
  overview.update();
  frontends.update();
  graph.update();
}

function onConfig(config: Config, again: boolean): void {
  overview.setConfig(config);
  frontends.setConfig(config);
  graph.setConfig(config);
  tap.setConfig(config);
  explain.setConfig(config);
  const validity = config.valid ? 'valid' : 'with errors';
  if (again) setText(byId('announcement'), `Configuration generation ${config.generation} is in force, ${validity}.`);
}

addEventListener('hashchange', () => {
  showView();
  if (history.last !== null) graph.update();
  scrollTo(0, 0);
});
showView();
new Poller(history, {
  onStats,
  onConfig,
  onLost: (message, retryMs) => {
    const element = byId('state');
    element.title = `${message}; tried again in ${Math.round(retryMs / 1_000)} s`;
    showState('lost', 'The sidecar does not answer. Trying again…');
  },
  onPaused: () => showState('paused', 'Paused'),
});
