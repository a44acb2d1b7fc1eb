/** The traffic of the soak: kinds of requests, how many of each, and what each has to come to. */
import { ingredient as makeIngredient, type Ingredient } from '../support/faults/ingredient.ts';
import type { Kind } from '../support/faults/kinds.ts';

/** Where requests go unless their kind says otherwise. */
export const WEB = '10.96.0.10:80';
export const WEB_V6 = '[fd00:96::10]:80';
export const PLAIN = '10.96.0.20:2525';

/** Backends, as they name themselves in their answers. */
export const CALM = ['calm'];
export const GENERATIONS = ['calm', 'calm2'];
/** Endpoints of one Service, which faults happen to. */
export const ROUGH = ['r1', 'r2', 'r3'];
/** Of which each request asks for a fault. */
export const PLANTED = ['planted'];
/** The same for connections that end behind the response: what they cost is not to be mixed with the costs of others. */
export const CLOSING = ['closing'];
/** Behind a Service that is made anew with other addresses. */
export const MOVING = ['moving'];
/** The same, but a document keeps its first address. */
export const PINNED = ['pinned'];
export const MIRROR = 'mirror';

interface Share extends Ingredient {
  /** So many of its requests come to those of the others. */
  readonly weight: number;
}

function ingredient(weight: number, ...made: Parameters<typeof makeIngredient>): Share {
  return { weight, ...makeIngredient(...made) };
}

const calm = { backends: CALM };
const post = { method: 'POST', path: '/calm/post' };

/** A request whose backend breaks off, hangs or says nonsense. */
function planted(fault: string, allows: RegExp, fields: Partial<Kind> = {}): Share {
  const name = `${fields.method === 'POST' ? 'post-' : ''}${fault}`;
  return ingredient(
    1,
    name,
    { path: `/planted/${fault}`, plan: `fault=${fault}`, ...fields },
    { backends: fault === 'close-after' ? CLOSING : PLANTED, planted: { fault: `asked for: ${fault}`, allows } },
  );
}

const BROKEN_OFF = /^refused 502 upstream_reset$/;
const CUT = /^truncated 200$/;
/** With nothing but the expected answer. */
const NOTHING = /^$/;

