/**
 * Every code a problem in a route file can have, with one line for the runbook.
 *
 * Used by every file of this folder; shown by `check`, logs and the admin endpoint. Codes are stable: programs compare
 * them, so a code is never renamed, only retired.
 */

export const PROBLEM_CODES = {
  // About the whole file: its last good content stays in use.
  'too-large': 'The file has more bytes, tokens or documents than the limit.',
  'binary-content': 'The file has NUL or other control characters: it is not text, or not UTF-8.',
  'invalid-utf8': 'The file has bytes that are not UTF-8.',
  'syntax-error': 'The file is neither YAML nor JSON.',
  'tab-indentation': 'YAML indentation has a tab; only spaces are allowed.',
  'too-deep': 'Lists and mappings are nested deeper than any route is.',
  'not-a-resource': 'A document is not a mapping with apiVersion, kind, metadata and spec.',

  // YAML features that would silently change the meaning.
  'duplicate-key': 'A key stands twice in one mapping; the first value would be lost.',
  'non-string-key': 'A key is not text.',
  'bad-merge': 'A merge key `<<` does not name a mapping or a list of mappings.',
  'unknown-anchor': 'An alias `*name` names an anchor that is not defined before it.',
  'alias-expansion': 'Aliases expand to more content than the limit.',
  'unknown-tag': 'A value has a YAML tag that a Kubernetes object cannot have.',

  // About the kind and identity of the document.
  'unsupported-kind': 'A kind that sideroute does not read; the document is ignored.',
  'unknown-kind': 'A kind that looks like a misspelling of one that sideroute reads.',
  'unsupported-version': 'An apiVersion of the kind that sideroute does not read.',
  'not-carried-yet': 'Valid Gateway API that this version of sideroute does not carry; it has no effect.',
  'nested-list': 'A List within a List.',
  'assumed-group': 'A reference to a Service whose group an API server would take for another one.',
  'assumed-namespace': 'Documents that name no namespace: they belong to that of the pod.',

  // About the shape.
  'missing-field': 'A required field is absent.',
  'unknown-field': 'A field that the API does not have here; usually a misspelling or wrong indentation.',
  'empty-field': 'A field without a value; it counts as absent.',
  'wrong-type': 'A value of another type than the field has.',
  'unquoted-string': 'A number, true, false or null where text is expected; quote it.',
  'ambiguous-string': 'Unquoted yes, no, on or off: text here, a boolean to kubectl; quote it.',
  'quoted-number': 'A quoted number or boolean where a plain one is expected; remove the quotes.',
  'out-of-range': 'A number below or above the allowed range.',
  'too-long': 'Text longer than the limit of the field.',
  'empty-value': 'Empty text where at least one character is needed.',
  'too-few-items': 'A list with fewer entries than the field needs.',
  'too-many-items': 'A list with more entries than the field allows.',
  'unsupported-value': 'A value that the enumeration of the field does not have.',

  // About single values.
  'bad-name': 'Not a valid name of a Kubernetes object, namespace, port, group or kind.',
  'bad-timestamp': 'Not an RFC 3339 timestamp.',
  'bad-path': 'Not a path that a request can have, or one that the API forbids.',
  'bad-grpc-name': 'Not a name that a service or a method of gRPC can have.',
  'bad-header-name': 'Not a valid HTTP field name or query parameter name.',
  'bad-header-value': 'Not a valid HTTP field value.',
  'bad-hostname': 'Not a valid host name.',
  'bad-origin': 'Not a CORS origin.',
  'bad-duration': 'Not a Gateway API duration.',
  'bad-regex': 'A regular expression that does not compile, or whose program is too large.',
  'unportable-regex': 'A regular expression that works here and is outside what GEP-4359 calls portable.',
  'bad-address': 'Not an IP address that a Service can have.',

  'never-matches': 'A value that no request can have; what it is part of never applies.',
  'undecoded-value': 'A query value with characters that most clients encode; it is compared as it travels.',

  // About relations between fields.
  'duplicate-name': 'A name stands twice in one list; if its two spellings differ by case, the first counts.',
  'duplicate-value': 'A value stands twice in a list that is a set.',
  'duplicate-parent': 'Two parentRefs name the same parent without telling themselves apart.',
  'no-parent': 'The route names no parent, so it serves nothing.',
  'too-many-matches': 'The rules of a route have more matches in total than the limit.',
  'filter-mismatch': 'The settings of a filter or path modifier do not belong to its type.',
  'duplicate-filter': 'A filter that may stand once stands twice.',
  'incompatible-filters': 'Filters, or a filter and backendRefs, that exclude each other.',
  'prefix-match-needed': 'ReplacePrefixMatch in a rule without exactly one PathPrefix match.',
  'duplicate-action': 'One header is subject to more than one of set, add and remove.',
  'reserved-header': 'A header that frames the message or the connection; the proxy manages it.',
  'timeout-order': 'The backendRequest timeout is longer than the request timeout.',
  'conflicting-fields': 'Two fields that exclude or contradict each other.',
  'wildcard-not-alone': 'The wildcard "*" stands beside other entries.',
} as const satisfies Readonly<Record<string, string>>;

export type ProblemCode = keyof typeof PROBLEM_CODES;
