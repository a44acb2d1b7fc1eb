/**
 * Our own rule for oxlint (.oxlintrc.json): it reports assertions in tests that can fail less often than they seem to.
 */

// tap matches a list in a pattern as the beginning of a list, so `[]` matches every list, and `{}` every object.
const PATTERNS = [
  'ArrayExpression:nth-child(2)',
  'ObjectExpression:nth-child(2)[properties.length=0]',
  'ObjectExpression:nth-child(2) > Property > ArrayExpression',
  'ObjectExpression:nth-child(2) > Property > ObjectExpression > Property > ArrayExpression',
];
const MESSAGE = 'Use matches() of test/support/match.ts, which takes a list for the whole list.';

const wholeLists = {
  create: (context) =>
    Object.fromEntries(
      PATTERNS.map((pattern) => [
        `CallExpression[callee.property.name=/^(?:match|has|hasStrict)$/] > ${pattern}`,
        (node) => context.report({ node, message: MESSAGE }),
      ]),
    ),
};

export default { meta: { name: 'sideroute' }, rules: { 'whole-lists': wholeLists } };
