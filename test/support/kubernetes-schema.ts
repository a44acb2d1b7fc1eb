/**
 * Checks manifests against the schema of the Kubernetes API: types and required fields with the validators of
 * `kubernetes-models`, and unknown fields. A field is unknown if no validator reads it.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';

interface Problem {
  readonly instancePath: string;
  readonly message?: string;
  readonly keyword: string;
  readonly params: unknown;
}

interface Validate {
  (data: unknown): boolean;
  readonly errors: readonly Problem[] | null;
}

const require = createRequire(import.meta.url);

/** Null if the package does not know the kind, as for custom resources. */
function validatorOf(apiVersion: string, kind: string): Validate | null {
  let file: string;
  try {
    file = require.resolve(`kubernetes-models/${apiVersion}/${kind}`);
  } catch {
    return null;
  }
  const name = Object.keys(require(file) as object).find((key) => key !== kind)!;
  const root = join(file.slice(0, file.lastIndexOf('/kubernetes-models/')), 'kubernetes-models');
  return (require(join(root, '_schemas', `${name}.js`)) as { validate: Validate }).validate;
}

/** `data` wrapped for a validator; `unread` gives the paths of fields that it did not read. */
function watch(data: unknown): { watched: unknown; unread: () => string[] } {
  const seen: { path: string; value: object; read: Set<string> }[] = [];
  const wrap = (value: unknown, path: string): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((item, index) => wrap(item, `${path}[${index}]`));
    const read = new Set<string>();
    seen.push({ path, value, read });
    const inner = new Map(Object.entries(value).map(([key, item]) => [key, wrap(item, `${path}.${key}`)]));
    return new Proxy(value, {
      get: (_target, key) => {
        read.add(String(key));
        return inner.get(String(key));
      },
      // A validator that lists the fields accepts any: labels, the data of a ConfigMap.
      ownKeys: (target) => {
        for (const key of Object.keys(target)) read.add(key);
        return Reflect.ownKeys(target);
      },
    });
  };
  const watched = wrap(data, '');
  return {
    watched,
    unread: () =>
      seen.flatMap(({ path, value, read }) =>
        Object.keys(value)
          .filter((key) => !read.has(key))
          .map((key) => `${path}.${key}`),
      ),
  };
}

/** The errors in a manifest, one sentence each; null if its kind is not known. */
export function schemaProblems(manifest: {
  readonly apiVersion: string;
  readonly kind: string;
}): readonly string[] | null {
  const validate = validatorOf(manifest.apiVersion, manifest.kind);
  if (validate === null) return null;
  const { watched, unread } = watch(manifest);
  const valid = validate(watched);
  const problems = valid ? [] : (validate.errors ?? []);
  return [
    ...problems.map(
      ({ instancePath, keyword, params }) => `${instancePath || '/'}: ${keyword} ${JSON.stringify(params)}`,
    ),
    ...unread().map((path) => `${path}: the API has no such field`),
  ];
}
