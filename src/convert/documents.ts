/**
 * Reads the documents of a text, with Lists expanded, and the identity and position of each.
 *
 * Stage before: `cli/convert.ts`. Stage after: `convert.ts`.
 */
import { Fields, textOf } from '../gateway-api/fields.ts';
import { groupOf } from '../gateway-api/foreign-kinds.ts';
import { dnsSubdomain, PARSE_LIMITS, timestamp } from '../gateway-api/limits.ts';
import type { ProblemCode } from '../gateway-api/problem-codes.ts';
import { LineIndex, Report } from '../gateway-api/report.ts';
import type { Tree, TreeDocument } from '../gateway-api/tree.ts';
import { readTrees } from '../gateway-api/yaml-tree.ts';
import { finish } from '../slices.ts';
import type { Findings } from './findings.ts';

export interface ConvertDocument {
  readonly kind: string;
  readonly group: string;
  readonly namespace: string;
  readonly name: string;
  /** Milliseconds since the epoch; null when not given. */
  readonly createdMs: number | null;
  readonly object: Fields;
}

/** API groups whose kinds configure traffic. */
const MESH_GROUP = /(?:^|\.)(?:istio|linkerd)\.io$/;
const MAX_LIST_ITEMS = 100_000;

/**
 * Services and objects of a mesh; other kinds are ignored. Unreadable documents are reported in `findings`.
 * `namespace`: for documents without one.
 */
export function readDocuments(file: string, text: string, namespace: string, findings: Findings): ConvertDocument[] {
  const lines = new LineIndex(text);
  const documents: ConvertDocument[] = [];
  const fail = (document: number, code: ProblemCode, path: string, offset: number, message: string): void => {
    const report = new Report(file, document, lines);
    report.error(code, path, offset, message);
    findings.take(report.problems);
  };
  const bytes = Buffer.byteLength(text);
  if (bytes > PARSE_LIMITS.bytes) {
    fail(1, 'too-large', '', 0, `must have at most ${PARSE_LIMITS.bytes} bytes, got ${bytes}`);
    return [];
  }
  const faults = finish(
    readTrees(text, function* ({ root, index, faults: own }: TreeDocument) {
      yield;
      const items = itemsOf(root);
      const ofList = items === null ? [] : own.filter(({ path }) => !path.startsWith('items['));
      for (const { code, path, offset, message } of ofList) fail(index, code, path, offset, message);
      if (ofList.length > 0) return;
      for (const { tree, path, kind, apiVersion } of items ?? [
        { tree: root, path: '', kind: null, apiVersion: null },
      ]) {
        const report = new Report(file, index, lines);
        for (const fault of own) {
          if (path === '' || fault.path === path || fault.path.startsWith(`${path}.`)) {
            report.error(fault.code, fault.path, fault.offset, fault.message);
          }
        }
        const document = readDocument(report, tree, path, kind, apiVersion, namespace);
        findings.take(report.problems);
        if (document !== null && report.errors.length === 0) documents.push(document);
      }
    }),
  );
  for (const { document, code, path, offset, message } of faults) fail(document, code, path, offset, message);
  return faults.length > 0 ? [] : documents;
}

interface Item {
  readonly tree: Tree;
  readonly path: string;
  readonly kind: string | null;
  readonly apiVersion: string | null;
}

/** The items of a List; null for anything else. */
function itemsOf(root: Tree): Item[] | null {
  if (root.type !== 'map') return null;
  const field = (name: string): Tree | null => root.entries.get(name)?.value ?? null;
  const [kind, items] = [textOf(field('kind')), field('items')];
  if (kind?.endsWith('List') !== true || items?.type !== 'list') return null;
  // In a typed list from the API server, the items have neither `kind` nor `apiVersion`.
  const typed = kind === 'List' ? null : kind.slice(0, -'List'.length);
  const apiVersion = typed === null ? null : textOf(field('apiVersion'));
  return items.items
    .slice(0, MAX_LIST_ITEMS)
    .map((tree, index) => ({ tree, path: `items[${index}]`, kind: typed, apiVersion }));
}

function readDocument(
  report: Report,
  tree: Tree,
  path: string,
  listKind: string | null,
  listVersion: string | null,
  assumed: string,
): ConvertDocument | null {
  const object = Fields.of(report, tree, path, tree.offset);
  if (object === null) return null;
  const kind = object.string('kind') ?? listKind;
  if (kind === null) {
    object.require('kind');
    return null;
  }
  const group = groupOf(object.string('apiVersion') ?? listVersion);
  if (!MESH_GROUP.test(group) && !(kind === 'Service' && group === '')) return null;
  const metadata = object.requiredFields('metadata');
  if (metadata === null) return null;
  const name = metadata.requiredString('name');
  if (name === null) return null;
  const namespace = metadata.string('namespace') ?? assumed;
  report.resource = `${kind} ${namespace}/${name}`;
  for (const [field, value] of Object.entries({ name, namespace })) {
    const fault = dnsSubdomain(value);
    if (fault !== null) metadata.error(field, fault.code, fault.message);
  }
  const created = metadata.string('creationTimestamp', timestamp);
  return { kind, group, namespace, name, createdMs: created === null ? null : Date.parse(created), object };
}
