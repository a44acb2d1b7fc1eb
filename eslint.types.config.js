import tseslint from 'typescript-eslint';

// The one rule about types that oxlint does not have. It takes as long as all others together: `.ci/run` alone runs it.
export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'native/build/', '.tap/'] },
  {
    files: ['**/*.ts'],
    plugins: { '@typescript-eslint': tseslint.plugin },
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: { '@typescript-eslint/no-unsafe-class-instance-assignment': 'error' },
  },
);
