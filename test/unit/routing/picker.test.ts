import t from 'tap';
import { WeightedPicker } from '../../../src/routing/picker.ts';
import { seededRandom } from '../../support/random-routes.ts';

/** Gives the index of the share. */
function createPicker(weights: readonly number[], random: () => number): WeightedPicker<number> {
  return WeightedPicker.of([...weights.keys()], weights, random);
}

function count(picker: WeightedPicker<number>, shares: number, picks: number): number[] {
  const counts = new Array<number>(shares).fill(0);
  for (let i = 0; i < picks; i++) counts[picker.next()]!++;
  return counts;
}

t.test('SPEC B2: over each full cycle every share gets exactly its part, wherever the rotation starts', async (t) => {
  const cases = [
    [3],
    [1, 1],
    [90, 10],
    [70, 30],
    [1, 2, 3],
    [5, 1, 1],
    [1, 1, 1, 1],
    [999, 1],
    [7, 11, 13, 17],
    [6, 4, 2],
  ];
  for (const weights of cases) {
    const sum = weights.reduce((a, b) => a + b);
    for (let seed = 0; seed < 20; seed++) {
      const picker = createPicker(weights, seededRandom(seed));
      count(picker, weights.length, seed);
      t.same(count(picker, weights.length, sum), weights, `${weights.join(':')} from ${seed}`);
      t.same(count(picker, weights.length, sum), weights);
    }
  }
});

t.test('SPEC B2: sixteen shares of up to 1,000,000 keep their parts', async (t) => {
  const equal = new Array<number>(16).fill(1_000_000);
  t.same(count(createPicker(equal, seededRandom(1)), 16, 160), new Array<number>(16).fill(10));
  const weights = equal.map((weight, index) => weight - index * 61_001);
  const sum = weights.reduce((a, b) => a + b);
  const counts = count(createPicker(weights, seededRandom(2)), 16, 100_000);
  for (const [index, weight] of weights.entries()) t.ok(Math.abs(counts[index]! - (100_000 * weight) / sum) < 5);
});

t.test('SPEC B2: shares are interleaved, never served in bursts', async (t) => {
  for (let seed = 0; seed < 50; seed++) {
    const even = createPicker([1, 1], seededRandom(seed));
    let last = even.next();
    for (let i = 0; i < 20; i++) {
      const next = even.next();
      t.not(next, last);
      last = next;
    }
    const weights = [5, 3, 2, 1];
    const picker = createPicker(weights, seededRandom(seed));
    const counts = [0, 0, 0, 0];
    for (let picks = 1; picks <= 110; picks++) {
      counts[picker.next()]!++;
      for (const [index, weight] of weights.entries()) {
        const off = Math.abs(counts[index]! - (picks * weight) / 11);
        if (off > 2) t.fail(`share ${index} is ${off} requests off after ${picks}`);
      }
    }
  }
});

t.test('SPEC B2: even the first request of many proxies follows the weights', async (t) => {
  const random = seededRandom(7);
  const counts = [0, 0, 0];
  for (let i = 0; i < 20_000; i++) counts[createPicker([10, 70, 20], random).next()]!++;
  t.ok(Math.abs(counts[0]! - 2000) < 200, `${counts[0]}`);
  t.ok(Math.abs(counts[1]! - 14_000) < 300, `${counts[1]}`);
  t.ok(Math.abs(counts[2]! - 4000) < 250, `${counts[2]}`);
});
