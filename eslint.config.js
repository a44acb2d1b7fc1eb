import tseslint from 'typescript-eslint';

// What oxlint does not have, of what needs no types; its rules stand in .oxlintrc.json, and the one that needs types in eslint.types.config.js.
export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'native/build/', '.tap/'] },
  {
    files: ['**/*.ts'],
    languageOptions: { parser: tseslint.parser },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // To tap a list in a pattern is the beginning of one: `[]` fits every list, and `{}` every object.
      'no-restricted-syntax': [
        'error',
        ...[
          'ArrayExpression:nth-child(2)',
          'ObjectExpression:nth-child(2)[properties.length=0]',
          'ObjectExpression:nth-child(2) > Property > ArrayExpression',
          'ObjectExpression:nth-child(2) > Property > ObjectExpression > Property > ArrayExpression',
        ].map((pattern) => ({
          selector: `CallExpression[callee.property.name=/^(?:match|has|hasStrict)$/] > ${pattern}`,
          message: 'Use matches() of test/support/match.ts, which takes a list for the whole list.',
        })),
      ],
    },
  },
);
