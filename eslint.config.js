import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'native/build/', '.tap/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/prefer-nullish-coalescing': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      // tap's subtests return promises that tap itself awaits.
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: [{ from: 'package', package: '@tapjs/test', name: 'test' }] },
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': 'off',
      '@typescript-eslint/require-await': 'off',
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
