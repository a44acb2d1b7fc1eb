/**
 * Checks a dashboard against the model that Grafana publishes: the compiler reads the file as a literal of the type in
 * `grafana-model.ts`, so unknown fields, values of a wrong type and missing fields are errors.
 */
import { join } from 'node:path';
import ts from 'typescript';
import { ROOT } from './manifests.ts';

const SUPPORT = join(ROOT, 'test', 'support');
const LITERAL = join(SUPPORT, 'grafana-literal.ts');
const HEAD = `import type { CheckedDashboard } from './grafana-model.ts';\nexport const dashboard: CheckedDashboard =\n`;
const HEAD_LINES = HEAD.split('\n').length - 1;
const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts'],
  types: [],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  allowImportingTsExtensions: true,
  strict: true,
  skipLibCheck: true,
  noEmit: true,
};

export class GrafanaSchema {
  readonly #files = new Map<string, ts.SourceFile | undefined>();
  #program: ts.Program | undefined;

  /** `text`: of the JSON file. What is wrong with it, each `line LINE: MESSAGE`. */
  errors(text: string): string[] {
    const host = ts.createCompilerHost(OPTIONS);
    const literal = ts.createSourceFile(LITERAL, `${HEAD}${text};\n`, ts.ScriptTarget.ES2023);
    host.fileExists = (path) => path === LITERAL || ts.sys.fileExists(path);
    const read = host.getSourceFile.bind(host);
    // Libraries are read once for all texts.
    host.getSourceFile = (path, ...rest) => {
      if (path === LITERAL) return literal;
      if (!this.#files.has(path)) this.#files.set(path, read(path, ...rest));
      return this.#files.get(path);
    };
    this.#program = ts.createProgram([LITERAL], OPTIONS, host, this.#program);
    const program = this.#program;
    const model = program.getSourceFile(join(SUPPORT, 'grafana-model.ts'));
    // Types that are not found there would accept anything.
    const found = [
      ...program.getSyntacticDiagnostics(literal),
      ...program.getSemanticDiagnostics(model),
      ...program.getSemanticDiagnostics(literal),
    ];
    return found.map(({ file, start, messageText }) => {
      const line = file === literal ? literal.getLineAndCharacterOfPosition(start!).line + 1 - HEAD_LINES : 0;
      const place = file === literal ? `line ${line}` : (file?.fileName ?? '');
      return `${place}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
  }
}
