/**
 * The official conformance tests of Gateway API v1.7.0 for HTTPRoute and GRPCRoute, in a mesh and behind a Gateway, and
 * their results here. `scripts/conformance-table.ts` makes docs/conformance.md from them.
 */
export type ConformanceOutcome =
  | { readonly kind: 'passes' }
  /** What happens instead. There is a case that shows it. */
  | { readonly kind: 'not supported'; readonly what: string }
  /** Why the test means nothing for a route whose parent is a Service. */
  | { readonly kind: 'not applicable'; readonly why: string };

export interface OfficialTest {
  readonly name: string;
  /** Of the suite, beyond what every test of the profile needs; `core` when nothing is. */
  readonly feature: string;
  readonly outcome: ConformanceOutcome;
}

/** The tests that the suite itself runs against a mesh: test/cluster/conformance.test.ts. */
export function isMeshTest(name: string): boolean {
  return name.startsWith('Mesh');
}

export interface ConformanceProfile {
  readonly heading: string;
  readonly tests: readonly OfficialTest[];
}

const CORE = 'core';

function passes(name: string, feature = CORE): OfficialTest {
  return { name, feature, outcome: { kind: 'passes' } };
}

function unsupported(name: string, feature: string, what: string): OfficialTest {
  return { name, feature, outcome: { kind: 'not supported', what } };
}

function inapplicable(name: string, feature: string, why: string): OfficialTest {
  return { name, feature, outcome: { kind: 'not applicable', why } };
}

const GRANTS = 'a mesh needs no ReferenceGrant (A11)';
const HOSTNAMES = 'hostnames have no meaning for a Service (A10)';
const LISTENERS = 'a Service has no listeners';
const HTTPS = 'connections that are TLS are tunnelled unread (A13)';

