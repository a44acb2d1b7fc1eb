"""A slow, lossy link between two network namespaces: tun_relay.py NAME_A NAME_B DELAY_MS LOSS_PERCENT REORDER_PERCENT

Opens two TUN devices, which whoever starts it moves into the namespaces, and carries packets from one to the other: each
after DELAY_MS, LOSS_PERCENT of them never, REORDER_PERCENT of them later than those behind them. Prints "relaying", and
when its standard input ends "relayed N dropped N reordered N".
"""

import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
MTU = 65536
# A packet that is overtaken waits this much longer.
OVERTAKEN_SECONDS = 0.03


def open_tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def main():
    name_a, name_b, delay_ms, loss, reorder = sys.argv[1:]
    delay = float(delay_ms) / 1000
    loss = float(loss) / 100
    reorder = float(reorder) / 100
    # The same packets are lost in each run that sends the same.
    chance = random.Random(1)
    a, b = open_tun(name_a), open_tun(name_b)
    other = {a: b, b: a}
    queue = []
    sequence = relayed = dropped = reordered = 0
    print("relaying", flush=True)
    while True:
        wait = max(0, queue[0][0] - time.monotonic()) if queue else None
        ready, _, _ = select.select([a, b, 0], [], [], wait)
        now = time.monotonic()
        for fd in ready:
            if fd == 0:
                if not os.read(0, 4096):
                    print(f"relayed {relayed} dropped {dropped} reordered {reordered}", flush=True)
                    return
                continue
            while True:
                try:
                    packet = os.read(fd, MTU)
                except BlockingIOError:
                    break
                if chance.random() < loss:
                    dropped += 1
                    continue
                due = now + delay
                if chance.random() < reorder:
                    due += OVERTAKEN_SECONDS
                    reordered += 1
                sequence += 1
                heapq.heappush(queue, (due, sequence, other[fd], packet))
        while queue and queue[0][0] <= now:
            _, _, fd, packet = heapq.heappop(queue)
            try:
                os.write(fd, packet)
                relayed += 1
            except OSError:
                # The device is down, or has no room: lost, as on any link.
                dropped += 1


main()
