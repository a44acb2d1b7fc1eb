/**
 * The thread behind `parse-thread.ts`: parses one file and returns the result piece by piece.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { ParseOrder, ParsePiece } from './parse-thread.ts';
import { parseRoutes } from './route-parser.ts';

/** Receiving a piece of either kind takes about a millisecond. */
const RESOURCES_PER_PIECE = 8;
const PROBLEMS_PER_PIECE = 64;

const { file, text, namespace, layout } = workerData as ParseOrder;
const { resources, problems, ...end } = parseRoutes(file, text, namespace, { layout });

let resourcesSent = 0;
let problemsSent = 0;
parentPort!.on('message', () => {
  const piece: ParsePiece = {
    resources: resources.slice(resourcesSent, (resourcesSent += RESOURCES_PER_PIECE)),
    problems: problems.slice(problemsSent, (problemsSent += PROBLEMS_PER_PIECE)),
    end: resourcesSent >= resources.length && problemsSent >= problems.length ? end : null,
  };
  parentPort!.postMessage(piece);
});
