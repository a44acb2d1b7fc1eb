/** The ratio to HAProxy, out of what the comparison of proxies prints. */
import t from 'tap';
import { ratioIn } from '../../../bench/guard/haproxy.ts';

t.test('the ratio is the one of the line of HAProxy', async (t) => {
  const report = `| Proxy | CPU us / request (median) | sideroute native relative to it | requests/s |
|---|---|---|---|
| sideroute native | 9.6 | 1.00x (1.00 - 1.00) | 88998 |
| HAProxy | 11.0 | 0.88x (0.86 - 0.88) | 94855 |
`;
  t.equal(ratioIn(report), 0.88);
});

t.test('a report without it is a failure', async (t) => {
  t.throws(() => ratioIn('| sideroute native | 9.6 | 1.00x (1.00 - 1.00) | 88998 |'), /no ratio/);
});
