/**
 * Reads answers of the API server without relying on their shape.
 *
 * Used by all code that handles objects of the API.
 */
export type Json = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object with this name; an empty one when there is none. */
export function objectOf(of: unknown, name: string): Json {
  const value = isObject(of) ? of[name] : undefined;
  return isObject(value) ? value : {};
}

export function listOf(of: unknown, name: string): readonly Json[] {
  const value = isObject(of) ? of[name] : undefined;
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** The text with this name; null when there is none. */
export function textOf(of: unknown, name: string): string | null {
  const value = isObject(of) ? of[name] : undefined;
  return typeof value === 'string' ? value : null;
}

export function numberOf(of: unknown, name: string): number | null {
  const value = isObject(of) ? of[name] : undefined;
  return typeof value === 'number' ? value : null;
}
