/** What kind of Service a name is, when the answers of cluster DNS change. */
import t from 'tap';
import type { NameRecords } from '../../../src/cluster/dns-client.ts';
import { NameKind } from '../../../src/cluster/name-kind.ts';

const NAME = 'web.shop.svc.cluster.local';
const ALONE = ['10.1.0.1'];
const SEVERAL = ['10.1.0.1', '10.1.0.2'];
const CALLED_SERVICE: NameRecords = { alias: null, names: new Map([['10.1.0.1', [NAME]]]), failed: false };

/** `answer`: to the question that is open, if there is one. */
function bound(isClusterIP: boolean) {
  let asked = 0;
  let open: ((records: NameRecords) => void) | null = null;
  let news = 0;
  const kind = new NameKind(
    {
      isClusterIP: () => isClusterIP,
      dns: {
        identify: (_name, _addresses, onDone) => {
          asked++;
          open = onDone;
          return () => (open = null);
        },
      },
    },
    () => news++,
  );
  return {
    kind,
    asked: () => asked,
    news: () => news,
    answer: (records: NameRecords) => open?.(records),
  };
}

t.test('an address that stands alone again is asked about again', async (t) => {
  const { kind, asked, news, answer } = bound(false);
  kind.look(NAME, ALONE);
  answer(CALLED_SERVICE);
  t.equal(kind.why, null);
  kind.count(SEVERAL);
  t.match(kind.why, /several addresses/);
  kind.look(NAME, ALONE);
  t.equal(asked(), 2);
  answer(CALLED_SERVICE);
  t.equal(kind.why, null);
  t.equal(news(), 1);
});

t.test('an address that is known for a ClusterIP takes back at once what was said of several', async (t) => {
  const { kind, asked, news } = bound(true);
  kind.look(NAME, ALONE);
  t.equal(news(), 0);
  kind.count(SEVERAL);
  kind.look(NAME, ALONE);
  t.equal(kind.why, null);
  t.equal(news(), 1, 'whoever shows it is told');
  t.equal(asked(), 0);
});

t.test('an answer about one address says nothing of the several that came meanwhile', async (t) => {
  const { kind, answer } = bound(false);
  kind.look(NAME, ALONE);
  kind.count(SEVERAL);
  answer(CALLED_SERVICE);
  t.match(kind.why, /several addresses/);
});
