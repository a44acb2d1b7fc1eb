/**
 * Reading what the API server sends without trusting its shape.
 *
 * Used by everything that handles objects of the API.
 */
export type Json = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object under a name, an empty one when there is none. */
export function objectOf(of: unknown, name: string): Json {
  const value = isObject(of) ? of[name] : undefined;
  return isObject(value) ? value : {};
}

export function listOf(of: unknown, name: string): readonly Json[] {
  const value = isObject(of) ? of[name] : undefined;
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** The text under a name, null when there is none. */
export function textOf(of: unknown, name: string): string | null {
  const value = isObject(of) ? of[name] : undefined;
  return typeof value === 'string' ? value : null;
}

export function numberOf(of: unknown, name: string): number | null {
  const value = isObject(of) ? of[name] : undefined;
  return typeof value === 'number' ? value : null;
}
