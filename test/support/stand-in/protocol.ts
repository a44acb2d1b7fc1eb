/** Messages between the stand-ins for kubectl, docker, kind and helm, and the stand-in cluster. */

export interface Request {
  readonly tool: string;
  readonly args: readonly string[];
  readonly directory: string;
  /** Standard input, where the arguments ask for it; else empty. */
  readonly input: string;
}

/** The end of the command. */
export interface Said {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export type Reply =
  | Said
  /** Go on with this command line. */
  | { readonly run: readonly string[] }
  /** Listen on 127.0.0.1 and lead connections to ports of a pod's loopback device. */
  | { readonly forward: { readonly netns: string; readonly ports: readonly { local: number; remote: number }[] } }
  /** Let the user edit this, then ask `replace -f -` with the result. */
  | { readonly edit: string };
