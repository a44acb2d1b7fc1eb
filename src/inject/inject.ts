/**
 * Inserts the init container and the sidecar into the pod templates of a manifest.
 *
 *     text --take out what is there--> text --checks, settings--> text with additions --take out again--> must be equal
 *
 * Stage before: `cli/manifest-input.ts`. Stage after: text on standard output. An earlier injection is removed first.
 * So a second injection gives the same text, and one by another version or with other settings is replaced.
 */
import { ProxyError } from '../errors.ts';
import {
  annotationPath,
  checkTogether,
  INJECT_ANNOTATION,
  LEFT_ALONE,
  misplacedAnnotations,
  readAnnotations,
  readLabel,
  type InjectSettings,
} from './annotations.ts';
import { changeByParts, type PartsOptions } from './by-parts.ts';
import { additionsFor } from './containers.ts';
import { Injection } from './injection.ts';
import { isMap, Refusal, type Manifest } from './manifest.ts';
import type { Part } from './parts.ts';
import { podRefusals } from './pod-checks.ts';
import { INJECTED_ANNOTATION } from './record.ts';
import type { ManifestResult, ManifestRun } from './result.ts';
import { TextPatch } from './text-patch.ts';
import { injectionOf, removeInjection, uninjectText } from './uninject.ts';
import { editableTemplate, type Workload } from './workloads.ts';

export interface InjectOptions extends PartsOptions {
  /** Version of this sideroute, for the record. */
  readonly version: string;
  /** The settings of a pod without annotations. */
  readonly settings: InjectSettings;
}

export function injectManifest(file: string, text: string, options: InjectOptions): ManifestResult {
  return changeByParts(file, text, (run, part) => injectPart(run, part, options), options);
}

function injectPart(run: ManifestRun, part: Part, options: InjectOptions): string | null {
  const bare = withoutEarlierInjections(run, part.text);
  if (bare === null) return null;
  const patch = new TextPatch(bare.manifest);
  for (const document of bare.manifest.documents) {
    for (const workload of run.workloadsOf(document)) {
      run.attempt(workload, () => injectWorkload(run, patch, workload, options));
    }
  }
  if (run.failed) return null;
  if (!patch.changed) return bare.manifest.text;
  const injected = patch.apply();
  // Only additions that can be removed again are returned.
  const again = run.again();
  const before = bare.injected ? uninjectText(again, bare.manifest.text) : bare.manifest.text;
  if (uninjectText(again, injected) === before && !again.failed) return injected;
  const message = 'is laid out in a way that cannot be changed and changed back: reformat it';
  run.linesKnown = false;
  run.refuse(part.documents + 1, null, new Refusal('unsupported-layout', '', 0, message));
  return null;
}

interface BareManifest {
  readonly manifest: Manifest;
  /** True when a workload that is excluded or skipped is still injected. */
  readonly injected: boolean;
}

/** Does not change excluded workloads. */
function withoutEarlierInjections(run: ManifestRun, text: string): BareManifest | null {
  const manifest = run.parse(text);
  if (manifest === null) return null;
  const patch = new TextPatch(manifest);
  for (const document of manifest.documents) {
    for (const workload of run.workloadsOf(document)) {
      run.attempt(workload, () => {
        if (!isDisabled(workload)) removeInjection(patch, workload);
        else injectionOf(workload);
      });
    }
  }
  if (run.failed) return null;
  if (!patch.changed) return bareManifest(manifest);
  run.linesKnown = false;
  const bare = run.parse(patch.apply());
  return bare === null ? null : bareManifest(bare);
}

function bareManifest(manifest: Manifest): BareManifest {
  return { manifest, injected: manifest.text.includes(INJECTED_ANNOTATION) };
}

function isDisabled({ document, object, steps }: Workload): boolean {
  return ['annotations', 'labels'].some((holder) =>
    LEFT_ALONE.includes(document.text(document.get(object, ...steps, 'metadata', holder, INJECT_ANNOTATION)) ?? ''),
  );
}

function injectWorkload(run: ManifestRun, patch: TextPatch, workload: Workload, options: InjectOptions): void {
  const { document, object, steps, templatePath } = workload;
  const annotations = document.get(object, ...steps, 'metadata', 'annotations');
  const path = `${templatePath}metadata.annotations`;
  const { settings, disabled: annotated, refusals } = readAnnotations(document, annotations, path, options.settings);
  const label = readLabel(
    document,
    document.get(object, ...steps, 'metadata', 'labels'),
    `${templatePath}metadata.labels`,
  );
  const disabled = annotated || label.disabled;
  const all = [...misplaced(workload), ...refusals, ...label.refusals];
  if (disabled && all.length === 0) {
    const still = injectionOf(workload) === null ? '' : ', still injected';
    run.report(workload, 'untouched', `left alone: ${annotationPath('', INJECT_ANNOTATION)} says so${still}`);
    return;
  }
  const spec = document.get(object, ...steps, 'spec');
  if (!disabled && isMap(spec)) all.push(...podRefusals(workload, spec, settings));
  try {
    checkTogether(settings);
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    all.push(new Refusal('bad-annotation', path, (annotations ?? object).range[0], error.message));
  }
  for (const refusal of all) run.refuse(document.index, workload, refusal);
  if (all.length > 0) return;

  const editable = editableTemplate(workload);
  const grace = document.scalar(document.get(spec, 'terminationGracePeriodSeconds'));
  const additions = additionsFor(settings, typeof grace === 'number' ? grace : null);
  const injection = new Injection(patch, workload, settings.mode ?? '', options.version);
  injection.addToSpec(editable.spec, additions);
  injection.addToMetadata(editable.template, editable.spec);
  run.report(workload, 'injected', settings.mode ?? '');
}

/** Our annotations on the objects that contain the pod template. */
function misplaced({ document, object, steps, prefix, templatePath }: Workload): Refusal[] {
  const holders: Refusal[] = [];
  for (let depth = 0; depth < steps.length; depth++) {
    const above = steps.slice(0, depth);
    const path = `${prefix}${above.map((step) => `${step}.`).join('')}`;
    holders.push(...misplacedAnnotations(document, document.get(object, ...above), path, templatePath));
  }
  return holders;
}
