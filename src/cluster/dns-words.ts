/** Readable texts for the error codes of c-ares. Logs contain only the code; elsewhere it follows the text. */

const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'cluster DNS knows no such Service',
  ENODATA: 'cluster DNS has no address of the Service',
  ETIMEOUT: 'cluster DNS does not answer',
  ECONNREFUSED: 'nobody listens at the address of cluster DNS',
  ESERVFAIL: 'cluster DNS answers with a failure',
  EREFUSED: 'cluster DNS refuses to answer',
  EBADRESP: 'cluster DNS answers something that cannot be read',
  EFORMERR: 'cluster DNS does not understand the question',
  ENOTIMP: 'cluster DNS does not carry out the question',
};

/** Codes that mean the name does not exist. All others give no information about it. */
const ABSENT: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA']);

/** `error`: a code, or a sentence, which is returned unchanged. */
export function dnsWords(error: string): string {
  const words = WORDS[error] ?? (/^E[A-Z]+$/.test(error) ? 'cluster DNS fails' : null);
  return words === null ? error : `${words} (${error})`;
}

export function saysAbsent(error: string | null): boolean {
  return error !== null && ABSENT.has(error);
}
