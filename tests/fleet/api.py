"""Three API servers in a thread: what each was asked, by which replica, and requests that are held.

Made by `fleet`. A request's peer address is the replica that sent it. `/slow/...` is answered when the
test says so: with it a test knows what is in flight where. `/healthz` is not counted.
"""

import asyncio
import json
import threading
from collections import Counter


class Apis:
    def __init__(self, hosts, port):
        self.loop = asyncio.new_event_loop()
        self.asked = Counter()     # (server, replica): requests
        self.held = {}             # path: replica that asks
        self.release = None
        ready = threading.Event()
        threading.Thread(target=self.serve, args=(hosts, port, ready), daemon=True).start()
        ready.wait()

    def serve(self, hosts, port, ready):
        asyncio.set_event_loop(self.loop)

        async def begin():
            self.release = asyncio.Event()
            for host in hosts:
                await asyncio.start_server(lambda r, w, host=host: self.connection(host, r, w), host, port)

        self.loop.run_until_complete(begin())
        ready.set()
        self.loop.run_forever()

    async def connection(self, host, reader, writer):
        replica = writer.get_extra_info("peername")[0]
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].decode()
                if path != "/healthz":
                    self.asked[host, replica] += 1
                if path.startswith("/slow/"):
                    self.held[path] = replica
                    await self.release.wait()
                body = json.dumps({"server": host, "replica": replica}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                             b"%d\r\n\r\n%s" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    def let_go(self):
        """Answers what is held."""
        self.loop.call_soon_threadsafe(self.release.set)

    def hold_again(self):
        self.held.clear()
        self.loop.call_soon_threadsafe(self.release.clear)
