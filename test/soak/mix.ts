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

/** Of which each request asks that its connection of HTTP/2 be cut, with all that is on it. */
export const CUTTING = ['cut'];
/** Of the GRPCRoute. */
const CALLS = '10.96.0.17:80';

export interface Share extends Ingredient {
  /** So many of its requests come to those of the others; of long ones, so many at a time. */
  readonly weight: number;
}

function ingredient(weight: number, ...made: Parameters<typeof makeIngredient>): Share {
  return { weight, ...makeIngredient(...made) };
}

const calm = { backends: CALM };
const closing = { backends: CLOSING };
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

const http2 = { version: 'http2' } as const;
const call = { ...http2, call: true, method: 'POST', target: CALLS, bodyBytes: 200 } as const;
const unary = { ...call, target: WEB };
/** Onward by the other version than the client's. */
const onward = (http2: boolean, backends = CALM): Partial<Ingredient['rule']> & { backends: string[] } => ({
  backends,
  http2,
});
/** A stream, or the connection that it is on, which others are on as well. */
const STREAM_CUT = /^(refused (200|502) upstream_reset|truncated 200)$/;
/** Node ends the body of a stream before it resets it, so that it is shorter than its length says. */
const STREAM_ENDED = /^(refused (200|502) upstream_(reset|protocol)|truncated 200)$/;