export const CONFORMANCE_PROFILES: readonly ConformanceProfile[] = [
  {
    heading: 'Mesh',
    tests: [
      passes('MeshBasic'),
      passes('MeshTrafficSplit'),
      passes('MeshHTTPRouteSimpleSameNamespace'),
      passes('MeshHTTPRouteMatching'),
      passes('MeshHTTPRouteWeight'),
      passes('MeshHTTPRouteRequestHeaderModifier'),
      passes('MeshHTTPRouteRedirectHostAndStatus'),
      passes('MeshHTTPRouteBackendRequestHeaderModifier', 'MeshHTTPRouteBackendRequestHeaderModification'),
      passes('MeshHTTPRouteQueryParamMatching', 'MeshHTTPRouteQueryParamMatching'),
      passes('MeshHTTPRouteRedirectPath', 'MeshHTTPRouteRedirectPath'),
      passes('MeshHTTPRouteRedirectPort', 'MeshHTTPRouteRedirectPort'),
      passes('MeshHTTPRouteSchemeRedirect', 'MeshHTTPRouteSchemeRedirect'),
      passes('MeshHTTPRouteRewritePath', 'MeshHTTPRouteRewritePath'),
      passes('MeshHTTPRouteNamedRule', 'MeshHTTPRouteNamedRouteRule'),
      passes('MeshFrontend', 'HTTPRouteResponseHeaderModification'),
      passes('MeshFrontendHostname', 'MeshClusterIPMatching, HTTPRouteResponseHeaderModification'),
      passes('MeshPorts', 'HTTPRouteParentRefPort, HTTPRouteResponseHeaderModification'),
      passes('MeshConsumerRoute', 'MeshConsumerRoute, HTTPRouteResponseHeaderModification'),
      passes('MeshHTTPRoute303Redirect', 'HTTPRoute303RedirectStatusCode'),
      passes('MeshHTTPRoute307Redirect', 'HTTPRoute307RedirectStatusCode'),
      passes('MeshHTTPRoute308Redirect', 'HTTPRoute308RedirectStatusCode'),
      passes('MeshGRPCRouteWeight', 'GRPCRoute'),
      passes('MeshGRPCRouteRequestHeaderModifier', 'GRPCRoute'),
    ],
  },
  {
    heading: 'Gateway, with a Service in place of the Gateway',
    tests: [
      passes('HTTPRouteSimpleSameNamespace'),
      passes('HTTPRouteCrossNamespace'),
      passes('HTTPRouteMatching'),
      passes('HTTPRouteMatchingAcrossRoutes'),
      passes('HTTPRouteExactPathMatching'),
      passes('HTTPRoutePathMatchOrder'),
      passes('HTTPRouteRuleOrder'),
      passes('HTTPRouteHeaderMatching'),
      passes('HTTPRouteWeight'),
      passes('HTTPRouteRequestHeaderModifier'),
      passes('HTTPRouteRedirectHostAndStatus'),
      unsupported(
        'HTTPRouteServiceTypes',
        CORE,
        'endpoints written by hand work; a headless Service has no ClusterIP to send to: BackendNotFound and 500 (B6)',
      ),
      passes('HTTPRouteNoBackendRefs'),
      passes('HTTPRouteInvalidNonExistentBackendRef'),
      passes('HTTPRouteInvalidBackendRefUnknownKind'),
      passes('HTTPRouteInvalidParentRefNotMatchingSectionName'),
      passes('HTTPRouteObservedGenerationBump'),
      passes('HTTPRoutePreserveForeignStatus'),
      passes('HTTPRouteListenerPortMatching', 'HTTPRouteParentRefPort'),
      passes('HTTPRouteInvalidParentRefSectionNameNotMatchingPort', 'HTTPRouteParentRefPort'),
      passes('HTTPRouteInvalidParentRefNotMatchingListenerPort', 'HTTPRouteDestinationPortMatching'),
      passes('HTTPRouteMethodMatching', 'HTTPRouteMethodMatching'),
      passes('HTTPRouteQueryParamMatching', 'HTTPRouteQueryParamMatching'),
      passes('HTTPRouteResponseHeaderModifier', 'HTTPRouteResponseHeaderModification'),
      passes('HTTPRouteBackendRequestHeaderModifier', 'HTTPRouteBackendRequestHeaderModification'),
      passes('HTTPRouteRequestHeaderModifierBackendWeights', 'HTTPRouteBackendRequestHeaderModification'),
      passes('HTTPRouteRedirectPath', 'HTTPRoutePathRedirect'),
      passes('HTTPRouteRedirectScheme', 'HTTPRouteSchemeRedirect'),
      passes('HTTPRouteRedirectPort', 'HTTPRoutePortRedirect'),
      passes('HTTPRouteRedirectPortAndScheme', 'HTTPRoutePortRedirect, GatewayPort8080'),
      passes('HTTPRoute303Redirect', 'HTTPRoute303RedirectStatusCode'),
      passes('HTTPRoute307Redirect', 'HTTPRoute307RedirectStatusCode'),
      passes('HTTPRoute308Redirect', 'HTTPRoute308RedirectStatusCode'),
      passes('HTTPRouteRewriteHost', 'HTTPRouteHostRewrite'),
      passes('HTTPRouteRewritePath', 'HTTPRoutePathRewrite'),
      passes('HTTPRouteBackendURLRewrite', 'HTTPRouteBackendURLRewrite'),
      passes('HTTPRouteRequestMirror', 'HTTPRouteRequestMirror'),
      passes('HTTPRouteRequestMultipleMirrors', 'HTTPRouteRequestMirror, HTTPRouteRequestMultipleMirrors'),
      passes('HTTPRouteRequestPercentageMirror', 'HTTPRouteRequestPercentageMirror'),
      passes('HTTPRouteCORS', 'HTTPRouteCORS'),
      passes('HTTPRouteTimeoutRequest', 'HTTPRouteRequestTimeout'),
      passes('HTTPRouteTimeoutBackendRequest', 'HTTPRouteBackendTimeout'),
      passes('HTTPRouteRetry', 'HTTPRouteRetryCodes'),
      passes('HTTPRouteRetryConnectionError', 'HTTPRouteRetryConnectionError'),
      passes('HTTPRouteRetryWithRequestTimeout', 'HTTPRouteRetryCodes, HTTPRouteRequestTimeout'),
      passes(
        'HTTPRouteRetryWithBackendTimeout',
        'HTTPRouteRetryCodes, HTTPRouteRequestTimeout, HTTPRouteBackendTimeout',
      ),
      passes('HTTPRouteBackendProtocolH2C', 'HTTPRouteBackendProtocolH2C'),
      passes('HTTPRouteBackendProtocolWebSocket', 'HTTPRouteBackendProtocolWebSocket'),
      passes('HTTPRouteNamedRule', 'HTTPRouteNamedRouteRule'),
      inapplicable('HTTPRouteReferenceGrant', 'ReferenceGrant', GRANTS),
      inapplicable('HTTPRouteInvalidReferenceGrant', 'ReferenceGrant', GRANTS),
      inapplicable('HTTPRoutePartiallyInvalidViaInvalidReferenceGrant', 'ReferenceGrant', GRANTS),
      inapplicable('HTTPRouteInvalidCrossNamespaceBackendRef', 'ReferenceGrant', GRANTS),
      inapplicable(
        'HTTPRouteInvalidCrossNamespaceParentRef',
        CORE,
        'a route may name a Service of another namespace (A6)',
      ),
      inapplicable('HTTPRouteMultipleGateways', CORE, LISTENERS),
      inapplicable('HTTPRouteDisallowedKind', 'TLSRoute', LISTENERS),
      inapplicable('HTTPRouteListenerHostnameMatching', CORE, HOSTNAMES),
      inapplicable('HTTPRouteHostnameIntersection', CORE, HOSTNAMES),
      inapplicable(
        'HTTPRouteMultipleRoutesAttachmentSameHostnameIntersection',
        'GatewayRouteHostnameIntersectionPrecedence',
        HOSTNAMES,
      ),
      inapplicable('HTTPRouteHTTPSListener', CORE, HTTPS),
      inapplicable(
        'HTTPRouteHTTPSListenerDetectMisdirectedRequests',
        'GatewayHTTPSListenerDetectMisdirectedRequests',
        HTTPS,
      ),
    ],
  },
  {
    heading: 'GRPCRoute, with a Service in place of the Gateway',
    tests: [
      passes('GRPCExactMethodMatching', 'GRPCRoute'),
      passes('GRPCRouteHeaderMatching', 'GRPCRoute'),
      passes('GRPCRouteNamedRule', 'GRPCRouteNamedRouteRule'),
      passes('GRPCRouteRequestHeaderModifier', 'GRPCRouteRequestHeaderModifier'),
      passes('GRPCRouteWeight', 'GRPCRoute'),
      inapplicable('GRPCRouteListenerHostnameMatching', 'GRPCRoute', HOSTNAMES),
      inapplicable('GRPCRouteMultipleGateways', 'GRPCRoute', LISTENERS),
      inapplicable(
        'GRPCRouteMultipleRoutesAttachmentSameHostnameIntersection',
        'GatewayRouteHostnameIntersectionPrecedence',
        HOSTNAMES,
      ),
    ],
  },
];
