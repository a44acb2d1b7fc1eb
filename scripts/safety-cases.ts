/**
 * The numbered cases of bad input and faults, with the required result of each. `scripts/safety-table.ts` makes
 * docs/safety-cases.md from them; the tests in test/integration/safety have their numbers in the titles.
 */
export interface SafetyCase {
  readonly number: number;
  readonly input: string;
  readonly outcome: string;
}

export interface SafetyChapter {
  readonly heading: string;
  readonly cases: readonly SafetyCase[];
}

const REFUSED = 'refused';
const FORWARDED = 'forwarded';
const BAD_GATEWAY = '502';
const CALM = 'ENHANCE_YOUR_CALM, counted by its kind';
const GOAWAY = 'GOAWAY with its code';
const RESET = 'reset with PROTOCOL_ERROR; the connection goes on';

/** Rows of input and outcome, numbered from `first`. */
function chapter(heading: string, first: number, rows: readonly (readonly [string, string])[]): SafetyChapter {
  return { heading, cases: rows.map(([input, outcome], i) => ({ number: first + i, input, outcome })) };
}

export const SAFETY_CHAPTERS: readonly SafetyChapter[] = [
  chapter('Request line', 1, [
    ['a blank too many, or a TAB, between its parts', REFUSED],
    ['no version, or that of HTTP/0.9', `${REFUSED}; 505 when a version is named`],
    ['HTTP/1.2, HTTP/2.0', '505'],
    ['an empty method, or one that is no token', REFUSED],
    ['`get`, `PURGE`', `${FORWARDED} as it is`],
    ['NUL, a control byte, DEL or `#` in the target', REFUSED],
    ['a byte above 0x7f in the target', `${FORWARDED} as it is`],
    ['an absolute target beside another Host', `${FORWARDED}; its authority routes and becomes Host`],
    ['`OPTIONS *`; `GET *`', `${FORWARDED}; ${REFUSED}`],
    ['CONNECT', `${FORWARDED}; a tunnel only after 2xx`],
    ['one empty line in front; more', `skipped; ${REFUSED}`],
    ['dot segments, double slashes, escapes', `${FORWARDED} as they are; routed by the raw path`],
    ['HTTP/1.0, with and without Host', `${FORWARDED}; never answered in chunks`],
    ['any request, split at any byte', 'the outcome of the unsplit one'],
  ]),
  chapter('Header fields', 15, [
    ['a folded line', REFUSED],
    ['a blank before the colon', REFUSED],
    ['a blank before the first field', REFUSED],
    ['an empty name', REFUSED],
    ['no colon', REFUSED],
    ['a byte in a name that no token has', REFUSED],
    ['NUL, CR or another control byte in a value', REFUSED],
    ['lines that end in LF alone', REFUSED],
    ['CR CR LF', REFUSED],
    ['no Host in HTTP/1.1', REFUSED],
    ['two Hosts, equal or not', REFUSED],
    ['a Host that is no host and port', REFUSED],
    ['an empty Host', `${FORWARDED} and routed without a name`],
    ['`X_Y`', `${FORWARDED}; never taken for X-Y`],
    ['`Content_Length: 5`', `${FORWARDED}; frames nothing`],
    ['bytes above 0x7f at the edges of a value', `${FORWARDED} as they are`],
    ['repeated fields', `${FORWARDED} in their order`],
    ['a Connection that names Content-Length, Host or Transfer-Encoding', REFUSED],
    ['hop-by-hop fields, and those named by Connection', 'removed'],
  ]),
  chapter('Framing', 34, [
    ['Content-Length beside Transfer-Encoding', REFUSED],
    ['two Content-Lengths that differ', REFUSED],
    ['the same Content-Length twice', REFUSED],
    ['a Content-Length that is more than digits', REFUSED],
    ['a Content-Length that overflows', REFUSED],
    ['a Transfer-Encoding that is not plainly `chunked`', REFUSED],
    ['an empty Transfer-Encoding, or `chunked` twice', REFUSED],
    ['`Transfer-Encoding: Chunked`', FORWARDED],
    ['`gzip, chunked`', '501'],
    ['Transfer-Encoding in HTTP/1.0', REFUSED],
    ['GET, HEAD or OPTIONS with a body', `${FORWARDED} with exactly that body`],
    ['POST without a length', 'an empty body'],
    ['a response before the body has ended', 'relayed; both connections close'],
    ['sixteen requests in one go', 'answered in order'],
    ['garbage behind a complete body', 'the answer, then a refusal'],
  ]),
  chapter('Chunked bodies', 49, [
    ['a size that is more than hexadecimal digits', REFUSED],
    ['a size of more than sixteen digits, or from 2^63', REFUSED],
    ['`0005`, `a`, `A`', FORWARDED],
    ['extensions', `${FORWARDED} without them`],
    ['LF, CR or NUL in an extension', REFUSED],
    ['more than 4 KiB of extensions of one chunk', REFUSED],
    ['a line that ends in LF alone', REFUSED],
    ['data not followed by CRLF', REFUSED],
    ['a request where the trailers belong', `${REFUSED}; never seen as a request`],
    ['trailers', `${FORWARDED} as trailers`],
    ['trailers that frame or route', 'dropped'],
    ['a malformed trailer', REFUSED],
    ['the end of the connection within a body', 'the backend sees that it is cut short'],
    ['a million chunks of one byte', `${FORWARDED} in bounded memory`],
  ]),
  chapter('Limits and slow peers', 63, [
    ['a request line over 8 KiB', '414'],
    ['a head over the limit', '431'],
    ['too many fields', '431'],
    ['a Range of 5,000 parts', FORWARDED],
    ['a client that stays silent', 'passed through: the server speaks first'],
    ['a head that is dribbled', '408 at the deadline'],
    ['a body of a byte now and then', `${FORWARDED} until it stands still for the stall limit`],
    ['a reader that stands still', 'the backend is held back; bounded memory'],
  ]),
  chapter('Upgrade and Expect', 71, [
    ['WebSocket, answered with 101', 'a tunnel; bytes behind the head are exact'],
    ['an upgrade answered with 200', 'HTTP goes on; what follows is a request'],
    ['bytes sent before 101', 'held until it comes'],
    ['`Upgrade: h2c`', `${FORWARDED} without Upgrade and HTTP2-Settings`],
    ['`Expect: 100-continue`', "the backend's 100, 417 or final response; the body waits for it"],
    ['Expect with the body right behind', `${FORWARDED}, in step`],
  ]),
  chapter('HTTP/2 preface and other protocols', 77, [
    ['the preface, split anywhere', 'HTTP/2'],
    ['a preface that goes wrong at its twentieth byte', '505'],
    ['TLS, SSH, databases', 'passed through to the byte'],
  ]),
  chapter('Responses of a backend', 80, [
    ['Content-Length beside Transfer-Encoding', BAD_GATEWAY],
    ['a malformed Content-Length, or two that differ', BAD_GATEWAY],
    ['a Transfer-Encoding that is not plainly `chunked`', BAD_GATEWAY],
    ['a malformed status line, or another version', BAD_GATEWAY],
    ['a malformed field', BAD_GATEWAY],
    ['a head over the limit', BAD_GATEWAY],
    ['1xx responses; more than sixteen', `relayed; ${BAD_GATEWAY}`],
    ['101 that nobody asked for', BAD_GATEWAY],
    ['a body that ends with its connection', 'becomes chunked; closes for HTTP/1.0'],
    ['a body cut short', 'cut short for the client, visibly'],
    ['bytes beyond the end', 'dropped; the connection is not used again'],
    ['bytes on an idle connection', 'the connection is given up'],
    ['a body on HEAD, 204 or 304', 'dropped; the connection is not used again'],
    ['a malformed chunk within the body', 'cut short for the client, visibly'],
    ['another protocol', BAD_GATEWAY],
  ]),
  chapter('Failures of a backend', 95, [
    ['its end without a byte of response', `sent once more on a reused connection if idempotent, else ${BAD_GATEWAY}`],
    ['its end within a head', BAD_GATEWAY],
    ['no endpoint, or none that accepts', '503; while one of several accepts, dialled again until it is met'],
    ['no answer in time', '504'],
  ]),
  chapter('Found with corpora and real backends', 99, [
    [
      'CONNECT with a body; an answer to CONNECT that opens no tunnel',
      `${REFUSED}; relayed, and the upstream connection is not used again`,
    ],
    [
      'framing in an unusual form, in either direction: `0005`, TABs, capitals, a length repeated by a backend',
      'one line, of `Transfer-Encoding: chunked` or the shortest Content-Length, in the place of the first',
    ],
    ['a response whose Connection names Transfer-Encoding, Content-Length or Host', 'relayed with these fields'],
    [
      'Transfer-Encoding or Content-Length in 1xx, 204 and answers that open a tunnel, Transfer-Encoding in 304',
      'taken out; if it announced a body, the connection is not used again',
    ],
    ['blanks before a colon, in the head or the trailers of a response', 'taken out'],
    ['a status line without the space behind the code', 'relayed with it'],
    [
      'CONNECT whose target and Host differ',
      `${REFUSED}; they may differ in the case of letters, and a Host without a port stands for 80 and 443`,
    ],
    ['extensions of all chunks of a body: as much as its data so far or 16 KiB; more', `dropped; ${REFUSED}`],
    ['blanks before the `;` of an extension; an empty or malformed one (`5;`, `5;a="`)', `dropped; ${REFUSED}`],
    [
      'FIN behind a whole request; a reset',
      'passed on as a half-close, the response is delivered, no retry and no wait for a connection begins; the exchange ends, ' +
        'its place is free, the backend sees a reset',
    ],
    ['an absolute target with user information, empty or not', REFUSED],
  ]),
  chapter('HTTP/2: floods of an application', 110, [
    ['streams that are opened and reset at once (CVE-2023-44487)', CALM],
    [
      'frames for which the server has to reset streams (CVE-2025-8671), malformed requests, names without a letter',
      CALM,
    ],
    ['more streams than were allowed; without end', `REFUSED_STREAM; ${CALM}`],
    ['a header block that does not end, in CONTINUATION with something in it or nothing (CVE-2024-27316)', CALM],
    ['a header block that unpacks to far more than it is', CALM],
    ['SETTINGS, empty, full, of tables of every other size; answers to none of ours (CVE-2019-9515)', CALM],
    ['PING, and answers to none of ours (CVE-2019-9512)', CALM],
    ['DATA without data (CVE-2019-9518)', CALM],
    ['PRIORITY (CVE-2019-9513), GOAWAY, frames that nobody knows', CALM],
    ['windows that open by one byte (CVE-2019-9511)', CALM],
    ['heads for streams that were reset', CALM],
    ['requests of somebody who reads no answers (CVE-2019-9517)', `${CALM}, with a bounded backlog`],
  ]),
  chapter('HTTP/2: faults of an application', 122, [
    ['windows beyond their bounds, of nothing, of streams that nobody has opened', GOAWAY],
    ['a table of HPACK that is larger than allowed, or named wrongly', GOAWAY],
    ['frames where they may not stand, or of sizes that they may not have', GOAWAY],
    ['pseudo-headers that are missing, empty, repeated, unknown or out of place', RESET],
    ['line ends, NUL and blanks in names, values, method, path and authority', RESET],
    ['fields that concern one connection, Transfer-Encoding and Upgrade among them', RESET],
    ['a Content-Length that is none, comes twice, or announces what does not come', RESET],
    ['a Host that differs from the authority; what is no authority or no path', RESET],
    [
      'a body that is longer or shorter than announced; malformed trailers; also when the request is under way',
      'reset, and `bad_request`; the backend sees that it is cut short',
    ],
    ['trailers that frame or route', 'dropped'],
    ['a head over a limit', '414 or 431; the connection goes on'],
    ['priorities, unknown frames, unknown settings', 'ignored'],
    ['frames for streams that are over', 'STREAM_CLOSED; the connection goes on'],
    ['more data than the window of its stream; than that of its connection', 'FLOW_CONTROL_ERROR of either'],
    [
      'a preface, a header block, a body, a reader that stand still',
      '`request_timeout`, `timeout` or `downstream_reset` when their time is over',
    ],
    ['a window that never opens, with many responses pending', 'a bounded part of each is held; others are served'],
  ]),
  chapter('HTTP/2: backends', 138, [
    ['floods of every kind', `${BAD_GATEWAY} for its requests; ${CALM}`],
    ['GOAWAY on every connection; over and over on one', `${BAD_GATEWAY} after a few; what it serves is served`],
    ['REFUSED_STREAM, or another reset, for every stream', `${BAD_GATEWAY} after five tries, or one`],
    ['SETTINGS that shrink windows in the middle of a body', 'no byte beyond them'],
    ['no stream allowed', `${BAD_GATEWAY} after a few dials`],
    ['a push, a stream that nobody began, HTTP/1.1', `${BAD_GATEWAY}; GOAWAY`],
    ['interim responses without end', BAD_GATEWAY],
    [
      'a response that would be two in HTTP/1.1; malformed ones; data before a head',
      `${BAD_GATEWAY}; nothing of it is passed on`,
    ],
    [
      'one that vanishes without a word; one that is slow',
      `a PING, then ${BAD_GATEWAY}; not asked again for five minutes`,
    ],
    ['an extended CONNECT to one that does not announce it', `${BAD_GATEWAY}; it is not sent`],
  ]),
];