/** The same by HTTP/2: what goes wrong is the stream. */
function plantedStream(fault: string, allows: RegExp, fields: Partial<Kind> = {}): Share {
  const name = `h2-${fields.call === true ? 'call-' : ''}${fault}`;
  const backends = fault.startsWith('cut') ? CUTTING : PLANTED;
  return ingredient(
    1,
    name,
    { ...http2, path: `/${fault.startsWith('cut') ? 'cut' : 'planted'}/${fault}`, plan: `fault=${fault}`, ...fields },
    { backends, planted: { fault: `asked for: ${name}`, allows } },
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

  // By HTTP/2, many at a time on each of a few connections, to backends that speak what the client does.
  ingredient(30, 'h2-small', { ...http2, path: '/calm/small', plan: 'size=200' }, calm),
  ingredient(2, 'h2-fresh', { ...http2, style: 'fresh', path: '/calm/fresh' }, calm),
  ingredient(4, 'h2-v6', { ...http2, target: WEB_V6, path: '/calm/v6' }, calm),
  ingredient(8, 'h2-generation', { ...http2, path: '/generation' }, { backends: GENERATIONS }),
  ingredient(1, 'h2-large', { ...http2, path: '/calm/large', plan: 'size=524288' }, calm),
  ingredient(1, 'h2-large-post', { ...http2, ...post, bodyBytes: 524_288 }, calm),
  ingredient(2, 'h2-slow', { ...http2, path: '/calm/slow', plan: 'size=20000,over=1500' }, calm),
  ingredient(1, 'h2-slow-read', { ...http2, style: 'slow-read', path: '/calm/reader', plan: 'size=1048576' }, calm),
  ingredient(2, 'h2-head', { ...http2, method: 'HEAD', path: '/calm/head' }, calm),
  ingredient(5, 'h2-post', { ...http2, ...post, bodyBytes: 2_000 }, calm),
  ingredient(1, 'h2-post-slow', { ...http2, ...post, style: 'slow-send', bodyBytes: 4_000 }, calm),
  ingredient(
    4,
    'h2-aborted',
    { ...http2, style: 'abort', path: '/calm/aborted', plan: 'delay=30,size=500000' },
    { ...calm, expected: /^(left|answered 200|left 200)$/ },
  ),
  ingredient(
    2,
    'h2-post-aborted',
    { ...http2, ...post, style: 'abort', bodyBytes: 60_000, plan: 'delay=30' },
    { ...calm, expected: /^(left|answered 200|left 200)$/ },
  ),
  ingredient(2, 'h2-mirrored', { ...http2, path: '/mirrored' }, calm),
  ingredient(2, 'h2-post-mirrored', { ...http2, method: 'POST', path: '/mirrored', bodyBytes: 5_000 }, calm),
  ingredient(2, 'h2-retried', { ...http2, path: '/retried', plan: 'busy=1' }, calm),
  ingredient(
    1,
    'h2-redirected',
    { ...http2, path: '/redirected' },
    { backends: [], expected: /^refused 302 redirect$/ },
  ),
  ingredient(1, 'h2-unmatched', { ...http2, path: '/nowhere' }, { backends: [], expected: /^refused 404 no_route$/ }),
  ingredient(6, 'h2-rough', { ...http2, path: '/rough', plan: 'delay=60' }, { backends: ROUGH }),
  ingredient(3, 'h2-rough-slow', { ...http2, path: '/rough/slow', plan: 'size=30000,over=600' }, { backends: ROUGH }),
  ingredient(
    4,
    'h2-rough-post',
    { ...http2, method: 'POST', path: '/rough/post', bodyBytes: 1_000 },
    { backends: ROUGH },
  ),
  ingredient(2, 'h2-moving', { ...http2, path: '/moving', plan: 'close=1' }, { backends: MOVING }),

  // Calls of gRPC, by the GRPCRoute and by the HTTPRoute.
  ingredient(15, 'call', { ...call, path: '/soak.Calm/Get' }, calm),
  ingredient(5, 'call-generation', { ...call, path: '/soak.Generation/Get' }, { backends: GENERATIONS }),
  ingredient(
    6,
    'call-rough',
    { ...call, path: '/soak.Rough/Get', plan: 'delay=30', deadline: '8S' },
    { backends: ROUGH },
  ),
  ingredient(1, 'call-large', { ...call, path: '/soak.Calm/Large', plan: 'size=300000', bodyBytes: 300_000 }, calm),
  ingredient(
    1,
    'call-unmatched',
    { ...call, path: '/soak.Nobody/Get' },
    { backends: [], expected: /^refused 200 no_route$/ },
  ),
  ingredient(5, 'call-http-route', { ...unary, path: '/calm/call' }, calm),
  ingredient(
    3,
    'call-aborted',
    { ...call, style: 'abort', path: '/soak.Calm/Slow', plan: 'delay=40' },
    { ...calm, expected: /^(left|answered 200|left 200)$/ },
  ),

  // From one version to the other.
  ingredient(6, 'h2-to-h1', { ...http2, path: '/calm-h1/get' }, onward(false)),
  ingredient(3, 'h2-to-h1-post', { ...http2, method: 'POST', path: '/calm-h1/post', bodyBytes: 30_000 }, onward(false)),
  ingredient(1, 'h2-to-h1-large', { ...http2, path: '/calm-h1/large', plan: 'size=524288,chunked=1' }, onward(false)),
  ingredient(2, 'h2-to-h1-call', { ...unary, path: '/calm-h1/call' }, onward(false)),
  ingredient(3, 'h2-to-h1-rough', { ...http2, path: '/rough-h1', plan: 'delay=30' }, onward(false, ROUGH)),
  ingredient(6, 'h1-to-h2', { path: '/calm-h2/get' }, onward(true)),
  ingredient(3, 'h1-to-h2-post', { method: 'POST', path: '/calm-h2/post', bodyBytes: 30_000 }, onward(true)),
  ingredient(
    1,
    'h1-to-h2-chunks',
    { method: 'POST', path: '/calm-h2/chunks', chunked: true, bodyBytes: 100_000, plan: 'size=300000,chunked=1' },
    onward(true),
  ),
  ingredient(
    1,
    'h1-to-h2-aborted',
    { style: 'abort', path: '/calm-h2/aborted', plan: 'delay=30,size=500000' },
    { ...onward(true), expected: /^(left|answered 200|left 200)$/ },
  ),
  ingredient(3, 'h1-to-h2-rough', { path: '/rough-h2', plan: 'delay=30' }, onward(true, ROUGH)),

  // What has not begun is begun elsewhere, whatever its method, and nobody notices.
  ingredient(2, 'h2-refused', { ...http2, ...post, bodyBytes: 500, plan: 'refused=1' }, calm),
  // With a backend of their own: what is longer than sideroute keeps cannot be sent again.
  ingredient(2, 'h2-goaway', { ...http2, ...post, path: '/closing', bodyBytes: 500, plan: 'close=1' }, closing),
  ingredient(1, 'call-refused', { ...call, path: '/soak.Calm/Get', plan: 'refused=1' }, calm),
  ingredient(2, 'call-goaway', { ...unary, path: '/closing', plan: 'close=1' }, closing),
  plantedStream('reset-before', STREAM_CUT),
  plantedStream('reset-before', STREAM_CUT, unary),
  plantedStream('reset-body', STREAM_ENDED),
  plantedStream('reset-body', STREAM_ENDED, unary),
  plantedStream('short-body', STREAM_ENDED),
  plantedStream('hang', /^refused 504 timeout$/, { path: '/timed/hang' }),
  plantedStream('hang', /^refused 200 timeout$/, { ...unary, path: '/timed/hang' }),
  plantedStream('stall', /^(truncated 200|refused 504 timeout)$/, { path: '/timed/stall' }),
  plantedStream('cut', STREAM_CUT),
  plantedStream('cut', STREAM_CUT, unary),
  plantedStream('cut-body', STREAM_CUT),
];

const talk = { style: 'long', method: 'POST', path: '/calm/talk', plan: 'talk=1', chunked: true } as const;
const talkCall = { ...call, ...talk, path: '/soak.Calm/Talk' };

/** Under way from the beginning to the end, a message each second both ways. */
export const LONG: readonly Share[] = [
  ingredient(6, 'long-call', talkCall, calm),
  ingredient(4, 'long-h2', { ...http2, ...talk }, calm),
  ingredient(2, 'long-h1', talk, calm),
  ingredient(3, 'long-h2-to-h1', { ...http2, ...talk, path: '/calm-h1/talk' }, onward(false)),
  ingredient(3, 'long-h1-to-h2', { ...talk, path: '/calm-h2/talk' }, onward(true)),
  ingredient(6, 'long-rough', { ...talkCall, path: '/soak.Rough/Talk' }, { backends: ROUGH }),
];
