/**
 * `docker build`, `docker push`, `kind load docker-image` and `helm template` as far as the documents use them. Nothing
 * is built, but files, build arguments and names must exist and agree, and a pod only gets an image that its node could
 * have. test/e2e/images.test.ts makes the real build.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CommandError } from './objects.ts';
import type { Request, Said } from './protocol.ts';

/** Images that anyone can pull, by name without tag. */
const PUBLIC = ['docker.io/curlimages/curl', 'docker.io/library/busybox', 'curlimages/curl', 'busybox'];

const said = (stdout: string): Said => ({ status: 0, stdout, stderr: '' });

export class Images {
  readonly #built = new Set<string>();
  /** What nodes can have: pushed to a registry, or loaded into the nodes. */
  readonly #available = new Set<string>();

  /** As if built and pushed, or loaded. */
  add(...images: readonly string[]): void {
    for (const image of images) this.#available.add(image);
  }

  canPull(image: string): boolean {
    return this.#available.has(image) || PUBLIC.includes(image.replace(/:[^/]*$/, ''));
  }

  run({ tool, args, directory }: Request): Said {
    const [verb, ...rest] = args;
    if (tool === 'docker' && verb === 'build') return this.#build(rest, directory);
    if (tool === 'docker' && verb === 'push') return this.#push(rest);
    if (tool === 'kind' && verb === 'load' && rest[0] === 'docker-image') return this.#load(rest.slice(1));
    if (tool === 'helm' && verb === 'template' && rest.length === 1) return template(resolve(directory, rest[0]!));
    throw new CommandError(`the stand-in for ${tool} cannot: ${tool} ${args.join(' ')}`);
  }

  #build(args: readonly string[], directory: string): Said {
    let [tag, file, context]: (string | undefined)[] = [];
    const given = new Map<string, string>();
    const left = [...args];
    while (left.length > 0) {
      const arg = left.shift()!;
      if (arg === '-t') tag = left.shift();
      else if (arg === '-f') file = left.shift();
      else if (arg === '--build-arg') {
        const [name = '', value = ''] = left.shift()!.split('=');
        given.set(name, value);
      } else if (arg.startsWith('-')) throw new CommandError(`the stand-in for docker build does not know ${arg}`);
      else context = arg;
    }
    if (tag === undefined || context === undefined) throw new CommandError('docker build: no -t or no context');
    if (!/^([a-z0-9.:-]+\/)*[a-z0-9-]+:[\w.-]+$/.test(tag)) throw new CommandError(`invalid reference format: ${tag}`);
    const path = resolve(directory, file ?? join(context, 'Dockerfile'));
    if (!existsSync(path)) throw new CommandError(`docker build: there is no ${path}`);
    const text = readFileSync(path, 'utf8');
    const declared = new Map(
      [...text.matchAll(/^ARG (\w+)(?:=(\S*))?$/gm)].map(([, name, value = '']) => [name!, value]),
    );
    for (const name of given.keys())
      if (!declared.has(name)) throw new CommandError(`docker build: ${path} has no ARG ${name}`);
    for (const [, source = ''] of text.matchAll(/^COPY (?!--from)(\S+) /gm))
      if (!existsSync(resolve(directory, context, source)))
        throw new CommandError(`docker build: the context has no ${source}`);
    const base = given.get('SIDEROUTE_IMAGE') ?? declared.get('SIDEROUTE_IMAGE');
    if (base !== undefined && !this.#built.has(base))
      throw new CommandError(`docker build: the image ${base} that ${path} starts from has not been built`);
    this.#built.add(tag);
    return said('');
  }

  #push([image = '']: readonly string[]): Said {
    if (!this.#built.has(image)) throw new CommandError(`An image does not exist locally with the tag: ${image}`);
    if (!/^[^/]*[.:][^/]*\//.test(image)) throw new CommandError(`denied: ${image} names no registry`);
    this.#available.add(image);
    return said('');
  }

  #load(images: readonly string[]): Said {
    for (const image of images) {
      if (!this.#built.has(image)) throw new CommandError(`ERROR: image: "${image}" not present locally`);
      this.#available.add(image);
    }
    return said('');
  }
}

/** Renders charts without placeholders, the only ones that can be rendered without helm. */
function template(chart: string): Said {
  const directory = join(chart, 'templates');
  if (!existsSync(join(chart, 'Chart.yaml'))) throw new CommandError(`Error: Chart.yaml file is missing in ${chart}`);
  const texts = readdirSync(directory).map((name) => {
    const text = readFileSync(join(directory, name), 'utf8');
    if (text.includes('{{')) throw new CommandError(`helm is not installed, and ${name} needs it`);
    return `---\n${text}`;
  });
  return said(texts.join(''));
}
