/** The manifests of the tests, and short forms of what they are given to. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { defaultSettings, type InjectSettings, type Mode } from '../../../src/inject/annotations.ts';
import { injectManifest } from '../../../src/inject/inject.ts';
import type { ManifestResult } from '../../../src/inject/result.ts';
import { uninjectManifest } from '../../../src/inject/uninject.ts';

/** The compiled tests lie one level deeper (dist/) than their sources. */
const FIXTURES = fileURLToPath(new URL('../../../../test/fixtures/', import.meta.url));
export const VERSION = '0.1.0';

export interface ManifestFile {
  readonly name: string;
  readonly text: string;
}

export function manifests(directory: 'inject' | 'inject-refused'): ManifestFile[] {
  const path = join(FIXTURES, directory);
  return readdirSync(path).map((name) => ({ name, text: readFileSync(join(path, name), 'utf8') }));
}

export function manifest(name: string): string {
  return readFileSync(join(FIXTURES, 'inject', name), 'utf8');
}

/** `settings` as flags would set them. */
export function inject(text: string, settings: Partial<InjectSettings> = {}, version = VERSION): ManifestResult {
  return injectManifest('m.yaml', text, { version, settings: { ...defaultSettings(version), ...settings } });
}

/** The injected text; a refusal is an error. */
export function injected(text: string, settings: Partial<InjectSettings> = {}, version = VERSION): string {
  return textOf(inject(text, settings, version));
}

export function uninjected(text: string): string {
  return textOf(uninjectManifest('m.yaml', text));
}

function textOf({ text, problems }: ManifestResult): string {
  if (text === null) throw new Error(problems.map(({ path, message }) => `${path}: ${message}`).join('\n'));
  return text;
}

/** A Job has no classic form. */
export function modesOf(name: string): readonly Mode[] {
  return /^(?:cron-)?job|^explicit-keys/.test(name) ? ['native'] : ['native', 'classic'];
}

export interface KubernetesObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: Metadata | null;
  readonly spec?: Record<string, unknown>;
  readonly items?: readonly KubernetesObject[];
}

interface Metadata {
  readonly name?: string;
  readonly annotations?: Readonly<Record<string, string>> | null;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly restartPolicy?: string;
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly [field: string]: unknown;
}

export interface PodSpec {
  readonly initContainers?: readonly Container[] | null;
  readonly containers: readonly Container[];
  readonly volumes?: readonly { readonly name: string }[] | null;
  readonly [field: string]: unknown;
}

export interface PodTemplate {
  readonly metadata?: Metadata | null;
  readonly spec: PodSpec;
}

/** Every document as kubectl reads it. */
export function documentsOf(text: string): unknown[] {
  return parseAllDocuments(text, { version: '1.1', merge: true, logLevel: 'silent' }).map((document) => {
    if (document.errors.length > 0) throw document.errors[0]!;
    return document.toJS() as unknown;
  });
}

/** The objects of all documents, those of lists one by one. */
export function objectsOf(text: string): KubernetesObject[] {
  return documentsOf(text)
    .filter((value): value is KubernetesObject => typeof value === 'object' && value !== null)
    .flatMap((object) => (object.kind?.endsWith('List') === true ? (object.items ?? []) : [object]));
}

/** Of the workloads that the fixtures have. */
export function templatesOf(text: string): PodTemplate[] {
  return objectsOf(text).flatMap((object) => {
    const spec = object.spec as Record<string, PodTemplate & { spec: { template: PodTemplate } }> | undefined;
    if (spec === undefined || !/^(?:v1|apps\/v1|batch\/v1)$/.test(object.apiVersion ?? 'v1')) return [];
    if (spec['containers'] !== undefined) return [object as unknown as PodTemplate];
    const template = spec['template'] ?? spec['jobTemplate']?.spec.template;
    return template === undefined ? [] : [template];
  });
}

export function onlyTemplate(text: string): PodTemplate {
  const templates = templatesOf(text);
  if (templates.length !== 1) throw new Error(`${templates.length} pod templates`);
  return templates[0]!;
}

export function containerOf({ spec }: PodTemplate, name: string): Container {
  const found = [...(spec.initContainers ?? []), ...spec.containers].find((container) => container.name === name);
  if (found === undefined) throw new Error(`no container ${name}`);
  return found;
}

/** Plain values of the environment; null for one that comes from elsewhere. */
export function environmentOf(container: Container): Record<string, string | null> {
  return Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value ?? null]));
}
