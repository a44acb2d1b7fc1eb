/**
 * Reasons not to inject a pod, in CEL: lists of messages, with the checks of `pod-checks.ts` and the same texts.
 *
 * Stage before: the settings of `settings.ts` as variables. Stage after: `policy.ts`.
 */
import { PROXY_PORTS, METRICS_PORT_NAME } from '../containers.ts';
import { MESHES, type Mesh } from '../other-meshes.ts';
import { OUR_CONTAINERS, OUR_VOLUMES } from '../pod-checks.ts';
import { POD_MESSAGES } from '../pod-messages.ts';
import { celList, celTemplate, celText } from './cel.ts';

const LISTS = ['containers', 'initContainers'] as const;

/** For a pod without our additions. */
export function podProblems(): string {
  return [
    problemIf('object.spec.?hostNetwork.orValue(false)', celText(`spec.hostNetwork ${POD_MESSAGES.hostNetwork}`)),
    problemIf("object.spec.?os.?name.orValue('') == 'windows'", celText(`spec.os.name ${POD_MESSAGES.windows}`)),
    problemIf(
      runsAsSidecar('object.spec'),
      celTemplate((uid) => `spec.securityContext.runAsUser ${POD_MESSAGES.user(uid)}`, uidOf('object.spec')),
    ),
    ...LISTS.flatMap((list) => [
      eachOf(
        list,
        `c.name in ${celList(OUR_CONTAINERS)}`,
        celTemplate(
          (index, name) => `spec.${list}[${index}].name ${POD_MESSAGES.containerName(name)}`,
          'string(i)',
          'c.name',
        ),
      ),
      eachOf(
        list,
        runsAsSidecar('c'),
        celTemplate(
          (index, uid) => `spec.${list}[${index}].securityContext.runAsUser ${POD_MESSAGES.user(uid)}`,
          'string(i)',
          uidOf('c'),
        ),
      ),
      ...PROXY_PORTS.map((port) =>
        eachOf(
          list,
          `c.?ports.orValue([]).exists(p, p.containerPort == ${port} && p.?protocol.orValue('TCP') == 'TCP')`,
          celTemplate((index) => `spec.${list}[${index}].ports: containerPort ${POD_MESSAGES.port(port)}`, 'string(i)'),
        ),
      ),
      eachOf(
        list,
        `c.?ports.orValue([]).exists(p, p.?name.orValue('') == ${celText(METRICS_PORT_NAME)})`,
        celTemplate((index) => `spec.${list}[${index}].ports: name ${POD_MESSAGES.portName}`, 'string(i)'),
      ),
    ]),
    eachOf(
      'volumes',
      `c.name in ${celList(OUR_VOLUMES)}`,
      celTemplate(
        (index, name) => `spec.volumes[${index}].name ${POD_MESSAGES.volumeName(name)}`,
        'string(i)',
        'c.name',
      ),
    ),
  ].join(' +\n');
}

/** For any pod, because others may add containers later. */
export function meshProblems(): string {
  return MESHES.flatMap((mesh) => [...containersOf(mesh), ...marksOf(mesh)]).join(' +\n');
}

function containersOf({ name, containers }: Mesh): string[] {
  return LISTS.map((list) =>
    eachOf(
      list,
      `c.name in ${celList(containers)}`,
      celTemplate(
        (index, container) => `spec.${list}[${index}].name ${POD_MESSAGES.meshContainer(container, name)}`,
        'string(i)',
        'c.name',
      ),
    ),
  );
}

function marksOf({ name, marks }: Mesh): string[] {
  return Object.entries(marks).flatMap(([mark, values]) =>
    ['labels', 'annotations'].map((holder) => {
      const message = celTemplate(
        (value) => `metadata.${holder}["${mark}"] ${POD_MESSAGES.meshMark(value, name)}`,
        'v.lowerAscii()',
      );
      return `object.metadata.?${holder}[?${celText(mark)}].optMap(v, v.lowerAscii() in ${celList(values)} ? [${message}] : []).orValue([])`;
    }),
  );
}

function problemIf(condition: string, message: string): string {
  return `(${condition} ? [${message}] : [])`;
}

/** One message for each entry `c`, at index `i`, of a list of the pod. */
function eachOf(list: string, condition: string, message: string): string {
  return `object.spec.?${list}.orValue([]).transformList(i, c, ${condition}, ${message})`;
}

function uidOf(holder: string): string {
  return `string(${holder}.?securityContext.?runAsUser.orValue(-1))`;
}

/** Compared as text, because settings are texts. */
function runsAsSidecar(holder: string): string {
  return `${uidOf(holder)} == variables.proxyUid.orValue('')`;
}
