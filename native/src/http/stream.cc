#include "http/stream.h"

#include "net/state_records.h"

namespace sideroute {

void DescribeNoRequest(StateRecords& records) {
  records.Number(kNoBackend);
  records.Number(0);
  records.Number(0);
  records.Number(0);
  records.Text({});
  records.Address(NetAddress());
}

}  // namespace sideroute