export const MIX: readonly Share[] = [
  ingredient(60, 'small', { path: '/calm/small', plan: 'size=200' }, calm),
  ingredient(8, 'fresh', { style: 'fresh', path: '/calm/fresh' }, calm),
  ingredient(8, 'v6', { target: WEB_V6, path: '/calm/v6' }, calm),
  ingredient(20, 'generation', { path: '/generation' }, { backends: GENERATIONS }),
  ingredient(2, 'large', { path: '/calm/large', plan: 'size=1048576' }, calm),
  ingredient(3, 'chunks', { path: '/calm/chunks', plan: 'size=50000,chunked=1' }, calm),
  ingredient(3, 'slow', { path: '/calm/slow', plan: 'size=20000,over=1500' }, calm),
  ingredient(3, 'late', { path: '/calm/late', plan: 'delay=800' }, calm),
  ingredient(1, 'slow-read', { style: 'slow-read', path: '/calm/reader', plan: 'size=2097152' }, calm),
  ingredient(4, 'pipelined', { style: 'pipelined', path: '/calm/pipelined' }, calm),
  ingredient(3, 'half-closed', { style: 'half-close', path: '/calm/half', plan: 'delay=20' }, calm),
  ingredient(3, 'http10', { style: 'http10', path: '/calm/http10' }, calm),
  ingredient(3, 'head', { method: 'HEAD', path: '/calm/head' }, calm),
  ingredient(15, 'post', { ...post, bodyBytes: 2_000 }, calm),
  ingredient(5, 'post-chunked', { ...post, bodyBytes: 100_000, chunked: true }, calm),
  ingredient(2, 'post-slow', { ...post, style: 'slow-send', bodyBytes: 4_000 }, calm),
  ingredient(2, 'post-expect', { ...post, style: 'expect', bodyBytes: 3_000 }, calm),
  ingredient(
    4,
    'aborted',
    { style: 'abort', path: '/calm/aborted', plan: 'delay=30,size=500000' },
    { ...calm, expected: /^(left|answered 200|left 200)$/ },
  ),
  ingredient(
    2,
    'post-aborted',
    { ...post, style: 'abort', bodyBytes: 60_000, plan: 'delay=30' },
    { ...calm, expected: /^(left|answered 200|left 200)$/ },
  ),
  ingredient(2, 'upgraded', { style: 'upgrade', path: '/calm/upgrade' }, { ...calm, expected: /^answered 101$/ }),
  ingredient(1, 'connected', { style: 'connect', method: 'CONNECT', path: 'web:80', host: 'web:80' }, calm),
  ingredient(4, 'plain', { style: 'plain', target: PLAIN }, { backends: [], plain: true, expected: /^answered$/ }),
  ingredient(5, 'mirrored', { path: '/mirrored' }, calm),
  ingredient(3, 'post-mirrored', { method: 'POST', path: '/mirrored', bodyBytes: 5_000 }, calm),
  ingredient(4, 'retried', { path: '/retried', plan: 'busy=1' }, calm),
  ingredient(2, 'redirected', { path: '/redirected' }, { backends: [], expected: /^refused 302 redirect$/ }),
  ingredient(1, 'unmatched', { path: '/nowhere' }, { backends: [], expected: /^refused 404 no_route$/ }),

  // Long enough that several are under way at a time, on connections to several endpoints.
  ingredient(13, 'rough', { path: '/rough', plan: 'delay=60' }, { backends: ROUGH }),
  ingredient(13, 'rough-dialled', { path: '/rough/dialled', plan: 'close=1' }, { backends: ROUGH }),
  ingredient(6, 'rough-fresh', { style: 'fresh', path: '/rough/fresh' }, { backends: ROUGH }),
  ingredient(4, 'rough-retried', { path: '/rough-retried' }, { backends: ROUGH }),
  ingredient(3, 'rough-slow', { path: '/rough/slow', plan: 'size=30000,over=600' }, { backends: ROUGH }),
  ingredient(7, 'rough-post', { method: 'POST', path: '/rough/post', bodyBytes: 1_000 }, { backends: ROUGH }),
  ingredient(
    7,
    'rough-post-dialled',
    { method: 'POST', path: '/rough/post', bodyBytes: 1_000, plan: 'close=1' },
    { backends: ROUGH },
  ),
  ingredient(4, 'moving', { path: '/moving' }, { backends: MOVING }),
  ingredient(4, 'moving-dialled', { path: '/moving', plan: 'close=1' }, { backends: MOVING }),
  ingredient(3, 'pinned', { path: '/pinned', plan: 'close=1' }, { backends: PINNED }),
  ingredient(3, 'moving-post', { method: 'POST', path: '/moving', bodyBytes: 500 }, { backends: MOVING }),

  planted('reset-before', BROKEN_OFF),
  planted('fin-before', BROKEN_OFF),
  planted('reset-head', BROKEN_OFF),
  planted('fin-head', BROKEN_OFF),
  planted('reset-body', CUT),
  planted('fin-body', CUT),
  planted('reset-chunks', CUT),
  planted('bad-chunk', CUT),
  planted('hang', /^refused 504 timeout$/, { path: '/timed/hang' }),
  planted('stall', /^(truncated 200|refused 504 timeout)$/, { path: '/timed/stall' }),
  planted('garbage', /^refused 502 upstream_protocol$/),
  planted('half-close', NOTHING),
  planted('close-after', NOTHING, { path: '/closing' }),
  planted('reset-before', BROKEN_OFF, { method: 'POST', bodyBytes: 300 }),
  planted('fin-before', BROKEN_OFF, { method: 'POST', bodyBytes: 300 }),
  planted('reset-head', BROKEN_OFF, { method: 'POST', bodyBytes: 300 }),
  planted('hang', /^refused 504 timeout$/, { path: '/timed/hang', method: 'POST', bodyBytes: 300 }),
  planted('close-after', BROKEN_OFF, { path: '/closing', method: 'POST', bodyBytes: 300 }),
  planted('early', NOTHING, { method: 'POST', bodyBytes: 200_000 }),
];
